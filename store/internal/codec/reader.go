package codec

import (
	"encoding/binary"
	"math/bits"
)

// highBits has the high bit of each of eight bytes.
const highBits = 0x8080808080808080

// Reader reads values one after another from B, beginning at offset Pos. When B
// ends too soon, or a value is impossible, it sets Bad and returns zeros from
// then on, so that a decoder may check Bad once, at its end.
type Reader struct {
	B   []byte
	Pos int
	Bad bool
}

// Fail sets Bad and moves to the end.
func (r *Reader) Fail() { r.Bad, r.Pos = true, len(r.B) }

// Left returns the number of bytes that were not read yet.
func (r *Reader) Left() int { return len(r.B) - r.Pos }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.Pos >= len(r.B) {
		r.Bad = true
		return 0
	}
	r.Pos++
	return r.B[r.Pos-1]
}

// Uvarint reads an unsigned varint.
func (r *Reader) Uvarint() uint64 {
	if r.Pos < len(r.B) && r.B[r.Pos] < 0x80 { // most are
		r.Pos++
		return uint64(r.B[r.Pos-1])
	}
	return r.longUvarint()
}

func (r *Reader) longUvarint() uint64 {
	if r.Pos+8 <= len(r.B) {
		// Eight bytes at once; the one that ends the number has no high bit.
		x := binary.LittleEndian.Uint64(r.B[r.Pos:])
		if end := ^x & highBits; end != 0 {
			n := bits.TrailingZeros64(end) + 1
			r.Pos += n / 8
			x &= (1<<(n-1)<<1 - 1) &^ highBits
			x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
			x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
			return x&0x0fffffff | x&0x0fffffff00000000>>4
		}
	}
	v, n := binary.Uvarint(r.B[r.Pos:])
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.Pos += n
	return v
}

// SkipUvarints passes over n unsigned varints.
func (r *Reader) SkipUvarints(n int) {
	for n > 0 && r.Pos+8 <= len(r.B) {
		end := ^binary.LittleEndian.Uint64(r.B[r.Pos:]) & highBits
		if end == 0 {
			break // a long one
		}
		k := bits.OnesCount64(end)
		for ; k > n; k-- {
			end &^= 1 << (bits.Len64(end) - 1)
		}
		r.Pos += bits.Len64(end) / 8 // behind the last that ends here
		n -= k
	}
	for ; n > 0; n-- {
		r.Uvarint()
	}
}

// Varint reads a zigzag varint.
func (r *Reader) Varint() int64 { return Unzigzag(r.Uvarint()) }

// Uint32 reads four bytes, little-endian.
func (r *Reader) Uint32() uint32 {
	if r.Left() < 4 {
		r.Fail()
		return 0
	}
	r.Pos += 4
	return binary.LittleEndian.Uint32(r.B[r.Pos-4:])
}

// Count reads an unsigned varint of at most limit.
func (r *Reader) Count(limit int) int32 {
	v := r.Uvarint()
	if v > uint64(limit) {
		r.Fail()
		return 0
	}
	return int32(v)
}

// Skip passes over n bytes and returns the offset of the first.
func (r *Reader) Skip(n int) (off int32) {
	if n > r.Left() {
		r.Fail()
		return 0
	}
	r.Pos += n
	return int32(r.Pos - n)
}

// Zigzag maps numbers of small magnitude, of either sign, to small numbers.
func Zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

// Unzigzag is the inverse of Zigzag.
func Unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
