package trigram

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// PageLen is the greatest length of a page. Two pages, each with a checksum of 4
// bytes and under a key of 9, fill a leaf page of bbolt of 4,096 bytes: 16 bytes for
// itself and 16 more for each key.
const PageLen = (4096-16)/2 - 16 - 9 - 4

// A page is a header of 8 bytes, the lists, up to 7 bits 0, and the directory, which
// ends with the page:
//
//	header: from the lowest bit of a little-endian uint64:
//	    first   24  the trigram of the first list
//	    lists   11  how many there are, at least 1
//	    more     1  the last list goes on in the next page
//	    spread   5  bits of a trigram in the directory
//	    place    4  bits of a place in the directory
//	    wide     5  bits of a document's number
//	    0       14
//	list: n = how many numbers, as z bits 0, a bit 1 and z bits: 1<<z | these bits
//	    first number: wide bits
//	    k, the parameter: 4 bits, if n > 1
//	    of each of the n-1 gaps, less one:
//	        all of their lowest k bits
//	        then all of the rests of them: as many bits 0 and a bit 1;
//	            of those that are maxZeros or more: maxZeros bits 0 and a bit 1
//	        then all of these last: wide-k bits
//	    or, if k is bitmap: a bit for each number after the first, up to the last
//	directory: for each list
//	    place bits: where it begins, in bits after the header
//	    spread bits: its trigram less first
//
// Bit i of a page is bit i%8 of its byte i/8, and numbers have their lowest bit
// first. So a list is found by a binary search, and its length is known without
// decoding it; a trigram that few documents have costs about 8 bytes in all, and one
// that most of them have at most a bit for each document there is. The parts of the
// gaps are kept apart because then no number waits for the length of the one before
// it: reading takes two thirds of the time. Numbers of documents that are near each
// other in the tree come in clusters, so the best k is small and a long gap would
// cost much: 8 was the best maxZeros on /usr, 2 percent less than 30.
const (
	headerBits = 64
	maxLists   = 1<<11 - 1
	kBits      = 4
	bitmap     = 1<<kBits - 1
	maxZeros   = 8
)

// page is an opened page.
type page struct {
	data   []byte
	first  T
	lists  int
	more   bool
	spread uint
	place  uint
	wide   uint
	dir    int // bit at which the directory begins
}

// open reads the header of a page.
func open(data []byte) (page, error) {
	if len(data) < headerBits/8 || len(data) > PageLen {
		return page{}, ErrPage
	}
	h := binary.LittleEndian.Uint64(data)
	p := page{
		data:   data,
		first:  T(h & (1<<24 - 1)),
		lists:  int(h >> 24 & maxLists),
		more:   h>>35&1 != 0,
		spread: uint(h >> 36 & 31),
		place:  uint(h >> 41 & 15),
		wide:   uint(h >> 45 & 31),
	}
	p.dir = 8*len(data) - p.lists*int(p.spread+p.place)
	if h>>50 != 0 || p.lists == 0 || p.spread > 24 || p.wide > 16 || p.dir < headerBits {
		return page{}, ErrPage
	}
	return p, nil
}

// header returns the header of p.
func (p *page) header() uint64 {
	h := uint64(p.first) | uint64(p.lists)<<24 | uint64(p.spread)<<36 | uint64(p.place)<<41 | uint64(p.wide)<<45
	if p.more {
		h |= 1 << 35
	}
	return h
}

// peek returns the bits from bit at on, at least 57, or 0 where data has ended.
func peek(data []byte, at int) uint64 {
	i := at >> 3
	if i+8 <= len(data) {
		return binary.LittleEndian.Uint64(data[i:]) >> (at & 7)
	}
	var last [8]byte
	if i < len(data) {
		copy(last[:], data[i:])
	}
	return binary.LittleEndian.Uint64(last[:]) >> (at & 7)
}

// entry returns the trigram of list i, less that of the first, and the bit at which
// the list begins.
func (p *page) entry(i int) (t T, at int) {
	w := p.spread + p.place
	v := peek(p.data, p.dir+i*int(w)) & (1<<w - 1)
	return T(v >> p.place), headerBits + int(v&(1<<p.place-1))
}

