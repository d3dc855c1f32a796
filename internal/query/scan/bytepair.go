package scan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// BytePair finds a text by two of its bytes: the two rarest that are close to each other. It
// compares eight positions at a time.
type BytePair struct {
	Text []byte // in lower case if fold
	fold bool   // an ASCII letter in Text stands for both cases
	i, d int    // the bytes are Text[i] and Text[i+d]
	only bool   // Text has no other bytes
	lead int    // 1 if Text begins with the 0x00 that ends the previous name, else 0

	Rare     byte // the rarer of the two bytes if it is worth searching for by itself, else 0x00
	rareAt   int  // its offset from the first of the two
	rareFold bool // it stands for both cases

	// The byte, repeated eight times; and if it is a letter that stands for both cases, the
	// bit in which they differ, likewise.
	first, firstCase   uint64
	second, secondCase uint64
}

// rareBits is the rarity from which most directories have a byte in no name. Such a byte is
// searched for with package bytes, which compares four times as many positions at a time.
const rareBits = 8

// firstOffset returns the offset in s from which the pair can be found, or -1 if the rare byte
// is not in s.
func (bp *BytePair) firstOffset(s []byte) int {
	if bp.Rare == 0 {
		return 0
	}
	at := bytes.IndexByte(s, bp.Rare)
	if bp.rareFold {
		if up := bytes.IndexByte(s[:max(at, 0)], upper(bp.Rare)); up >= 0 {
			at = up
		} else if at < 0 {
			at = bytes.IndexByte(s, upper(bp.Rare))
		}
	}
	if at < 0 {
		return -1
	}
	return max(at-bp.rareAt, 0)
}

// maxDistance is the largest distance between the bytes of a pair.
const maxDistance = 8

const (
	ones = 0x0101010101010101
	lows = 0x7f * ones
)

// zeros sets the highest bit of each byte that is 0 in x, and no other bit.
func zeros(x uint64) uint64 { return ^((x&lows + lows) | x | lows) }

// NewBytePair returns a BytePair that finds pat, or nil if pat is empty. If fold is set, pat
// is in lower case.
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

// begins reports whether Text is at s[at:].
func (bp *BytePair) begins(s []byte, at int) bool {
	if at < 0 || at+len(bp.Text) > len(s) {
		return false
	}
	if bp.fold {
		return EqualFold(s[at:at+len(bp.Text)], bp.Text)
	}
	return bytes.HasPrefix(s[at:], bp.Text)
}

// Find returns the offset of the first occurrence of Text in s, or -1.
func (bp *BytePair) Find(s []byte) int {
	p := bp.firstOffset(s)
	if p < 0 {
		return -1
	}
	there := s[min(bp.d, len(s)):]
	for p = max(p, bp.i); p < len(there); {
		var m uint64
		if p, m = bp.next(s[:len(there)], there, p); m == 0 {
			break
		}
		for ; m != 0; m &= m - 1 {
			if at := p + bits.TrailingZeros64(m)/8 - bp.i; bp.only || bp.begins(s, at) {
				return at
			}
		}
		p += 8
	}
	return -1
}

// next searches from p on for positions with the first byte in here and the second in there,
// which has the same length. m has the highest bit set for each such position among the eight
// from at on, or fewer at the end. It is 0 if there is none.
func (bp *BytePair) next(here, there []byte, p int) (at int, m uint64) {
	first, firstCase, second, secondCase := bp.first, bp.firstCase, bp.second, bp.secondCase
	there = there[:len(here)]
	for ; p+8 <= len(here); p += 8 {
		x := binary.LittleEndian.Uint64(here[p:])
		y := binary.LittleEndian.Uint64(there[p:])
		if m := zeros(((x | firstCase) ^ first) | ((y | secondCase) ^ second)); m != 0 {
			return p, m
		}
	}
	over := 8 - (len(here) - p) // how many of the last eight were compared before, or do not exist
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

// count returns how many of names, each ended by 0x00, contain Text. If stem is set, something
// must precede it in the name.
func (bp *BytePair) count(names []byte, stem bool) int {
	total := 0
	for at := 0; ; {
		k := bp.Find(names[at:])
		if k < 0 {
			return total
		}
		k += at
		if !stem || k > 0 && names[k-1] != 0 {
			total++
		}
		// Continue behind this name, but not behind its 0x00: the next match may begin with
		// it.
		at = k + bp.lead
		at += bytes.IndexByte(names[at:], 0)
		if bp.lead == 0 {
			at++
		}
	}
}
