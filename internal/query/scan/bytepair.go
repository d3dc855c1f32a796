package scan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// pair finds a text by two of its bytes, the rarest that are near each other, in
// eight places at once.
type BytePair struct {
	Text []byte // folded if fold
	fold bool   // ASCII in pat stands for both cases
	i, d int    // the bytes are pat[i] and pat[i+d]
	only bool   // pat has no others
	lead int    // 1 where pat begins with the 0x00 of the name before

	Rare     byte // the rarer of the two, if that is worth a look of its own; or 0x00
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
func (n *BytePair) firstOffset(s []byte) int {
	if n.Rare == 0 {
		return 0
	}
	at := bytes.IndexByte(s, n.Rare)
	if n.rareFold {
		if up := bytes.IndexByte(s[:max(at, 0)], upper(n.Rare)); up >= 0 {
			at = up
		} else if at < 0 {
			at = bytes.IndexByte(s, upper(n.Rare))
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
func NewBytePair(pat []byte, fold bool) *BytePair {
	if len(pat) == 0 {
		return nil
	}
	n := &BytePair{Text: pat, fold: fold, only: len(pat) <= 2}
	if pat[0] == 0 {
		n.lead = 1
	}
	best := -1
	for i, c := range pat {
		for d := min(1, len(pat)-1); d <= maxDistance && i+d < len(pat); d++ {
			rare := int(ByteBits[c]) + int(ByteBits[pat[i+d]])
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
	if second := pat[n.i+n.d]; ByteBits[second] > ByteBits[pat[n.i]] {
		n.Rare, n.rareAt = second, n.d
	} else {
		n.Rare = pat[n.i]
	}
	if ByteBits[n.Rare] < rareBits {
		n.Rare = 0
	}
	n.rareFold = fold && upper(n.Rare) != n.Rare
	n.first, n.firstCase = eight(pat[n.i])
	n.second, n.secondCase = eight(pat[n.i+n.d])
	return n
}

// begins reports whether pat stands at s[at:].
func (n *BytePair) begins(s []byte, at int) bool {
	if at < 0 || at+len(n.Text) > len(s) {
		return false
	}
	if n.fold {
		return EqualFold(s[at:at+len(n.Text)], n.Text)
	}
	return bytes.HasPrefix(s[at:], n.Text)
}

// find returns where pat begins first in s, -1 if nowhere.
func (n *BytePair) Find(s []byte) int {
	p := n.firstOffset(s)
	if p < 0 {
		return -1
	}
	there := s[min(n.d, len(s)):]
	for p = max(p, n.i); p < len(there); {
		var m uint64
		if p, m = n.next(s[:len(there)], there, p); m == 0 {
			break
		}
		for ; m != 0; m &= m - 1 {
			if at := p + bits.TrailingZeros64(m)/8 - n.i; n.only || n.begins(s, at) {
				return at
			}
		}
		p += 8
	}
	return -1
}

// scan looks for the pair from p on, its first in here and its second at the same
// place in there, which is as long. m has the highest bit set of each byte where it
// is, of the eight at p or less where here ends; it is 0 if the pair is nowhere.
func (n *BytePair) next(here, there []byte, p int) (at int, m uint64) {
	first, firstCase, second, secondCase := n.first, n.firstCase, n.second, n.secondCase
	there = there[:len(here)]
	for ; p+8 <= len(here); p += 8 {
		x := binary.LittleEndian.Uint64(here[p:])
		y := binary.LittleEndian.Uint64(there[p:])
		if m := zeros(((x | firstCase) ^ first) | ((y | secondCase) ^ second)); m != 0 {
			return p, m
		}
	}
	over := 8 - (len(here) - p) // how many of the last eight were looked at, or are not there
	if len(here) >= 8 {
		p = len(here) - 8
		x := binary.LittleEndian.Uint64(here[p:])
		y := binary.LittleEndian.Uint64(there[p:])
		m = zeros(((x | firstCase) ^ first) | ((y | secondCase) ^ second))
		return p, m >> (8 * over) << (8 * over)
	}
	for i := p; i < len(here); i++ {
		if byte(firstCase)|here[i] == byte(first) && byte(secondCase)|there[i] == byte(second) {
			m |= 0x80 << (8 * (i - p))
		}
	}
	return p, m
}

// count returns how many of names, each ended by 0x00, have pat, and where stem is
// set something before it.
func (n *BytePair) count(names []byte, stem bool) int {
	total := 0
	for at := 0; ; {
		k := n.Find(names[at:])
		if k < 0 {
			return total
		}
		k += at
		if !stem || k > 0 && names[k-1] != 0 {
			total++
		}
		// Behind the name, but for its 0x00, with which the next may begin.
		at = k + n.lead
		at += bytes.IndexByte(names[at:], 0)
		if n.lead == 0 {
			at++
		}
	}
}
