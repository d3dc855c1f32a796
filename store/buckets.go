package store

import (
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// bucketInfo describes one of the buckets in the database.
type bucketInfo struct {
	name []byte
	of   func(*buckets) **bolt.Bucket
	// large buckets grow with the index. The others are so small that all of their values
	// are checked whenever the database is opened.
	large bool
	// verify checks a value, at least its checksum, and returns how many things it holds.
	verify func(key, val []byte) (n uint64, err error)
	// count returns how many things there are in all; nil if they are not counted.
	count func(*state) uint64
}

// bucketTable is the only list of the buckets.
var bucketTable = [...]bucketInfo{
	{name: bucketMeta, of: func(b *buckets) **bolt.Bucket { return &b.meta }, verify: checksum, count: func(*state) uint64 { return 3 }},
	{name: bucketVolumes, of: func(b *buckets) **bolt.Bucket { return &b.volumes }, verify: one(decodeVolume)},
	{name: bucketCounts, of: func(b *buckets) **bolt.Bucket { return &b.counts }, verify: one(decodeCounts)},
	{name: bucketListings, of: func(b *buckets) **bolt.Bucket { return &b.listings }, large: true, verify: verifyListing, count: func(s *state) uint64 { return s.docs }},
	{name: bucketDocs, of: func(b *buckets) **bolt.Bucket { return &b.docs }, large: true, verify: verifyDocs, count: func(s *state) uint64 { return s.docs }},
	{name: bucketZones, of: func(b *buckets) **bolt.Bucket { return &b.zones }, large: true, verify: one(record.DecodeZones)},
	{name: bucketPending, of: func(b *buckets) **bolt.Bucket { return &b.pending }, verify: one(decodePending), count: func(s *state) uint64 { return s.pending }},
	{name: bucketTombstones, of: func(b *buckets) **bolt.Bucket { return &b.tombstones }, verify: one(decodeTombstone), count: func(s *state) uint64 { return s.tombstones }},
	{name: bucketBoundaries, of: func(b *buckets) **bolt.Bucket { return &b.boundaries }, verify: checksum},
	{name: bucketFailed, of: func(b *buckets) **bolt.Bucket { return &b.failed }, verify: checksum},
	{name: bucketRoots, of: func(b *buckets) **bolt.Bucket { return &b.roots }, verify: checksum},
	{name: bucketJobs, of: func(b *buckets) **bolt.Bucket { return &b.jobs }, verify: checksum},
	{name: bucketSettings, of: func(b *buckets) **bolt.Bucket { return &b.settings }, verify: checksum},
	{name: bucketPostings, of: func(b *buckets) **bolt.Bucket { return &b.postings }, large: true, verify: checksum},
	{name: bucketSegments, of: func(b *buckets) **bolt.Bucket { return &b.segments }, verify: checksum},
	{name: bucketFresh, of: func(b *buckets) **bolt.Bucket { return &b.fresh }, verify: checksum},
}

// buckets are the open buckets of a transaction. They are looked up once: looking up writes
// to the bbolt transaction, which readers that share a snapshot must not do.
type buckets struct {
	meta, volumes, counts, listings, docs, zones, pending, tombstones, boundaries, failed, roots, jobs, settings *bolt.Bucket
	postings, segments, fresh                                                                                    *bolt.Bucket
}

// open reports whether all buckets are there.
func (b *buckets) open(tx interface{ Bucket([]byte) *bolt.Bucket }) bool {
	for i := range bucketTable {
		to := bucketTable[i].of(b)
		if *to = tx.Bucket(bucketTable[i].name); *to == nil {
			return false
		}
	}
	return true
}

// bucketIndex returns the row of a bucket, -1 if there is no such bucket.
func bucketIndex(name string) int {
	return slices.IndexFunc(bucketTable[:], func(b bucketInfo) bool { return string(b.name) == name })
}

// checksum verifies nothing but the checksum of a value.
func checksum(key, val []byte) (uint64, error) {
	_, err := codec.VerifyChecksum(key, val)
	return 1, err
}

// one verifies a value that holds one thing, by decoding it.
func one[T any](decode func(key, val []byte) (T, error)) func(key, val []byte) (uint64, error) {
	return func(key, val []byte) (uint64, error) {
		_, err := decode(key, val)
		return 1, err
	}
}

// verifyListing checks the header of a record. Damage to its entries is errEntries.
func verifyListing(key, val []byte) (uint64, error) {
	rec, err := record.Decode(key, val)
	if err == nil && rec.Load() != nil {
		err = errEntries
	}
	return 1, err
}

// errEntries is damage to nothing but the entries of a listing, which are listed again.
var errEntries = fmt.Errorf("%w: entries", codec.ErrCorrupt)

func verifyDocs(key, val []byte) (n uint64, err error) {
	d, err := readBlock(key, val)
	for ok := err == nil; ok; {
		if _, _, _, _, ok = d.next(); ok {
			n++
		}
	}
	if d.r.Bad || err == nil && d.r.Left() > 0 {
		err = codec.ErrCorrupt
	}
	return n, err
}

// isLarge reports whether a bucket grows with the index.
func isLarge(name string) bool {
	i := bucketIndex(name)
	return i >= 0 && bucketTable[i].large
}
