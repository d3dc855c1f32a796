package store

import (
	"bytes"
	"iter"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"indexd/store/dbfile"
	"indexd/store/internal/codec"
	"indexd/store/record"
)

// keySet is a small set of directories, kept as the keys of a bucket, in a transaction.
//
// Boundaries are the directories that a listing names but that are not indexed, such as
// mount points and excluded directories. They need no record.
//
// Failed directories could not be read at the last attempt, for another reason than missing
// permission. They have keys of their own so that an answer can say what it may lack without
// reading every header.
type keySet struct {
	tx *dbfile.Tx
	b  *bolt.Bucket
}

// set adds key to the set, or removes it.
func (s keySet) set(key record.Key, member bool) error {
	switch is := s.b.Get(key) != nil; {
	case is == member:
		return nil
	case is:
		return s.tx.Delete(s.b, key)
	}
	return s.tx.Put(s.b, bytes.Clone(key), codec.AddChecksum(key, nil))
}

// anyBelow reports whether the set has a directory below key.
func (s keySet) anyBelow(key record.Key) bool {
	k, _ := s.b.Cursor().Seek(key.ChunksEnd())
	return k != nil && bytes.Compare(k, key.SubtreeEnd()) < 0
}

// drop removes key and everything below it.
func (s keySet) drop(key record.Key) error {
	end := key.SubtreeEnd()
	for {
		k, _ := s.b.Cursor().Seek(key)
		if k == nil || bytes.Compare(k, end) >= 0 {
			return nil
		}
		if err := s.tx.Delete(s.b, bytes.Clone(k)); err != nil {
			return err
		}
	}
}

// IsBoundary reports whether a directory is named by its parent but not indexed.
func (sn *Snap) IsBoundary(key record.Key) bool { return sn.b.boundaries.Get(key) != nil }

// isFailure reports whether errno makes a directory a failed one.
func isFailure(errno uint16) bool {
	switch syscall.Errno(errno) {
	case 0, syscall.EACCES, syscall.EPERM:
		return false
	}
	return true
}

// Failed iterates over the directories in [lo, hi) that could not be read at the last
// attempt, for another reason than missing permission, in key order, with their records. A
// nil hi is the end. Key and record are valid while the snapshot is.
func (sn *Snap) Failed(lo, hi record.Key) iter.Seq2[record.Key, *record.Record] {
	return func(yield func(record.Key, *record.Record) bool) {
		c := sn.b.failed.Cursor()
		for k, _ := c.Seek(lo); k != nil && (hi == nil || bytes.Compare(k, hi) < 0); k, _ = c.Next() {
			// The key of a dead directory is removed when its record is purged.
			rec, ok, err := sn.Record(k)
			if ok && err == nil && isFailure(rec.Header().Errno) && !yield(k, &rec) {
				return
			}
		}
	}
}
