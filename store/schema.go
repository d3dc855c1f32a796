// Package store keeps the listings of directories in one bbolt file.
//
// # Buckets
//
// All numbers in keys are big-endian; a value that is "sealed" begins with the
// CRC32C of its key and of what follows. A record carries its own checksums.
//
//	meta
//	 ├─ format     the schema version, sealed
//	 ├─ id         16 random bytes that tell this database from others, sealed
//	 └─ state      clock, highest stamp, next doc id, counts: sealed, written
//	               by every transaction that changes something
//	volumes
//	 └─ <volume:2>                    VolumeInfo, sealed JSON
//	counts
//	 └─ <volume:2>                    what the volume's records come to, sealed
//	listings
//	 ├─ <directory>                   record: the header, and the entries, or,
//	 └─ <directory> 00 00 <first>     where there are many, chunks of them
//	docs
//	 └─ <doc id / 64:5>               64 docs: of each its parent's doc id and
//	                                  its name, or a top's whole key; sealed
//	zones
//	 └─ <doc id / 64:5>               64 rows: of each doc's record bounds of the
//	                                  sizes and times of its entries; sealed
//	postings
//	 └─ <segment:4><trigram:3><first doc:2>   a page of lists, of each trigram the
//	                                  docs of the segment that have it in a
//	                                  name; see trigram.Packer; sealed
//	segments
//	 └─ <segment:4>                   its state, and which docs it has; sealed
//	fresh
//	 └─ <set:1><doc id / 65536:2>     doc ids of a set, see docSet: those that
//	                                  no segment knows all names of, those that
//	                                  are being merged, …; sealed
//	pending
//	 └─ <directory>                   Pending, sealed
//	dead
//	 └─ <directory>                   all at and below it that is not stamped
//	                                  newer is gone: the stamp, and how far it
//	                                  has been reaped; sealed
//	stops
//	 └─ <directory>                   named by its parent but not descended
//	                                  into (a mount point, a pruned one); sealed
//	failed
//	 └─ <directory>                   could not be read when last tried; sealed
//	roots
//	 └─ <directory>                   JSON of the caller's, sealed
//	jobs
//	 └─ <job:8>                       JSON of the caller's, sealed
//	settings
//	 └─ <name>                        JSON of the caller's, sealed
//
// <directory> is a Key: the volume's number, then each component of the path
// after a 00. See Key for why that order is the order of paths and a subtree
// one range.
//
// # Who may do what
//
// There is one writer: Begin gives its transaction, and all of it happens on
// one goroutine at a time. There are any number of readers: View gives each a
// snapshot, which several goroutines may share, each with its own Cursor.
// A goroutine never begins a transaction while it holds another, of either
// kind: with the file growing in between, both would wait for ever.
//
// # Faults
//
// What is done to the files can be watched and made to fail: Options.Faults. A
// test of a full disk returns unix.ENOSPC from Fault, one of a crash ends the
// process there, one of a power cut notes what was written and synced, and makes
// of it what a disk may have kept.
package store

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
