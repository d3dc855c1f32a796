package store

import "encoding/binary"

// reader takes values one after another from b, from offset p on. Where b ends
// too soon, or a value cannot be, bad is set for good and zeros are returned
// from there on.
type reader struct {
	b   []byte
	p   int
	bad bool
}

func (r *reader) fail() { r.bad, r.p = true, len(r.b) }

func (r *reader) left() int { return len(r.b) - r.p }

func (r *reader) byte() byte {
	if r.p >= len(r.b) {
		r.bad = true
		return 0
	}
	r.p++
	return r.b[r.p-1]
}

func (r *reader) uvarint() uint64 {
	if r.p < len(r.b) && r.b[r.p] < 0x80 { // most are
		r.p++
		return uint64(r.b[r.p-1])
	}
	return r.longUvarint()
}

func (r *reader) longUvarint() uint64 {
	v, n := binary.Uvarint(r.b[r.p:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.p += n
	return v
}

func (r *reader) varint() int64 { return unzigzag(r.uvarint()) }

// uint32 is four bytes, lowest first.
func (r *reader) uint32() uint32 {
	if r.left() < 4 {
		r.fail()
		return 0
	}
	r.p += 4
	return binary.LittleEndian.Uint32(r.b[r.p-4:])
}

// count is an uvarint of at most limit.
func (r *reader) count(limit int) int32 {
	v := r.uvarint()
	if v > uint64(limit) {
		r.fail()
		return 0
	}
	return int32(v)
}

// skip passes over n bytes and returns the offset of the first.
func (r *reader) skip(n int) (off int32) {
	if n > r.left() {
		r.fail()
		return 0
	}
	r.p += n
	return int32(r.p - n)
}
