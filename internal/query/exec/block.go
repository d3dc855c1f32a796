package exec

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"

	"indexd/internal/query"
)

// block holds rows in one piece of memory of fixed size: references, which are sorted, grow from
// its beginning, and what they refer to grows from its end:
//
//	row         uvarint low · uvarint length, name · byte length, value
//	directory   4 bytes: a directory above it · uvarint length, the rest of its pathKey
//
// Directories are added in the order of pathKeys. So whichever was added first also comes first in
// that order, and two paths can be compared without assembling them. A place is a distance from the end of the memory; that of "/" is 0.
type block struct {
	mem  []byte
	refs []ref // at the beginning of mem
	used int   // bytes at its end

	mapped bool // mem is not on the heap

	path  pathKey // the directory added last
	trail []node  // from the first to path itself
}

// ref refers to a row of a block.
type ref struct {
	prefix uint64 // position.prefix
	row    uint32 // place
	dir    uint32 // place
}

const refSize = int(unsafe.Sizeof(ref{}))

// minRow is less than a row takes in bytes: a reference, a name, and a part of a directory.
const minRow = int64(refSize) + 4

// node is a directory above or at a block's path: the length of its pathKey, and its place.
type node struct {
	end   int
	place uint32
}

// maxRow is more than a row may take: its path is no longer than a key of the store.
const maxRow = 48 << 10

func newBlock(mem []byte, rows int) *block {
	return &block{mem: mem, refs: unsafe.Slice((*ref)(unsafe.Pointer(unsafe.SliceData(mem))), rows)[:0]}
}

func (b *block) reset() {
	b.refs, b.used, b.path, b.trail = b.refs[:0], 0, b.path[:0], b.trail[:0]
}

// at returns the memory from a place on.
func (b *block) at(place uint32) []byte { return b.mem[len(b.mem)-int(place):] }

// alloc takes n bytes and returns their place.
func (b *block) alloc(n int) (uint32, []byte) {
	b.used += n
	return uint32(b.used), b.at(uint32(b.used))[:0]
}

// add copies a row. It returns false if the row does not fit or its directory comes before the
// last one. An empty block takes any row.
func (b *block) add(p *position, value []byte) bool {
	if len(b.refs) == cap(b.refs) {
		return false
	}
	if room := len(b.mem) - b.used - len(b.refs)*refSize; room < maxRow {
		if need := refSize + 3*binary.MaxVarintLen32 + len(p.name) + len(value) + len(p.dir) + 2*(4+binary.MaxVarintLen32); room < need {
			return false
		}
	}
	if !bytes.Equal(p.dir, b.path) && !b.enter(p.dir) {
		return false
	}
	dir := uint32(0)
	if n := len(b.trail); n > 0 {
		dir = b.trail[n-1].place
	}
	size := uvarintLen(uint64(p.low)) + uvarintLen(uint64(len(p.name))) + len(p.name) + 1 + len(value)
	row, dst := b.alloc(size)
	dst = binary.AppendUvarint(dst, uint64(p.low))
	dst = append(binary.AppendUvarint(dst, uint64(len(p.name))), p.name...)
	dst = append(dst, byte(len(value)))
	_ = append(dst, value...)
	b.refs = append(b.refs, ref{p.prefix, row, dir})
	return true
}

// enter makes dir the block's path; false if it comes before the last one. A directory gets one
// node for all that its path does not share with the one before, and what it shares gets one of
// its own if it has none yet.
func (b *block) enter(dir pathKey) bool {
	n := commonPrefix(dir, b.path)
	if n < len(b.path) && (n == len(dir) || dir[n] < b.path[n]) {
		return false
	}
	if n < len(b.path) && b.path[n] != 0 || n < len(dir) && dir[n] != 0 {
		n = max(bytes.LastIndexByte(dir[:n], 0), 0)
	}
	k := len(b.trail)
	for k > 0 && b.trail[k-1].end > n {
		k--
	}
	b.trail = b.trail[:k]
	b.extend(dir[:n])
	b.extend(dir)
	b.path = append(b.path[:0], dir...)
	return true
}

// extend adds the last node of dir, unless the last of the trail is it.
func (b *block) extend(dir pathKey) {
	var at node
	if k := len(b.trail); k > 0 {
		at = b.trail[k-1]
	}
	if at.end == len(dir) {
		return
	}
	rest := dir[at.end:]
	place, dst := b.alloc(4 + uvarintLen(uint64(len(rest))) + len(rest))
	dst = binary.LittleEndian.AppendUint32(dst, at.place)
	_ = append(binary.AppendUvarint(dst, uint64(len(rest))), rest...)
	b.trail = append(b.trail, node{len(dir), place})
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n+8 <= len(a) && n+8 <= len(b) && binary.LittleEndian.Uint64(a[n:]) == binary.LittleEndian.Uint64(b[n:]) {
		n += 8
	}
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func uvarintLen(n uint64) int {
	l := 1
	for ; n >= 0x80; n >>= 7 {
		l++
	}
	return l
}

// row returns a row; name and value alias the block.
func (b *block) row(r *ref) (low uint32, name string, value []byte) {
	d := decoder{b.at(r.row)}
	low = uint32(d.uvarint())
	name = d.string()
	n := int(d.byte())
	return low, name, d.b[:n]
}

// dir returns the directory at a place that is not 0: a place above it and the rest of its pathKey.
func (b *block) dir(place uint32) (above uint32, rest []byte) {
	mem := b.at(place)
	d := decoder{mem[4:]}
	return binary.LittleEndian.Uint32(mem), d.bytes()
}

// appendPath appends the pathKey of the directory at a place to dst.
func (b *block) appendPath(dst pathKey, place uint32) pathKey {
	if place == 0 {
		return dst
	}
	above, rest := b.dir(place)
	return append(b.appendPath(dst, above), rest...)
}

// sort puts the references into order.
func (b *block) sort(o *order) {
	slices.SortFunc(b.refs, func(x, y ref) int {
		c := cmp.Compare(x.prefix, y.prefix)
		if c == 0 {
			c = b.compareTies(o, &x, &y)
		}
		if o.reverse {
			return -c
		}
		return c
	})
}

// compareTies compares rows of equal prefixes, not in reverse.
func (b *block) compareTies(o *order, x, y *ref) int {
	lowX, nameX, _ := b.row(x)
	lowY, nameY, _ := b.row(y)
	if c := o.compareKeys(lowX, nameX, lowY, nameY); c != 0 {
		return c
	}
	switch {
	case x.dir == y.dir:
		return strings.Compare(nameX, nameY)
	case x.dir > y.dir:
		return -b.compareBelow(o, y.dir, nameY, x.dir)
	}
	return b.compareBelow(o, x.dir, nameX, y.dir)
}

// compareBelow compares an entry of dir with any entry of another directory, which was added
// after dir.
func (b *block) compareBelow(o *order, dir uint32, name string, other uint32) int {
	if o.sort == query.SortDefault {
		return -1
	}
	above, rest := b.dir(other)
	for above > dir {
		above, rest = b.dir(above)
	}
	if above == dir && name > text(pathKey(rest).child(nil)) {
		return 1
	}
	return -1
}
