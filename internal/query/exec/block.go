package exec

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unsafe"
)

// block holds rows in one piece of memory of fixed size: references, which are sorted, grow from
// its beginning, and what they refer to grows from its end:
//
//	row         uvarint low · uvarint length, name · byte length, value
//	directory   4 bytes: the place of a base · uvarint length, the rest of its pathKey
//	base        uvarint length, the beginning of pathKeys
//
// Rows that are added one after another mostly lie near each other, so they share directories and
// bases. A place is a distance from the end of the memory.
type block struct {
	mem  []byte
	refs []ref // at the beginning of mem
	used int   // bytes at its end

	mapped bool // mem is not on the heap

	last pathKey // the directory added last
	dir  uint32  // its place; 0 if there is none
	base uint32  // the place of its base, which has
	size int     // that many bytes
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

// maxRow is more than a row may take: its path is no longer than a key of the store.
const maxRow = 48 << 10

func newBlock(mem []byte, rows int) *block {
	return &block{mem: mem, refs: unsafe.Slice((*ref)(unsafe.Pointer(unsafe.SliceData(mem))), rows)[:0]}
}

func (b *block) reset() {
	b.refs, b.used, b.dir = b.refs[:0], 0, 0
}

// at returns the memory from a place on.
func (b *block) at(place uint32) []byte { return b.mem[len(b.mem)-int(place):] }

// alloc takes n bytes and returns their place.
func (b *block) alloc(n int) (uint32, []byte) {
	b.used += n
	return uint32(b.used), b.at(uint32(b.used))[:0]
}

// add copies a row. It returns false if the row does not fit; an empty block takes any row.
func (b *block) add(p *position, value []byte) bool {
	if len(b.refs) == cap(b.refs) {
		return false
	}
	if room := len(b.mem) - b.used - len(b.refs)*refSize; room < maxRow &&
		room < refSize+6*binary.MaxVarintLen32+len(p.name)+len(value)+len(p.dir) {
		return false
	}
	if b.dir == 0 || !bytes.Equal(p.dir, b.last) {
		b.enter(p.dir)
	}
	row, dst := b.alloc(uvarintLen(uint64(p.low)) + uvarintLen(uint64(len(p.name))) + len(p.name) + 1 + len(value))
	dst = binary.AppendUvarint(dst, uint64(p.low))
	dst = append(binary.AppendUvarint(dst, uint64(len(p.name))), p.name...)
	_ = append(append(dst, byte(len(value))), value...)
	b.refs = append(b.refs, ref{p.prefix, row, b.dir})
	return true
}

// enter adds a directory.
func (b *block) enter(dir pathKey) {
	if b.dir == 0 || !bytes.HasPrefix(dir, b.last[:b.size]) {
		b.size = max(bytes.LastIndexByte(dir, 0), 0)
		b.base = b.put(nil, dir[:b.size])
	}
	b.dir = b.put(binary.LittleEndian.AppendUint32(make([]byte, 0, 4), b.base), dir[b.size:])
	b.last = append(b.last[:0], dir...)
}

// put adds head and the length and bytes of tail, and returns their place.
func (b *block) put(head, tail []byte) uint32 {
	place, dst := b.alloc(len(head) + uvarintLen(uint64(len(tail))) + len(tail))
	_ = appendBytes(append(dst, head...), tail)
	return place
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

// appendDir appends the pathKey of the directory at a place to dst.
func (b *block) appendDir(dst pathKey, place uint32) pathKey {
	mem := b.at(place)
	base, rest := decoder{b.at(binary.LittleEndian.Uint32(mem))}, decoder{mem[4:]}
	return append(append(dst, base.bytes()...), rest.bytes()...)
}

// load sets p to the position of a row, and returns its value. They alias the block and p.dir.
func (b *block) load(r *ref, p *position) (value []byte) {
	p.prefix = r.prefix
	p.low, p.name, value = b.row(r)
	p.dir = b.appendDir(p.dir[:0], r.dir)
	return value
}

// sort puts the references into order.
func (b *block) sort(o *order) {
	var x, y position
	slices.SortFunc(b.refs, func(r, q ref) int {
		if c := o.comparePrefix(r.prefix, q.prefix); c != 0 {
			return c
		}
		b.load(&r, &x)
		b.load(&q, &y)
		return o.compare(&x, &y)
	})
}
