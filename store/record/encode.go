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
	// MaxSingle is the number of entries up to which a whole listing is stored
	// in one record.
	MaxSingle = 512
	// ChunkLen is the number of entries in each of the chunks that a larger one
	// is first cut into.
	ChunkLen = 256
)

// EncodedListing is what a worker makes of a listing for the writer: the entries
// encoded, and the child directories. It owns its memory and is never changed.
type EncodedListing struct {
	Stamp       uint64
	Dir         listing.Stat
	NoACL       bool
	First, Last bool // as in listing.Listing

	// At is when it was prepared, just after it was read. Times of Dir that were
	// not old by then are not trusted.
	At time.Time

	// Chunks hold the entries that were kept, in order. Of a whole listing of
	// up to MaxSingle entries there is exactly one, which may be empty; else
	// each has at most ChunkLen entries and at least one, and there is none
	// where a part came to nothing.
	Chunks []EncodedChunk
	// Children are the entries that are directories, in order.
	Children []Child
	// Upto is the last name that the listing or part had, kept or not. A part
	// that is not Last stands for the names up to Upto; "" where it had none.
	Upto string
	// Agg is of all the entries that were kept.
	Agg Aggregates

	one [1]EncodedChunk // Chunks, most often
}

// EncodedChunk is a run of encoded entries.
type EncodedChunk struct {
	First string // the first name; "" where there are no entries
	Body
}

// Child is a directory in a listing, and what tells it from another one of the
// same name. Where its stat failed all of it is zero.
type Child struct {
	Name         string
	Ino          uint64
	Btime, Ctime listing.Time
	Descend      bool // it is to be listed too
}

// trustAge is how old a directory's times must be for a later change to be sure
// to show in them: file systems keep times as coarsely as two seconds.
const trustAge = 3 * time.Second

// trusted reports whether the directory's times were old when it was listed.
func (p *EncodedListing) TimesTrusted() bool {
	last := p.Dir.Mtime
	if p.Dir.Ctime.Compare(last) > 0 {
		last = p.Dir.Ctime
	}
	return !last.IsZero() && p.At.Sub(last.Std()) >= trustAge
}

// Size returns about how many bytes of memory p takes.
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

// Encode encodes what is to be stored of l. keep says which entries; nil: all.
// descend says of each kept entry that is a directory whether it is to be
// listed too; nil: all are. The work that does not need the writer is done
// here: it is called on the walker's workers, by any number of goroutines at
// once, and keeps nothing of l.
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

// own returns last, the last name of the listing, in p's own memory.
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

// keep returns the entries that are kept; in e's own space where not all are.
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

// children fills in p.Children from the entries that were encoded in p.Chunks,
// whose names they share.
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
