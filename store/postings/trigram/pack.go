package trigram

import (
	"encoding/binary"
	"math/bits"
)

// Mark says where a page begins: with the number Doc in the list of T. Pages of the
// same lists come in the order of their marks.
type Mark struct {
	T   T
	Doc uint16
}

// minPart is how many numbers of a list must fit into what is left of a page for it
// to be cut, since each part has its own head and place in the directory.
const minPart = 8

// Packer cuts the lists of a Source into pages of at most PageLen bytes. A list that
// does not fit goes on in the next page. It is for one goroutine.
type Packer struct {
	src  Source
	t    T
	docs []uint16
	rest []uint16 // of docs: what is in no page yet

	page    page
	mark    Mark
	entries [maxLists]entry
	buf     [PageLen + 8]byte // the page, but for its header and its directory
	end     int               // bit at which the lists in buf end
	closed  bool              // the page was returned
}

// entry is what the directory says of a list.
type entry struct {
	t  T
	at int
}

// NewPacker returns a Packer of the lists of src, which it takes for itself.
func NewPacker(src Source) *Packer {
	p := &Packer{src: src, page: page{wide: 16}, closed: true}
	if b, ok := src.(bounder); ok {
		p.page.wide = uint(bits.Len(uint(max(b.bound(), 1) - 1)))
	}
	return p
}

// Err returns what ended the pages before the end of the lists, else nil.
func (p *Packer) Err() error { return p.src.Err() }

// Next returns the next page, which is valid until the next call, and where it
// begins. Ok is false at the end and after an error, which Err tells apart.
func (p *Packer) Next() (first Mark, data []byte, ok bool) {
	if p.closed {
		clear(p.buf[:])
		p.page.lists, p.page.more = 0, false
		p.end = headerBits
		p.closed = false
	}
	for p.fill() && p.add() {
	}
	if p.page.lists == 0 || p.src.Err() != nil {
		return Mark{}, nil, false
	}
	p.closed = true
	return p.mark, p.finish(), true
}

// fill sees to it that there is a rest, and returns false at the end of the lists.
func (p *Packer) fill() bool {
	for len(p.rest) == 0 {
		t, ok := p.src.Next()
		if !ok {
			return false
		}
		p.t, p.docs = t, p.src.Docs(p.docs[:0])
		p.rest = p.docs
	}
	return true
}

// add puts the rest into the page, or a part of it that fits. It returns false if the
// page is full.
func (p *Packer) add() bool {
	g := &p.page
	if g.lists == maxLists {
		return false
	}
	if g.lists == 0 {
		g.first, p.mark = p.t, Mark{p.t, p.rest[0]}
	}
	spread := uint(bits.Len32(uint32(p.t - g.first)))
	place := uint(bits.Len(uint(p.end - headerBits)))
	room := 8*PageLen - p.end - (g.lists+1)*int(spread+place)
	k, size := parameter(p.rest, g.wide)
	part := p.rest
	if headLen(len(part), g.wide)+size > room {
		part = part[:fitting(part, k, g.wide, room)]
		if len(part) < minPart && g.lists > 0 {
			return false
		}
		g.more = true
	}
	p.entries[g.lists] = entry{p.t, p.end}
	g.lists++
	g.spread, g.place = spread, place
	p.end = encode(p.buf[:], p.end, part, k, g.wide)
	p.rest = p.rest[len(part):]
	return !g.more
}

// finish writes the header and the directory, and returns the page.
func (p *Packer) finish() []byte {
	g := &p.page
	w := int(g.spread + g.place)
	n := (p.end + g.lists*w + 7) / 8
	binary.LittleEndian.PutUint64(p.buf[:], g.header())
	at := 8*n - g.lists*w
	for _, e := range p.entries[:g.lists] {
		put(p.buf[:], at, uint64(e.t-g.first)<<g.place|uint64(e.at-headerBits))
		at += w
	}
	return p.buf[:n]
}

// headLen returns the bits of the head of a list of n numbers.
func headLen(n int, wide uint) int {
	size := 2*bits.Len(uint(n)) - 1 + int(wide)
	if n > 1 {
		size += kBits
	}
	return size
}

// gapsLen returns the bits of the gaps of a list with the parameter k, or, if they are
// more than limit, some number that is too.
func gapsLen(docs []uint16, k, wide uint, limit int) int {
	size := 0
	for i := 1; i < len(docs) && size <= limit; i++ {
		size += gapLen(docs[i]-docs[i-1]-1, k, wide)
	}
	return size
}

// gapLen returns the bits of one gap less one.
func gapLen(gap uint16, k, wide uint) int {
	if q := int(gap >> k); q < maxZeros {
		return q + 1 + int(k)
	}
	return maxZeros + 1 + int(wide)
}

// parameter returns the best parameter for the gaps of a list, and their bits.
func parameter(docs []uint16, wide uint) (k uint, size int) {
	if len(docs) < 2 {
		return 0, 0
	}
	span := int(docs[len(docs)-1] - docs[0])
	k, size = bitmap, span // a gap costs itself
	// Where the gaps are much the same the best is about the logarithm of their
	// mean; where many are far below it, less.
	top := min(uint(bits.Len(uint(span/(len(docs)-1)))), bitmap-1, wide)
	worse := 0
	for try := int(top); try >= 0 && worse < 2; try-- {
		if s := gapsLen(docs, uint(try), wide, size); s < size {
			k, size, worse = uint(try), s, 0
		} else {
			worse++
		}
	}
	return k, size
}

// fitting returns how many of docs fit into room bits, at least 1.
func fitting(docs []uint16, k, wide uint, room int) int {
	size := headLen(len(docs), wide)
	for i := 1; i < len(docs); i++ {
		if k == bitmap {
			size += int(docs[i] - docs[i-1])
		} else {
			size += gapLen(docs[i]-docs[i-1]-1, k, wide)
		}
		if size > room {
			return i
		}
	}
	return len(docs)
}

// encode writes a list from bit at of buf on, and returns the bit at which it ends.
func encode(buf []byte, at int, docs []uint16, k, wide uint) int {
	n := uint64(len(docs))
	z := uint(bits.Len64(n) - 1)
	put(buf, at, (n&(1<<z-1))<<(z+1)|1<<z|uint64(docs[0])<<(2*z+1))
	at += int(2*z + 1 + wide)
	if n == 1 {
		return at
	}
	put(buf, at, uint64(k))
	at += kBits
	if k == bitmap {
		for _, d := range docs[1:] {
			i := at + int(d-docs[0]) - 1
			buf[i>>3] |= 1 << (i & 7)
		}
		return at + int(docs[n-1]-docs[0])
	}
	lows, high := at, at+int(n-1)*int(k)
	for i, d := range docs[1:] {
		gap := d - docs[i] - 1
		put(buf, lows, uint64(gap)&(1<<k-1))
		lows += int(k)
		high += int(min(gap>>k, maxZeros)) + 1
		put(buf, high-1, 1)
	}
	for i, d := range docs[1:] {
		if gap := d - docs[i] - 1; gap>>k >= maxZeros {
			put(buf, high, uint64(gap>>k))
			high += int(wide - k)
		}
	}
	return high
}

// put writes v, of at most 57 bits, from bit at of buf on, where all is 0 yet.
func put(buf []byte, at int, v uint64) {
	i := at >> 3
	binary.LittleEndian.PutUint64(buf[i:], binary.LittleEndian.Uint64(buf[i:])|v<<(at&7))
}
