package exec

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

// maxRow is more than the bytes of any row: its path is in it, the name perhaps
// twice.
const maxRow = 48 << 10

// block is a number of rows in memory, each a key and a value of any bytes.
type block struct {
	data   []byte
	refs   []ref
	mapped []byte // what both lie in, if it is not the heap
}

// ref is a row of a block.
type ref struct {
	prefix     uint64 // see prefixOf
	off        uint32
	key, value uint32 // lengths
}

const refSize = int64(unsafe.Sizeof(ref{}))

// newBlock returns an empty block of the heap, which holds at least a row.
func newBlock(data, rows int) *block {
	return &block{data: make([]byte, 0, data), refs: make([]ref, 0, rows)}
}

// fits reports whether another row does.
func (b *block) fits(key, value []byte) bool {
	return len(b.refs) < cap(b.refs) && len(key)+len(value) <= cap(b.data)-len(b.data)
}

// crowded reports whether there are rows that do not fit any more.
func (b *block) crowded() bool {
	return len(b.refs) == cap(b.refs) || cap(b.data)-len(b.data) < maxRow
}

func (b *block) halfEmpty() bool {
	return len(b.refs) <= cap(b.refs)/2 && len(b.data) <= cap(b.data)/2
}

func (b *block) add(prefix uint64, key, value []byte) {
	b.refs = append(b.refs, ref{prefix, uint32(len(b.data)), uint32(len(key)), uint32(len(value))})
	b.data = append(append(b.data, key...), value...)
}

func (b *block) reset() { b.data, b.refs = b.data[:0], b.refs[:0] }

func (b *block) key(r *ref) []byte {
	return b.data[r.off : r.off+r.key : r.off+r.key]
}

func (b *block) value(r *ref) []byte {
	from := r.off + r.key
	return b.data[from : from+r.value : from+r.value]
}

// sort puts the rows in order.
func (b *block) sort(o order) {
	slices.SortFunc(b.refs, func(x, y ref) int {
		if c := o.cmpPrefix(x.prefix, y.prefix); c != 0 {
			return c
		}
		return o.cmp(b.key(&x), b.key(&y))
	})
}

// prefixOf is the first eight bytes of a key as a number: where two differ they
// compare as their keys do.
func prefixOf(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