// find returns the bit at which the list of t begins, and whether it may go on, or
// begin, in the next page.
func (p *page) find(t T) (at int, ok, more bool) {
	if t < p.first {
		return 0, false, false
	}
	t -= p.first
	lo, hi := 0, p.lists // the lists below lo are of lower trigrams, from hi on of higher or the same
	for lo < hi {
		mid := (lo + hi) / 2
		if u, _ := p.entry(mid); u < t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == p.lists {
		return 0, false, true
	}
	u, at := p.entry(lo)
	if u != t {
		return 0, false, false
	}
	return at, true, p.more && lo == p.lists-1
}

// head reads how many numbers the list at bit at has, its first one and its
// parameter, and returns the bit at which its gaps begin.
func (p *page) head(at int) (n int, first int, k uint, gaps int, err error) {
	v := peek(p.data, at)
	z := bits.TrailingZeros64(v)
	if z > 15 {
		return 0, 0, 0, 0, ErrPage
	}
	v >>= z + 1
	n = 1<<z | int(v&(1<<z-1))
	v >>= z
	first = int(v & (1<<p.wide - 1))
	gaps = at + 2*z + 1 + int(p.wide)
	if n > 1 {
		k = uint(v >> p.wide & (1<<kBits - 1))
		gaps += kBits
	}
	if gaps+n-1 > p.dir {
		return 0, 0, 0, 0, ErrPage
	}
	return n, first, k, gaps, nil
}

// decode appends the numbers of the list at bit at to dst, and returns the bit at
// which it ends.
func (p *page) decode(at int, dst []uint16) ([]uint16, int, error) {
	n, doc, k, at, err := p.head(at)
	if err != nil {
		return dst, 0, err
	}
	had := len(dst)
	dst = slices.Grow(dst, n)[:had+n]
	dst[had] = uint16(doc)
	rest := dst[had+1:]
	at, doc, ok := p.numbers(at, doc, k, rest)
	if !ok || at > p.dir || doc > math.MaxUint16 {
		return dst[:had], 0, ErrPage
	}
	return dst, at, nil
}

// numbers fills rest with the numbers after doc, whose gaps begin at bit at. It
// returns the bit at which they end and the last number, which may be too great.
func (p *page) numbers(at, doc int, k uint, rest []uint16) (end, last int, ok bool) {
	limit := uint16(maxZeros)
	lows := at
	if k == bitmap {
		k, limit = 0, math.MaxUint16
	} else if k > p.wide && len(rest) > 0 {
		return 0, 0, false
	}
	at, ok = zeros(p.data, at+len(rest)*int(k), rest)
	if !ok {
		return 0, 0, false
	}
	high, low := p.wide-k, uint64(1)<<k-1
	buf, have := uint64(0), uint(0) // the bits from lows on, and how many of them hold
	for i, q := range rest {
		if have < k {
			buf, have = peek(p.data, lows), 57
		}
		gap := int(q)
		if q >= limit {
			gap = int(peek(p.data, at) & (1<<high - 1))
			at += int(high)
		}
		doc += gap<<(k&15) + int(buf&low) + 1
		rest[i] = uint16(doc)
		buf >>= k & 15
		have -= k
		lows += int(k)
	}
	return at, doc, true
}

// zeros fills counts with how many bits 0 stand before each bit 1 from bit at on, and
// returns the bit after the last of these.
func zeros(data []byte, at int, counts []uint16) (end int, ok bool) {
	const step = 57
	next := at // the bit after the last 1
	for i := 0; i < len(counts); at += step {
		if at >= 8*len(data) {
			return 0, false
		}
		for word := peek(data, at) & (1<<step - 1); word != 0 && i < len(counts); word &= word - 1 {
			one := at + bits.TrailingZeros64(word)
			counts[i] = uint16(one - next)
			next = one + 1
			i++
		}
	}
	return next, true
}

// Find appends the numbers that a page has for t to dst. More is true if the list
// of t may go on, or begin, in the next page: if the page has the list and cuts
// it off, or ends with a lower trigram. The error is ErrPage for a page that is
// none, and dst as it was.
func Find(data []byte, t T, dst []uint16) (docs []uint16, more bool, err error) {
	p, err := open(data)
	if err != nil {
		return dst, false, err
	}
	at, ok, more := p.find(t)
	if !ok {
		return dst, more, nil
	}
	dst, _, err = p.decode(at, dst)
	return dst, more && err == nil, err
}

// Len returns how many numbers Find would append, without decoding them, and more
// as Find does.
func Len(data []byte, t T) (n int, more bool, err error) {
	p, err := open(data)
	if err != nil {
		return 0, false, err
	}
	at, ok, more := p.find(t)
	if !ok {
		return 0, more, nil
	}
	n, _, _, _, err = p.head(at)
	return n, more && err == nil, err
}

// Verify returns ErrPage unless a page holds together: its trigrams ascend, the
// numbers of each list ascend, each list begins where the one before it ends, and
// nothing is left over.
func Verify(data []byte) error {
	p, err := open(data)
	if err != nil {
		return err
	}
	var docs []uint16
	end, last := headerBits, T(0)
	for i := range p.lists {
		t, at := p.entry(i)
		if at != end || (t <= last) != (i == 0) || p.first+t >= none {
			return ErrPage
		}
		last = t
		if docs, end, err = p.decode(at, docs[:0]); err != nil {
			return err
		}
	}
	if p.dir-end > 7 || peek(data, end)&(1<<(p.dir-end)-1) != 0 {
		return ErrPage
	}
	return nil
}
