package record

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unsafe"

	"indexd/listing"
)

const (
	// MaxSingle is the maximum number of entries of a listing that is stored in one record.
	MaxSingle = 512
	// ChunkLen is the number of entries of each chunk that a larger listing is split into.
	ChunkLen = 256
)

// EncodedListing is a listing, or a part of one, as a worker encodes it for the writer. It owns
// its memory and is never modified.
type EncodedListing struct {
	Stamp       uint64
	Dir         listing.Stat
	NoACL       bool
	First, Last bool // as in listing.Listing

	// At is when the listing was encoded, just after it was read. Times of Dir that were not
	// old by then are not trusted.
	At time.Time

	// Chunks hold the kept entries, in order. A whole listing of up to MaxSingle entries has
	// exactly one, which may be empty. Otherwise each has from 1 to ChunkLen entries, and a
	// part without entries has none.
	Chunks []EncodedChunk
	// Children are the entries that are directories, in order.
	Children []Child
	// Upto is the last name of the listing or part, kept or not, or "" if there was none. A
	// part that is not Last covers the names up to Upto.
	Upto string
	// Agg covers all kept entries.
	Agg Aggregates

	one [1]EncodedChunk // usually Chunks aliases it
}

// EncodedChunk is a run of encoded entries.
type EncodedChunk struct {
	First string // the first name; "" if there are no entries
	Body
}

// Child is a directory in a listing, with what distinguishes it from another directory of the
// same name. If its stat failed, Ino and the times are zero.
type Child struct {
	Name         string
	Ino          uint64
	Btime, Ctime listing.Time
	Descend      bool // it is to be listed itself
}

// trustAge is the age from which on a directory's times can be trusted to differ after a later
// change: file systems keep times as coarsely as two seconds.
const trustAge = 3 * time.Second

// TimesTrusted reports whether the directory's times were old when it was listed.
func (p *EncodedListing) TimesTrusted() bool {
	last := p.Dir.Mtime
	if p.Dir.Ctime.Compare(last) > 0 {
		last = p.Dir.Ctime
	}
	return !last.IsZero() && p.At.Sub(last.Std()) >= trustAge
}

// Size estimates the memory in bytes that p takes.
func (p *EncodedListing) Size() int {
	n := listingSize + len(p.Upto) + len(p.Children)*childSize
	for i := range p.Chunks {
		n += chunkSize + len(p.Chunks[i].cols)
	}
	return n
}

const (
	listingSize = int(unsafe.Sizeof(EncodedListing{}))
	childSize   = int(unsafe.Sizeof(Child{}))
	chunkSize   = int(unsafe.Sizeof(EncodedChunk{}))
)

// Encode encodes l for the writer. keep says which entries to keep, and descend which kept
// directories are to be listed themselves; nil means all. It does all work that does not need
// the writer, and retains nothing of l. It may be called by any number of goroutines at once.
func Encode(l *listing.Listing, keep, descend func(*listing.Entry) bool) *EncodedListing {
	e := encoders.Get().(*encoder)
	defer e.release()
	return e.encode(l, keep, descend)
}

func (e *encoder) encode(l *listing.Listing, keep, descend func(*listing.Entry) bool) *EncodedListing {
	entries := e.keep(l.Entries, keep)

	p := &EncodedListing{Stamp: l.Stamp, Dir: l.Dir, NoACL: l.NoACL, First: l.First, Last: l.Last, At: time.Now()}
	if l.First && l.Last && len(entries) <= MaxSingle {
		p.one[0] = e.chunk(entries)
		p.Chunks = p.one[:]
		p.Agg = p.Chunks[0].agg
	} else {
		p.Chunks = make([]EncodedChunk, 0, (len(entries)+ChunkLen-1)/ChunkLen)
		for part := range slices.Chunk(entries, ChunkLen) {
			c := e.chunk(part)
			p.Agg.Merge(&c.agg)
			p.Chunks = append(p.Chunks, c)
		}
	}
	p.children(entries, descend)
	if n := len(l.Entries); n > 0 {
		p.Upto = p.own(l.Entries[n-1].Name)
	}
	return p
}

// own returns last, the last name of the listing, in memory of p.
func (p *EncodedListing) own(last string) string {
	if n := len(p.Chunks); n > 0 && len(p.Chunks[n-1].cols) > 0 {
		names := p.Chunks[n-1].Names()
		off := bytes.LastIndexByte(names[:len(names)-1], 0) + 1
		if name := nameAt(names, off); name == last {
			return name
		}
	}
	return strings.Clone(last)
}

// keep returns the entries to keep, in e's own space unless it keeps all.
func (e *encoder) keep(entries []listing.Entry, keep func(*listing.Entry) bool) []listing.Entry {
	if keep == nil {
		return entries
	}
	i := 0
	for i < len(entries) && keep(&entries[i]) {
		i++
	}
	if i == len(entries) {
		return entries
	}
	kept := append(e.kept[:0], entries[:i]...)
	for i++; i < len(entries); i++ {
		if keep(&entries[i]) {
			kept = append(kept, entries[i])
		}
	}
	e.kept = kept
	return kept
}

// chunk encodes entries into memory of their own.
func (e *encoder) chunk(entries []listing.Entry) EncodedChunk {
	c := EncodedChunk{Body: e.body(entries)}
	if len(entries) > 0 {
		c.First = nameAt(c.Names(), 0)
	}
	return c
}

// children sets p.Children from the entries that were encoded in p.Chunks, sharing their names.
func (p *EncodedListing) children(entries []listing.Entry, descend func(*listing.Entry) bool) {
	if p.Agg.Dirs == 0 {
		return
	}
	p.Children = make([]Child, 0, p.Agg.Dirs)
	for i := range p.Chunks {
		names := p.Chunks[i].Names()
		for range p.Chunks[i].agg.Count {
			f := &entries[0]
			entries = entries[1:]
			name := names[:len(f.Name)]
			names = names[len(f.Name)+1:]
			if f.Type() != listing.Dir {
				continue
			}
			p.Children = append(p.Children, Child{
				Name:    unsafe.String(unsafe.SliceData(name), len(name)),
				Ino:     f.Ino,
				Btime:   f.Btime,
				Ctime:   f.Ctime,
				Descend: descend == nil || descend(f),
			})
		}
	}
}
