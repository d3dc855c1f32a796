package trigram

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"

	"indexd/internal/casefold"
)

// Builder gathers the lists of documents, which get the local numbers 0, 1, 2, …
// in the order in which they are added. It is for one goroutine.
//
// Each list grows in memory as varints of the gaps between its numbers, in pieces
// that are linked and grow with the list: some 2 bytes a trigram of a document,
// and what is gathered is never moved. To gather pairs and sort them by radix takes
// longer, even without merging what was sorted, and more memory.
type Builder struct {
	docs  int
	seen  []uint64 // a bit for each trigram: whether the document at hand has it
	found []T      // the trigrams of the document at hand
	fold  []byte   // scratch for the folding

	slots  []uint32 // open addressing by trigram: a place in lists plus 1, or 0
	shift  uint     // of a hash, to a place in slots
	lists  []gathered
	blocks [][]byte // of blockLen, each full of pieces
	used   int      // of the last block
}

// gathered is one list. All numbers but the first are in pieces.
type gathered struct {
	t           T
	first, last uint16
	count       uint16 // less one
	left        uint8  // bytes left in the last piece
	grade       uint8  // of the last piece
	head, end   uint32 // where the first piece begins, where the last is written on
}

// blockLen is the length of a block; the place of a byte is the number of its block
// times blockLen and the place in it. pieceLen has the lengths of a list's pieces,
// the last one again and again; link is what each ends with, the place of the next.
const (
	blockLen = 1 << 15
	link     = 4
)

var pieceLen = [...]int{8, 16, 32, 64, 128, 255}

// NewBuilder returns an empty Builder.
func NewBuilder() *Builder {
	const slots = 1 << 12
	return &Builder{
		seen:  make([]uint64, 1<<24/64),
		slots: make([]uint32, slots),
		shift: 32 - uint(bits.TrailingZeros(slots)),
		used:  blockLen,
	}
}

// Docs returns how many documents were added.
func (b *Builder) Docs() int { return b.docs }

// Size returns the bytes of memory that b holds.
func (b *Builder) Size() int {
	const list = 20
	return 8*cap(b.seen) + 4*cap(b.found) + cap(b.fold) + 4*cap(b.slots) + list*cap(b.lists) +
		len(b.blocks)*blockLen + 24*cap(b.blocks)
}

// lower has for each ASCII byte what it folds to.
var lower = func() (l [utf8.RuneSelf]byte) {
	for i := range l {
		l[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			l[i] += 'a' - 'A'
		}
	}
	return l
}()

// Add adds a document, which has the trigrams of the names given, folded. Each name
// is ended by a byte 0x00, and none is joined with the next. It panics if b has
// MaxDocs documents.
func (b *Builder) Add(names []byte) {
	if b.docs == MaxDocs {
		panic("trigram: too many documents")
	}
	t, n := T(0), 0 // the last three bytes, and how many of its name were read
	for i := 0; i < len(names); i++ {
		c := names[i]
		if c >= utf8.RuneSelf {
			// What stands before this character is folded by itself.
			rest := names[i:]
			if end := bytes.IndexByte(rest, 0); end >= 0 {
				rest = rest[:end]
			}
			b.fold = casefold.Append(b.fold[:0], string(rest))
			for _, c := range b.fold {
				t = (t<<8 | T(c)) & 0xffffff
				if n++; n >= 3 {
					b.meet(t)
				}
			}
			i += len(rest) - 1
			continue
		}
		if c == 0 {
			n = 0
			continue
		}
		t = (t<<8 | T(lower[c])) & 0xffffff
		if n++; n >= 3 {
			b.meet(t)
		}
	}
	for _, t := range b.found {
		b.seen[t>>6] = 0
		b.put(t, uint16(b.docs))
	}
	b.found = b.found[:0]
	b.docs++
}

// meet notes that the document at hand has t.
func (b *Builder) meet(t T) {
	word, bit := &b.seen[t>>6], uint64(1)<<(t&63)
	if *word&bit == 0 {
		*word |= bit
		b.found = append(b.found, t)
	}
}

