package record

import (
	"math"
	"time"

	"indexd/listing"
)

// Header is everything about a directory but its entries. The record of a
// chunk has one too, in which Doc, Stamp and Agg are its own and the rest is
// zero.
type Header struct {
	Doc    uint64       // the record's document id
	Stamp  uint64       // of the listing
	Listed time.Time    // when it was applied; kept to the millisecond; zero: never
	Dir    listing.Stat // the directory's own

	// TrustTimes: Dir.Mtime and Dir.Ctime may be compared with the directory's
	// to see whether a name in it changed. They come from a full listing, were
	// not under 3 s old then, and no one-name update came since.
	TrustTimes bool

	// NoACL is listing.Listing's, of Dir.
	NoACL bool

	// Errno is why the directory could not be read at the last attempt, at
	// ErrAt (to the millisecond); the entries are the last known ones. 0: it
	// could.
	Errno uint16
	ErrAt time.Time

	// Chunked: the entries are not in this record but in chunks; Agg is of all
	// of them.
	Chunked bool
	// InProgress: the parts of a big listing are still being applied.
	InProgress bool

	// Agg is what the entries come to. Append sets it from the entries
	// except where Chunked.
	Agg Aggregates
}

// Origin is what of a Header tells which directory was listed, and when.
type Origin struct {
	Doc, Stamp uint64
	Ino        uint64
	Ctime      listing.Time
	Failed     bool // Errno is not 0
	NoACL      bool // of a directory with this inode and ctime
}

// Origin returns that part.
func (h *Header) Origin() Origin {
	return Origin{h.Doc, h.Stamp, h.Dir.Ino, h.Dir.Ctime, h.Errno != 0, h.NoACL}
}

// Aggregates say of a number of entries, without reading them, what they come
// to. Count and Dirs are exact. As zone maps, the bounds include every entry's
// size and mtime; the times are whole seconds, Oldest rounded down and Newest up.
// An entry whose stat failed counts as of size 0 and time zero. The zero value
// stands for no entries.
type Aggregates struct {
	Count          uint64 // entries
	Dirs           uint64 // of them, directories
	Bytes          int64  // sum of the sizes
	Blocks         int64  // sum of the allocated blocks of 512 bytes
	MinSize        int64
	MaxSize        int64
	Oldest, Newest listing.Time // mtime
}

// Add counts e in.
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

// Merge counts in what b stands for.
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

// subtract takes out what b stands for, which a has in it, unless a sum is at the
// end of its range. The bounds stay, and hold still.
func (a *Aggregates) Subtract(b *Aggregates) {
	a.Count -= b.Count
	a.Dirs -= b.Dirs
	a.Bytes -= b.Bytes
	a.Blocks -= b.Blocks
	if a.Count == 0 {
		*a = Aggregates{}
	}
}

// full reports whether a sum is at the end of its range, so that nothing can be
// taken out of it.
func (a *Aggregates) Saturated() bool {
	return a.Bytes == math.MaxInt64 || a.Bytes == math.MinInt64 || a.Blocks == math.MaxInt64 || a.Blocks == math.MinInt64
}

// addSat adds and stays at the end of the range where the sum is beyond it:
// sparse files claim sizes of exabytes.
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
