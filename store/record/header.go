package record

import (
	"math"
	"time"

	"indexd/listing"
)

// Header is everything that is stored about a directory except its entries. The record of a
// chunk has a header too, in which Doc, Stamp and Agg are those of the chunk and all other
// fields are zero.
type Header struct {
	Doc    uint64       // document id of the record
	Stamp  uint64       // of the listing
	Listed time.Time    // when the listing was applied, in milliseconds; zero if never
	Dir    listing.Stat // of the directory itself

	// TrustTimes says that a name in the directory has changed only if the directory's
	// times differ from Dir.Mtime and Dir.Ctime. These come from a full listing and were
	// at least 3 s old then, and no single name was updated since.
	TrustTimes bool

	// NoACL is that of listing.Listing, for Dir.
	NoACL bool

	// Errno is why the directory could not be read at the last attempt, at ErrAt (in
	// milliseconds); the entries are then the last known ones. It is 0 if the directory
	// could be read.
	Errno uint16
	ErrAt time.Time

	// Chunked says that the entries are not in this record but in chunks. Agg covers all
	// chunks.
	Chunked bool
	// InProgress says that parts of a large listing are still being applied.
	InProgress bool

	// Agg summarizes the entries. Append sets it from the entries unless Chunked.
	Agg Aggregates
}

// Origin is the part of a Header that says which directory was listed, and when.
type Origin struct {
	Doc, Stamp uint64
	Ino        uint64
	Ctime      listing.Time
	Failed     bool // Errno is not 0
	NoACL      bool // for this inode and ctime
}

// Origin returns the header's Origin.
func (h *Header) Origin() Origin {
	return Origin{h.Doc, h.Stamp, h.Dir.Ino, h.Dir.Ctime, h.Errno != 0, h.NoACL}
}

// Aggregates summarize a set of entries. Count and Dirs are exact. The bounds include the
// size and mtime of every entry; times are whole seconds, Oldest rounded down and Newest up.
// An entry whose stat failed has size 0 and time zero. The zero value stands for no entries.
type Aggregates struct {
	Count          uint64 // entries
	Dirs           uint64 // entries that are directories
	Bytes          int64  // sum of the sizes
	Blocks         int64  // sum of the allocated blocks of 512 bytes
	MinSize        int64
	MaxSize        int64
	Oldest, Newest listing.Time // mtime
}

// Add adds the entry e.
func (a *Aggregates) Add(e *listing.Entry) {
	newest := e.Mtime.Sec
	if e.Mtime.Nsec > 0 && newest < math.MaxInt64 {
		newest++
	}
	if a.Count == 0 {
		*a = Aggregates{MinSize: e.Size, MaxSize: e.Size}
		a.Oldest.Sec, a.Newest.Sec = e.Mtime.Sec, newest
	} else {
		a.MinSize = min(a.MinSize, e.Size)
		a.MaxSize = max(a.MaxSize, e.Size)
		a.Oldest.Sec = min(a.Oldest.Sec, e.Mtime.Sec)
		a.Newest.Sec = max(a.Newest.Sec, newest)
	}
	a.Count++
	if e.Type() == listing.Dir {
		a.Dirs++
	}
	a.Bytes = addSat(a.Bytes, e.Size)
	a.Blocks = addSat(a.Blocks, e.Blocks)
}

// Merge adds the entries that b summarizes.
func (a *Aggregates) Merge(b *Aggregates) {
	switch {
	case b.Count == 0:
		return
	case a.Count == 0:
		*a = *b
		return
	}
	a.Count += b.Count
	a.Dirs += b.Dirs
	a.Bytes = addSat(a.Bytes, b.Bytes)
	a.Blocks = addSat(a.Blocks, b.Blocks)
	a.MinSize = min(a.MinSize, b.MinSize)
	a.MaxSize = max(a.MaxSize, b.MaxSize)
	a.Oldest.Sec = min(a.Oldest.Sec, b.Oldest.Sec)
	a.Newest.Sec = max(a.Newest.Sec, b.Newest.Sec)
}

// Subtract removes the entries that b summarizes, all of which a includes, unless a is
// Saturated. The bounds do not change, and still hold.
func (a *Aggregates) Subtract(b *Aggregates) {
	a.Count -= b.Count
	a.Dirs -= b.Dirs
	a.Bytes -= b.Bytes
	a.Blocks -= b.Blocks
	if a.Count == 0 {
		*a = Aggregates{}
	}
}

// Saturated reports whether a sum has reached the end of its range, so that nothing can be
// subtracted from it.
func (a *Aggregates) Saturated() bool {
	return a.Bytes == math.MaxInt64 || a.Bytes == math.MinInt64 || a.Blocks == math.MaxInt64 || a.Blocks == math.MinInt64
}

// addSat returns a+b, or the end of the range if the sum is beyond it, since sparse files
// claim sizes of exabytes.
func addSat(a, b int64) int64 {
	c := a + b
	if b == 0 || (c > a) == (b > 0) {
		return c
	}
	if b > 0 {
		return math.MaxInt64
	}
	return math.MinInt64
}
