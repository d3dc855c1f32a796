// Package postings tells which docs have a trigram in a name, so that a query reads few
// records. It keeps its data in three buckets of a database that it does not know otherwise:
// pages of lists by segment and trigram, the segments' own records, and sets of doc ids.
//
// A doc that gains a name becomes unindexed, and is a candidate for every query until a merge
// has built a segment of it. Segments are merged in tiers, as in a log-structured tree. A
// segment is never changed: of those that have a doc, the newest knows all its names.
package postings

import (
	"math"

	bolt "go.etcd.io/bbolt"
)

// Bucket is one of the buckets that belong to this package.
type Bucket int

const (
	Pages    Bucket = iota // of the lists of segments
	Segments               // their records
	Sets                   // of doc ids
)

// Counts are the numbers that the database keeps for this package.
type Counts struct {
	Unindexed uint64 // docs in that set
	Merging   uint64 // docs in that set
	Segment   uint64 // the highest number of a segment ever given
}

// DB is the database.
type DB interface {
	// View calls fn with a snapshot, which ends when fn returns.
	View(fn func(Reader) error) error
}

// Reader is a snapshot of the database.
type Reader interface {
	Bucket(Bucket) *bolt.Bucket
	// Counts returns the numbers as they are in the snapshot. Those of a Writer may be
	// changed.
	Counts() *Counts
	// Names returns the names in the record of a doc, each ended by a 0 byte, valid while
	// the snapshot is. It returns exists false if there is no such doc, and ok false if its
	// names cannot be read now.
	Names(doc uint32) (names []byte, ok, exists bool)
	// Corrupt notes that a value does not match its checksum, and returns an error that
	// says so.
	Corrupt(b Bucket, key []byte) error
}

// Writer is the write transaction.
type Writer interface {
	Reader
	Put(b Bucket, key, val []byte) error
	Delete(b Bucket, key []byte) error
}

// MaxDoc is the highest doc id that sets and segments can hold. Ids are never used twice;
// beyond it, which 100 new directories a second reach after a year, every doc is a candidate.
const MaxDoc = math.MaxUint32
