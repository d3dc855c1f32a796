package record

import (
	"encoding/binary"
	"math/bits"
)

// Packed numbers are values of w bits: value i takes bits [i*w, (i+1)*w) of the section, lowest
// first in each byte. A section begins and ends at a byte boundary.

// packedLen returns the length in bytes of n packed values of w bits. n is below 2^31, so it
// does not overflow.
func packedLen(n int, w uint8) int {
	return int((uint64(n)*uint64(w) + 7) / 8)
}

// appendPacked appends the low w bits of each value less base.
func appendPacked(dst []byte, vals []uint64, base uint64, w uint8) []byte {
	if w == 0 {
		return dst
	}
	mask := ^uint64(0) >> (64 - w)
	var acc uint64
	var have uint8 // bits in acc
	for _, v := range vals {
		v = (v - base) & mask
		acc |= v << have
		have += w
		if have >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			have -= 64
			acc = v >> (w - have) // a shift by 64 gives 0
		}
	}
	for ; have > 0; have -= min(have, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// packedAt returns value i of the section that begins at b[off]. Bytes beyond the end of b read
// as zero.
func packedAt(b []byte, off, i int, w uint8) uint64 {
	if w == 0 {
		return 0
	}
	bit := uint(i) * uint(w)
	p, s := off+int(bit>>3), bit&7
	var v uint64
	if p+8 <= len(b) {
		v = binary.LittleEndian.Uint64(b[p:]) >> s
	} else {
		v = tail(b, p) >> s
	}
	if s+uint(w) > 64 && p+8 < len(b) {
		v |= uint64(b[p+8]) << (64 - s)
	}
	return v & (^uint64(0) >> (64 - w))
}

// unpack sets out to the values from i on, each plus base, of the section that begins at
// b[off].
func unpack(b []byte, off, i int, w uint8, base uint64, out []uint64) {
	if w == 0 {
		for j := range out {
			out[j] = base
		}
		return
	}
	j := 0
	if w <= 56 {
		mask := ^uint64(0) >> (64 - w)
		bit := uint(i) * uint(w)
		for ; j < len(out); j++ {
			p := off + int(bit>>3)
			if p+8 > len(b) {
				break
			}
			out[j] = base + binary.LittleEndian.Uint64(b[p:])>>(bit&7)&mask
			bit += uint(w)
		}
	}
	for ; j < len(out); j++ {
		out[j] = base + packedAt(b, off, i+j, w)
	}
}

// tail reads the up to 8 bytes from b[p] on.
func tail(b []byte, p int) (v uint64) {
	for i := len(b) - 1; i >= p; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// bitsFor returns the width of numbers up to n-1.
func bitsFor(n int) uint8 {
	if n <= 1 {
		return 0
	}
	return uint8(bits.Len(uint(n - 1)))
}
