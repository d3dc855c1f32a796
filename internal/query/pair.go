package query

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// pair finds a text by two of its bytes, the rarest that are near each other, in
// eight places at once.
type pair struct {
	pat  []byte // folded if fold
	fold bool   // ASCII in pat stands for both cases
	i, d int    // the bytes are pat[i] and pat[i+d]
	only bool   // pat has no others

	rare     byte // the rarer of the two, if that is worth a look of its own; or 0x00
	rareAt   int  // where it is from the first on
	rareFold bool // it stands for both cases

	// By byte of the pair: eight times what it is, and of a letter that stands for
	// both cases the bit in which they differ.
	first, firstCase   uint64
	second, secondCase uint64
}

// rareBits is how rare a byte is that most directories have in no name. For such
// one package bytes is asked, which looks at four times as much at once.
const rareBits = 8

// begin returns from where on the first of the pair may be found in s; -1: it is
// not there with its second.
func (n *pair) begin(s []byte) int {
	if n.rare == 0 {
		return 0
	}
	at := bytes.IndexByte(s, n.rare)
	if n.rareFold {
		if up := bytes.IndexByte(s[:max(at, 0)], upper(n.rare)); up >= 0 {
			at = up
		} else if at < 0 {
			at = bytes.IndexByte(s, upper(n.rare))
		}
	}
	if at < 0 {
		return -1
	}
	return max(at-n.rareAt, 0)
}

// maxDistance is how far apart the bytes of a pair are at most.
const maxDistance = 8

const (
	ones = 0x0101010101010101
	lows = 0x7f * ones
)

// zeros has the highest bit set of each byte that is 0 in x, and no other.
func zeros(x uint64) uint64 { return ^((x&lows + lows) | x | lows) }

// newPair returns nil for no text.
func newPair(pat []byte, fold bool) *pair {
	if len(pat) == 0 {
		return nil
	}
	n := &pair{pat: pat, fold: fold, only: len(pat) <= 2}
	best := -1
	for i, c := range pat {
		for d := min(1, len(pat)-1); d <= maxDistance && i+d < len(pat); d++ {
			rare := int(byteBits[c]) + int(byteBits[pat[i+d]])
			if rare > best {
				n.i, n.d, best = i, d, rare
			}
		}
	}
	eight := func(c byte) (all, differ uint64) {
		if fold && upper(c) != c {
			differ = ones * ('a' - 'A')
		}
		return ones * uint64(c), differ
	}
	if second := pat[n.i+n.d]; byteBits[second] > byteBits[pat[n.i]] {
		n.rare, n.rareAt = second, n.d
	} else {
		n.rare = pat[n.i]
	}
	if byteBits[n.rare] < rareBits {
		n.rare = 0
	}
	n.rareFold = fold && upper(n.rare) != n.rare
	n.first, n.firstCase = eight(pat[n.i])
	n.second, n.secondCase = eight(pat[n.i+n.d])
	return n
}

// match has the highest bit set of each byte of x that is the pair's first where
// that of y is its second.
func (n *pair) match(x, y uint64) uint64 {
	return zeros(((x | n.firstCase) ^ n.first) | ((y | n.secondCase) ^ n.second))
}

// begins reports whether pat stands at s[at:].
func (n *pair) begins(s []byte, at int) bool {
	if at < 0 || at+len(n.pat) > len(s) {
		return false
	}
	if n.fold {
		return equalFold(s[at:at+len(n.pat)], n.pat)
	}
	return bytes.HasPrefix(s[at:], n.pat)
}

// find returns where pat begins first in s, -1 if nowhere.
func (n *pair) find(s []byte) int {
	end := len(s) - n.d - 8 // the last place of eight firsts
	if end < n.i {
		for at := 0; at+len(n.pat) <= len(s); at++ {
			if n.begins(s, at) {
				return at
			}
		}
		return -1
	}
	p := n.begin(s)
	if p < 0 {
		return -1
	}
	for p = max(p, n.i); ; p += 8 {
		again := 0
		if p > end {
			if again = p - end; again >= 8 {
				return -1
			}
			p = end
		}
		m := n.match(binary.LittleEndian.Uint64(s[p:]), binary.LittleEndian.Uint64(s[p+n.d:]))
		for m &= ^uint64(0) << (8 * again); m != 0; m &= m - 1 {
			if at := p + bits.TrailingZeros64(m)/8 - n.i; n.only || n.begins(s, at) {
				return at
			}
		}
		if again > 0 {
			return -1
		}
	}
}

// count returns how many of names, each ended by 0x00, have pat, which has no
// 0x00.
//
// Where a name has it is a bit in the name, and where it ends is another. The sum
// of the first and of all that is no end carries from any of a name's bits to its
// end, and no further.
func (n *pair) count(names []byte) int {
	total, carry := 0, uint64(0)
	base := n.begin(names)
	if base < 0 {
		return 0
	}
	var rest padded
	for s := names[base:]; s != nil; {
		p := 0
		for ; p+n.d+8 <= len(s); p += 8 {
			x := binary.LittleEndian.Uint64(s[p:])
			m := n.match(x, binary.LittleEndian.Uint64(s[p+n.d:]))
			if !n.only && m != 0 {
				m = n.verify(names, base+p, m)
			}
			ends := zeros(x)
			var sum uint64
			sum, carry = bits.Add64(^ends, m, carry)
			total += bits.OnesCount64(sum & ends)
		}
		base, s = base+p, rest.after(s, p, n.d)
	}
	return total
}

// countOnce is count for a pat that begins or ends with 0x00, so that no name has
// it twice. stem: something of the name must stand before it.
func (n *pair) countOnce(names []byte, stem bool) int {
	base := n.begin(names)
	if base < 0 {
		return 0
	}
	total := 0
	var rest padded
	for s := names[base:]; s != nil; {
		p := 0
		for ; p+n.d+8 <= len(s); p += 8 {
			m := n.match(binary.LittleEndian.Uint64(s[p:]), binary.LittleEndian.Uint64(s[p+n.d:]))
			if m == 0 {
				continue
			}
			m = n.verify(names, base+p, m)
			for left := m; stem && left != 0; left &= left - 1 {
				if at := base + p + bits.TrailingZeros64(left)/8 - n.i; at == 0 || names[at-1] == 0 {
					m &^= left & -left
				}
			}
			total += bits.OnesCount64(m)
		}
		base, s = base+p, rest.after(s, p, n.d)
	}
	return total
}

// padded is room for the end of a column and enough 0x00 to look at it eight at a
// time.
type padded [2*maxDistance + 16]byte

// after returns what comes at and after p of s, with 0x00 behind it so that each
// byte is looked at with the one d bytes on; nil if s is that already or nothing
// is left.
func (b *padded) after(s []byte, p, d int) []byte {
	n := len(s) - p
	if n <= 0 || &s[0] == &b[0] {
		return nil
	}
	copy(b[:], s[p:])
	return b[:(n+7)&^7+d]
}

// verify takes those bits from m, which is of names from p on, where pat is not.
func (n *pair) verify(names []byte, p int, m uint64) uint64 {
	for left := m; left != 0; left &= left - 1 {
		if !n.begins(names, p+bits.TrailingZeros64(left)/8-n.i) {
			m &^= left & -left
		}
	}
	return m
}
