package store

import (
	"encoding/binary"
	"math/bits"
)

// highBits are those of eight bytes.
const highBits = 0x8080808080808080

// reader reads values one after another from b, beginning at offset p. When b
// ends too soon, or a value is impossible, it sets bad and returns zeros from
// then on, so that a decoder may check bad once, at its end.
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
	if r.p+8 <= len(r.b) {
		// Eight bytes at once; the one that ends the number has no high bit.
		x := binary.LittleEndian.Uint64(r.b[r.p:])
		if end := ^x & highBits; end != 0 {
			n := bits.TrailingZeros64(end) + 1
			r.p += n / 8
			x &= (1<<(n-1)<<1 - 1) &^ highBits
			x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
			x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
			return x&0x0fffffff | x&0x0fffffff00000000>>4
		}
	}
	v, n := binary.Uvarint(r.b[r.p:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.p += n
	return v
}

// skipUvarints passes over n of them.
func (r *reader) skipUvarints(n int) {
	for n > 0 && r.p+8 <= len(r.b) {
		end := ^binary.LittleEndian.Uint64(r.b[r.p:]) & highBits
		if end == 0 {
			break // a long one
		}
		k := bits.OnesCount64(end)
		for ; k > n; k-- {
			end &^= 1 << (bits.Len64(end) - 1)
		}
		r.p += bits.Len64(end) / 8 // behind the last that ends here
		n -= k
	}
	for ; n > 0; n-- {
		r.uvarint()
	}
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

// zigzag maps numbers of small magnitude, of either sign, to small numbers.
func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

// unzigzag is the inverse of zigzag.
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
