// Package store keeps the listings of directories in one bbolt file.
//
// # Buckets
//
// docs/format.md describes the file byte by byte. Numbers in keys are big-endian. Every value
// begins with a checksum of itself and its key, except those in listings, which have checksums
// of their own.
//
//	meta
//	 ├─ format     the schema version
//	 ├─ id         16 random bytes that distinguish this database from any other
//	 └─ state      clock, highest stamp, next doc id, counts; every commit writes it
//	volumes
//	 └─ <volume:2>                    VolumeInfo, JSON
//	counts
//	 └─ <volume:2>                    sums of the volume's records
//	listings
//	 ├─ <directory>                   record: header and entries, or only a header
//	 └─ <directory> 00 00 <first>     record of a chunk of a large listing
//	docs
//	 └─ <doc id / 64:5>               64 docs: the parent's doc id and the name of each
//	zones
//	 └─ <doc id / 64:5>               64 rows: bounds of the entries of each doc's record
//	postings
//	 └─ <segment:4><trigram:3><first doc:2>   a page of lists, see package postings/trigram
//	segments
//	 └─ <segment:4>                   its state and its docs
//	fresh
//	 └─ <set:1><doc id / 65536:2>     doc ids of a set, see package postings
//	pending
//	 └─ <directory>                   Pending
//	tombstones
//	 └─ <directory>                   everything at and below it with a lower stamp is gone
//	boundaries
//	 └─ <directory>                   named by its parent but not indexed
//	failed
//	 └─ <directory>                   could not be read at the last attempt
//	roots
//	 └─ <directory>                   JSON of the caller
//	jobs
//	 └─ <job:8>                       JSON of the caller
//	settings
//	 └─ <name>                        JSON of the caller
//
// <directory> is a record.Key: the volume's number, then a 00 and the name for each component of
// the path. Such keys sort in path order, and a subtree is one range. The buckets are listed in
// bucketTable, from which everything that concerns all buckets is derived.
//
// # Transactions
//
// There is one writer: Begin returns its transaction, which is used by one goroutine at a time.
// There is any number of readers: View gives each a snapshot, which several goroutines may
// share, each with its own Cursor. A goroutine never begins a transaction of either kind while
// it holds another one: if the file grew in between, both would wait forever.
package store

import (
	"encoding/binary"

	"indexd/store/internal/codec"
	"indexd/store/postings"
)

// schemaVersion is the version of the databases that this package writes. Every change to
// the layout above or to an encoding raises it and adds a migration. Version 1 is that of
// the first release.
const schemaVersion = 1

// The names of the buckets.
var (
	bucketMeta       = []byte("meta")
	bucketVolumes    = []byte("volumes")
	bucketCounts     = []byte("counts")
	bucketListings   = []byte("listings")
	bucketDocs       = []byte("docs")
	bucketZones      = []byte("zones")
	bucketPending    = []byte("pending")
	bucketTombstones = []byte("tombstones")
	bucketBoundaries = []byte("boundaries")
	bucketFailed     = []byte("failed")
	bucketRoots      = []byte("roots")
	bucketJobs       = []byte("jobs")
	bucketSettings   = []byte("settings")
	bucketPostings   = []byte("postings")
	bucketSegments   = []byte("segments")
	bucketFresh      = []byte("fresh")

	keyFormat = []byte("format")
	// keyUnreleased held the schema version before the first release.
	keyUnreleased = []byte("schema")
	keyID         = []byte("id")
	keyState      = []byte("state")
)

// state is the set of counters in the meta bucket.
type state struct {
	clock      uint64 // transactions that changed something
	stamp      uint64 // the highest stamp seen
	nextDoc    uint64
	pending    uint64 // keys in pending
	tombstones uint64 // keys in tombstones
	docs       uint64 // docs in use
	volume     uint64 // the highest volume number given out
	postings   postings.Counts
}

func (s *state) fields() [10]*uint64 {
	return [...]*uint64{&s.clock, &s.stamp, &s.nextDoc, &s.pending, &s.tombstones, &s.docs, &s.volume, &s.postings.Unindexed, &s.postings.Merging, &s.postings.Segment}
}

func (s *state) encode() []byte {
	var b []byte
	for _, f := range s.fields() {
		b = binary.AppendUvarint(b, *f)
	}
	return codec.AddChecksum(keyState, b)
}

func decodeState(val []byte) (state, error) {
	var s state
	b, err := codec.VerifyChecksum(keyState, val)
	if err != nil {
		return s, err
	}
	r := codec.Reader{B: b}
	for _, f := range s.fields() {
		*f = r.Uvarint()
	}
	if r.Bad {
		return s, codec.ErrCorrupt
	}
	return s, nil
}
