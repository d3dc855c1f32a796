package record

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"

	"indexd/listing"
	"indexd/store/internal/codec"
)

// The columns of a body, in this order. A column that has a flag is left out if all its values
// are its base, which for nsecs is 0.
//
//	flags     byte
//	length    of the names, uvarint
//	owners    their number less one, uvarint; the owners; an index for each
//	          entry. Without hasOwners, only the one owner
//	inodes    without hasInos, only the one inode, uvarint
//	sizes     base: the smallest, which is in the header
//	seconds   of mtime; base: the oldest, which is in the header
//	nsecs     of mtime
//	blocks    zigzag of the difference from usualBlocks; base 0
//	links     zigzag of the difference from usualLinks; base 0
//	errnos    of stat; base 0
//	names     each terminated by 0x00
//
// A body is decoded with the header of its record. The names are stored plainly, so that they
// can be searched as one text: front-coded they would take 8.5 bytes per entry less on a system
// of 406,278 entries (13.6 instead of 22.1), but searching them would take 22 ns per entry
// instead of 3. They come last so that bytes follow the packed numbers, which then can be
// loaded eight at a time.
const (
	hasOwners = 1 << iota
	hasInos
	hasSizes
	hasSecs
	hasNsecs
	hasBlocks
	hasLinks
	hasErrnos
)

// usualBlocks returns what ext4 allocates for a file without holes.
func usualBlocks(size int64, t listing.Type) int64 {
	if t == listing.Regular || t == listing.Dir {
		return int64((uint64(size) + 4095) / 4096 * 8)
	}
	return 0
}

func usualLinks(t listing.Type) int64 {
	if t == listing.Dir {
		return 2
	}
	return 1
}

// encoder encodes entries to bodies. It is reusable scratch space.
type encoder struct {
	out    []byte
	kept   []listing.Entry
	owners []owner
	which  []uint64 // owner of each entry
	ints   intCoder

	inos, sizes, secs, nsecs, blocks, links, errnos []uint64
}

// encoders are reused by Encode and EncodeBody.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

// maxScratch is the maximum number of entries for which an unused encoder keeps space.
const maxScratch = 16384

func (e *encoder) release() {
	if cap(e.kept) > maxScratch || cap(e.inos) > maxScratch || cap(e.out) > 64*maxScratch {
		return
	}
	clear(e.kept) // the names belong to the caller
	e.kept = e.kept[:0]
	encoders.Put(e)
}

// EncodeBody encodes up to some thousands of entries. They must be sorted bytewise by name,
// without duplicates, and are not retained.
func EncodeBody(entries []listing.Entry) Body {
	e := encoders.Get().(*encoder)
	defer e.release()
	return e.body(entries)
}

// body encodes entries into memory of their own.
func (e *encoder) body(entries []listing.Entry) Body {
	e.out = e.out[:0]
	agg := e.append(entries)
	if agg.Count == 0 {
		return Body{}
	}
	cols := append(make([]byte, 0, len(e.out)), e.out...)
	return Body{agg, crc32.Checksum(cols, codec.Castagnoli), cols}
}

// append appends the columns of entries to e.out, nothing if there are no entries.
func (e *encoder) append(entries []listing.Entry) (agg Aggregates) {
	n := len(entries)
	if n == 0 {
		return agg
	}
	e.grow(n)
	var namesLen int
	var nsecs, blocks, links, errnos uint64
	for i := range entries {
		f := &entries[i]
		agg.Add(f)
		namesLen += len(f.Name) + 1
		t := f.Type()
		e.which[i] = e.owner(owner{f.Mode, f.UID, f.GID})
		e.inos[i] = f.Ino
		e.sizes[i] = uint64(f.Size)
		e.secs[i] = uint64(f.Mtime.Sec)
		e.nsecs[i] = uint64(f.Mtime.Nsec)
		e.blocks[i] = codec.Zigzag(f.Blocks - usualBlocks(f.Size, t))
		e.links[i] = codec.Zigzag(int64(f.Nlink) - usualLinks(t))
		e.errnos[i] = uint64(f.StatErrno)
		nsecs |= e.nsecs[i]
		blocks |= e.blocks[i]
		links |= e.links[i]
		errnos |= e.errnos[i]
	}
	var flags byte
	has := func(bit byte, yes bool) {
		if yes {
			flags |= bit
		}
	}
	has(hasOwners, len(e.owners) > 1)
	has(hasInos, n > 1)
	has(hasSizes, agg.MinSize != agg.MaxSize)
	has(hasSecs, !allEqual(e.secs))
	has(hasNsecs, nsecs != 0)
	has(hasBlocks, blocks != 0)
	has(hasLinks, links != 0)
	has(hasErrnos, errnos != 0)

	out := append(e.out, flags)
	out = binary.AppendUvarint(out, uint64(namesLen))
	if flags&hasOwners != 0 {
		out = binary.AppendUvarint(out, uint64(len(e.owners)-1))
	}
	var before owner
	for _, o := range e.owners {
		out = appendOwner(out, o, before)
		before = o
	}
	out = appendPacked(out, e.which, 0, bitsFor(len(e.owners)))

	if flags&hasInos != 0 {
		out = e.ints.append(out, e.inos, slices.Min(e.inos), false, true)
	} else {
		out = binary.AppendUvarint(out, e.inos[0])
	}
	if flags&hasSizes != 0 {
		out = e.ints.append(out, e.sizes, uint64(agg.MinSize), true, false)
	}
	if flags&hasSecs != 0 {
		out = e.ints.append(out, e.secs, uint64(agg.Oldest.Sec), true, false)
	}
	if flags&hasNsecs != 0 {
		out = e.ints.append(out, e.nsecs, slices.Min(e.nsecs), false, false)
	}
	if flags&hasBlocks != 0 {
		out = e.ints.append(out, e.blocks, 0, true, false)
	}
	if flags&hasLinks != 0 {
		out = e.ints.append(out, e.links, 0, true, false)
	}
	if flags&hasErrnos != 0 {
		out = e.ints.append(out, e.errnos, 0, true, false)
	}
	for i := range entries {
		out = append(out, entries[i].Name...)
		out = append(out, 0)
	}
	e.out = out
	return agg
}

func (e *encoder) grow(n int) {
	e.owners = e.owners[:0]
	for _, s := range [...]*[]uint64{&e.which, &e.inos, &e.sizes, &e.secs, &e.nsecs, &e.blocks, &e.links, &e.errnos} {
		if cap(*s) < n {
			*s = make([]uint64, n, max(n, 64))
		}
		*s = (*s)[:n]
	}
}

// owner returns the number of o, which is most often that of the previous entry.
func (e *encoder) owner(o owner) uint64 {
	for i := range e.owners {
		if e.owners[i] == o {
			return uint64(i)
		}
	}
	e.owners = append(e.owners, o)
	return uint64(len(e.owners) - 1)
}

func allEqual(vals []uint64) bool {
	for _, v := range vals {
		if v != vals[0] {
			return false
		}
	}
	return true
}
