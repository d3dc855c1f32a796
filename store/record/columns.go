package record

import (
	"bytes"
	"iter"
	"math"
	"strings"
	"unsafe"

	"indexd/listing"
	"indexd/store/internal/codec"
)

// Entries are the entries of a Body, read in place: names and values are decoded from the
// columns when they are needed, and strings alias them. An entry has a name, type, mode, owner,
// size, blocks, mtime, inode, link count and stat errno; Ctime and Btime are not stored and are
// zero.
//
// Entries are numbered from 0 to Len()-1; other numbers panic. Entries caches positions, so
// ascending access is cheap. It is not for concurrent use.
type Entries struct {
	n     int
	names []byte
	b     []byte // all columns of the body
	first int    // offset in b of the first column
	flags byte

	agg *Aggregates // nil if they are in raw, a header
	raw []byte

	at, off int // name number at begins at names[off]

	parsed                                          bool // the columns below are those of b
	bad                                             bool // the columns could not be decoded and are zero
	owners                                          owners
	inos, sizes, secs, nsecs, blocks, links, errnos column

	entry listing.Entry // the one that All yields
}

// open sets c to the entries of b, without verifying the checksum.
func (c *Entries) open(b *Body) error {
	c.close()
	c.agg = &b.agg
	return c.openColumns(b.cols)
}

// openColumns decodes as much of cols as it takes to find the names. It leaves the columns
// below parsed as they are, which saves time.
func (c *Entries) openColumns(cols []byte) error {
	if len(cols) == 0 {
		return nil
	}
	r := codec.Reader{B: cols}
	c.flags = r.Byte()
	size := r.Uvarint()
	if r.Bad || size == 0 || size > uint64(r.Left()) || len(cols) > math.MaxInt32 {
		return codec.ErrCorrupt
	}
	names := cols[len(cols)-int(size):]
	if names[size-1] != 0 {
		return codec.ErrCorrupt
	}
	c.n, c.names, c.b, c.first = bytes.Count(names, []byte{0}), names, cols, r.Pos
	return nil
}

// Names returns the names in a body that was encoded by this process, each terminated by 0x00.
func (b *Body) Names() []byte {
	r := codec.Reader{B: b.cols, Pos: 1}
	return b.cols[len(b.cols)-int(r.Uvarint()):]
}

// close sets c to no entries.
func (c *Entries) close() {
	c.n, c.names, c.b, c.first, c.flags = 0, nil, nil, 0, 0
	c.agg, c.raw = nil, nil
	c.at, c.off = 0, 0
	c.parsed, c.bad = false, false
}

// columns locates the columns. If they are inconsistent, which with a matching checksum only a
// faulty writer can cause, all values read as zero, and Verify reports it.
func (c *Entries) columns() {
	var agg Aggregates
	if c.agg != nil {
		agg = *c.agg
	} else {
		head := codec.Reader{B: c.raw, Pos: 1}
		decodeAgg(&head, &agg)
	}
	r := codec.Reader{B: c.b[:len(c.b)-len(c.names)], Pos: c.first}
	c.owners.parse(&r, c.n, c.flags&hasOwners != 0)
	if c.flags&hasInos != 0 {
		c.inos.parse(&r, c.n, 0, false)
	} else {
		c.inos = column{base: r.Uvarint()}
	}
	c.optional(&c.sizes, hasSizes, &r, uint64(agg.MinSize), true)
	c.optional(&c.secs, hasSecs, &r, uint64(agg.Oldest.Sec), true)
	c.optional(&c.nsecs, hasNsecs, &r, 0, false)
	c.optional(&c.blocks, hasBlocks, &r, 0, true)
	c.optional(&c.links, hasLinks, &r, 0, true)
	c.optional(&c.errnos, hasErrnos, &r, 0, true)
	c.parsed = true
	if r.Bad || r.Left() != 0 || uint64(c.n) != agg.Count {
		c.bad = true
		c.owners = owners{}
		c.inos, c.sizes, c.secs, c.nsecs = column{}, column{}, column{}, column{}
		c.blocks, c.links, c.errnos = column{}, column{}, column{}
	}
}

func (c *Entries) optional(col *column, bit byte, r *codec.Reader, base uint64, known bool) {
	if c.flags&bit == 0 {
		*col = column{base: base}
		return
	}
	col.parse(r, c.n, base, known)
}

// seek checks that entry i exists and locates the columns.
func (c *Entries) seek(i int) {
	if uint(i) >= uint(c.n) {
		panic("record: entry number out of range")
	}
	if !c.parsed {
		c.columns()
	}
}

// Len returns the number of entries.
func (c *Entries) Len() int { return c.n }

// Names returns the names in bytewise order, each terminated by 0x00, which no name contains.
func (c *Entries) Names() []byte { return c.names }

// Name returns the name of entry i.
func (c *Entries) Name(i int) string {
	if uint(i) >= uint(c.n) {
		panic("record: entry number out of range")
	}
	if i < c.at {
		c.at, c.off = 0, 0
	}
	for ; c.at < i; c.at++ {
		c.off += bytes.IndexByte(c.names[c.off:], 0) + 1
	}
	return nameAt(c.names, c.off)
}