// put appends doc to the list of t.
func (b *Builder) put(t T, doc uint16) {
	at := b.slot(t)
	if b.slots[at] == 0 {
		b.lists = append(b.lists, gathered{t: t, first: doc, last: doc})
		b.slots[at] = uint32(len(b.lists))
		if 4*len(b.lists) > 3*len(b.slots) {
			b.widen()
		}
		return
	}
	l := &b.lists[b.slots[at]-1]
	gap := doc - l.last
	l.last = doc
	l.count++
	for ; gap >= 0x80; gap >>= 7 {
		b.write(l, byte(gap)|0x80)
	}
	b.write(l, byte(gap))
}

// slot returns the place in slots that t has or would get.
func (b *Builder) slot(t T) uint32 {
	at := uint32(t) * 0x9e3779b1 >> b.shift
	for b.slots[at] != 0 && b.lists[b.slots[at]-1].t != t {
		at = (at + 1) & uint32(len(b.slots)-1)
	}
	return at
}

// widen doubles the slots.
func (b *Builder) widen() {
	b.slots = make([]uint32, 2*len(b.slots))
	b.shift--
	for i := range b.lists {
		b.slots[b.slot(b.lists[i].t)] = uint32(i + 1)
	}
}

// write appends a byte to the pieces of l.
func (b *Builder) write(l *gathered, c byte) {
	if l.left == 0 {
		b.extend(l)
	}
	b.blocks[l.end/blockLen][l.end%blockLen] = c
	l.end++
	l.left--
}

// extend gives l one more piece.
func (b *Builder) extend(l *gathered) {
	grade := 0
	if l.count > 1 {
		grade = min(int(l.grade)+1, len(pieceLen)-1)
	}
	size := pieceLen[grade]
	if b.used+size > blockLen {
		b.blocks = append(b.blocks, make([]byte, blockLen))
		b.used = 0
	}
	at := uint32((len(b.blocks)-1)*blockLen + b.used)
	b.used += size
	if l.count > 1 {
		binary.LittleEndian.PutUint32(b.blocks[l.end/blockLen][l.end%blockLen:], at)
	} else {
		l.head = at
	}
	l.end, l.left, l.grade = at, uint8(size-link), uint8(grade)
}

// Source returns the lists gathered. The Builder is not used afterwards.
func (b *Builder) Source() Source {
	s := &builderSource{b: b, order: make([]uint64, len(b.lists)), next: -1}
	for i := range b.lists {
		s.order[i] = uint64(b.lists[i].t)<<32 | uint64(i)
	}
	slices.Sort(s.order)
	b.seen, b.slots = nil, nil
	return s
}

// builderSource gives the lists of a Builder.
type builderSource struct {
	b     *Builder
	order []uint64 // trigram and place in lists, of each list
	next  int
}

func (s *builderSource) bound() int { return s.b.docs }

func (s *builderSource) Err() error { return nil }

func (s *builderSource) Next() (T, bool) {
	if s.next+1 >= len(s.order) {
		return 0, false
	}
	s.next++
	return T(s.order[s.next] >> 32), true
}

func (s *builderSource) Docs(dst []uint16) []uint16 {
	l := &s.b.lists[uint32(s.order[s.next])]
	doc := l.first
	dst = append(slices.Grow(dst, int(l.count)+1), doc)
	var piece []byte // what is not yet read of it, with its link
	grade, left := -1, 0
	at := l.head
	for range l.count {
		gap, shift := uint16(0), 0
		for {
			if left == 0 {
				if grade >= 0 {
					at = binary.LittleEndian.Uint32(piece)
				}
				grade = min(grade+1, len(pieceLen)-1)
				left = pieceLen[grade] - link
				piece = s.b.blocks[at/blockLen][at%blockLen:]
			}
			c := piece[0]
			piece, left = piece[1:], left-1
			gap |= uint16(c&0x7f) << shift
			if shift += 7; c < 0x80 {
				break
			}
		}
		doc += gap
		dst = append(dst, doc)
	}
	return dst
}