// nameAt returns the name that begins at names[off], which it aliases.
func nameAt(names []byte, off int) string {
	names = names[off:]
	return unsafe.String(unsafe.SliceData(names), bytes.IndexByte(names, 0))
}

// Type returns the type of entry i.
func (c *Entries) Type(i int) listing.Type {
	c.seek(i)
	return listing.TypeOf(c.owners.get(c.b, i).mode)
}

// Size returns the size of entry i.
func (c *Entries) Size(i int) int64 {
	c.seek(i)
	return int64(c.sizes.get(c.b, i))
}

// Mtime returns the mtime of entry i.
func (c *Entries) Mtime(i int) listing.Time {
	c.seek(i)
	return listing.Time{Sec: int64(c.secs.get(c.b, i)), Nsec: uint32(c.nsecs.get(c.b, i))}
}

// Entry sets e to entry i.
func (c *Entries) Entry(i int, e *listing.Entry) {
	c.seek(i)
	o := c.owners.get(c.b, i)
	t := listing.TypeOf(o.mode)
	size := int64(c.sizes.get(c.b, i))
	*e = listing.Entry{
		Name: c.Name(i),
		Stat: listing.Stat{
			Ino:    c.inos.get(c.b, i),
			Size:   size,
			Blocks: usualBlocks(size, t) + codec.Unzigzag(c.blocks.get(c.b, i)),
			Mtime:  listing.Time{Sec: int64(c.secs.get(c.b, i)), Nsec: uint32(c.nsecs.get(c.b, i))},
			Mode:   o.mode,
			UID:    o.uid,
			GID:    o.gid,
			Nlink:  uint32(usualLinks(t) + codec.Unzigzag(c.links.get(c.b, i))),
		},
		StatErrno: uint16(c.errnos.get(c.b, i)),
	}
}

// All iterates over the entries in order of names. The Entry is the same one each time; it is
// valid until the next iteration and must not be modified.
func (c *Entries) All() iter.Seq2[int, *listing.Entry] {
	return func(yield func(int, *listing.Entry) bool) {
		if c.n == 0 {
			return
		}
		c.seek(0)
		c.all(yield)
	}
}

// all decodes a block of each column at a time.
func (c *Entries) all(yield func(int, *listing.Entry) bool) {
	const block = 16
	var which, inos, sizes, secs, nsecs, blocks, links, errnos [block]uint64
	e := &c.entry
	*e = listing.Entry{}
	off := 0
	for at := 0; at < c.n; at += block {
		n := min(block, c.n-at)
		unpack(c.b, int(c.owners.idx), at, c.owners.iw, 0, which[:n])
		c.inos.fill(c.b, at, inos[:n])
		c.sizes.fill(c.b, at, sizes[:n])
		c.secs.fill(c.b, at, secs[:n])
		c.nsecs.fill(c.b, at, nsecs[:n])
		c.blocks.fill(c.b, at, blocks[:n])
		c.links.fill(c.b, at, links[:n])
		c.errnos.fill(c.b, at, errnos[:n])
		for j := range n {
			o := c.owners.number(which[j])
			t := listing.TypeOf(o.mode)
			e.Name = nameAt(c.names, off)
			off += len(e.Name) + 1
			e.Ino = inos[j]
			e.Size = int64(sizes[j])
			e.Blocks = usualBlocks(e.Size, t) + codec.Unzigzag(blocks[j])
			e.Mtime.Sec, e.Mtime.Nsec = int64(secs[j]), uint32(nsecs[j])
			e.Mode, e.UID, e.GID = o.mode, o.uid, o.gid
			e.Nlink = uint32(usualLinks(t) + codec.Unzigzag(links[j]))
			e.StatErrno = uint16(errnos[j])
			if !yield(at+j, e) {
				return
			}
		}
	}
}

// Find returns the number of the entry called name, or the number at which it would be
// inserted.
func (c *Entries) Find(name string) (i int, ok bool) {
	lo, hi := 0, len(c.names) // beginnings of names, or the end
	for lo < hi {
		m := lo + bytes.LastIndexByte(c.names[lo:(lo+hi)/2], 0) + 1
		at := nameAt(c.names, m)
		switch d := strings.Compare(at, name); {
		case d == 0:
			lo, hi, ok = m, m, true
		case d < 0:
			lo = m + len(at) + 1
		default:
			hi = m
		}
	}
	return bytes.Count(c.names[:lo], []byte{0}), ok
}

// Dirs iterates over the names and inodes of the entries that are directories.
func (c *Entries) Dirs() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		if c.n == 0 {
			return
		}
		c.seek(0)
		for i, off := 0, 0; i < c.n; i++ {
			name := nameAt(c.names, off)
			off += len(name) + 1
			if c.owners.dir(c.b, i) && !yield(name, c.inos.get(c.b, i)) {
				return
			}
		}
	}
}
