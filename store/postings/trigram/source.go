package trigram

import (
	"errors"
	"slices"
)

// MaxDocs is the number of documents that one set of lists can tell apart. Their
// local numbers are 0 to MaxDocs-1.
const MaxDocs = 1 << 16

// ErrPage is the error of a page that is none, or is damaged.
var ErrPage = errors.New("trigram: damaged page")

// Source gives lists, each the documents that have one trigram, in ascending order
// of the trigrams. It is for one goroutine.
type Source interface {
	// Next goes on to the next list and returns its trigram. ok is false at the
	// end and after an error, which Err tells apart.
	Next() (t T, ok bool)
	// Docs appends the local numbers of the current list to dst, ascending and
	// never none. It may be called once after each Next.
	Docs(dst []uint16) []uint16
	// Err returns what ended the lists before their end, else nil.
	Err() error
}

// bounder is a Source that knows a number which none of its local numbers reaches.
type bounder interface{ bound() int }

// merged is the Source of Merge.
type merged struct {
	sources []Source
	to      [][]int32
	at      []T // the current trigram of each source
	limit   int
	docs    []uint16 // the current list
	part    []uint16 // what one source has of it
	both    []uint16 // scratch of unite
	err     error
}

// none is the trigram of a source that has ended.
const none = T(1 << 24)

// Merge gives the lists of several sources under new numbers: to[i][d] is the
// number that document d of sources[i] gets, -1 for one that is left out. But for
// these each to[i] is ascending, and below MaxDocs; documents of several sources that
// get the same number become one. A list that becomes empty is left out. A source with a document that its to does not have ends the lists with
// ErrPage. Merge takes the sources for itself, and reads to until the end.
func Merge(sources []Source, to [][]int32) Source {
	m := &merged{sources: sources, to: to, at: make([]T, len(sources))}
	for i := range sources {
		for _, d := range slices.Backward(to[i]) {
			if d >= 0 {
				m.limit = max(m.limit, int(d)+1)
				break
			}
		}
		m.advance(i)
	}
	return m
}

func (m *merged) bound() int { return m.limit }

func (m *merged) Err() error { return m.err }

func (m *merged) Docs(dst []uint16) []uint16 { return append(dst, m.docs...) }

func (m *merged) Next() (T, bool) {
	for m.err == nil {
		t := none
		for _, a := range m.at {
			t = min(t, a)
		}
		if t == none {
			break
		}
		m.docs = m.docs[:0]
		for i, a := range m.at {
			if a == t && m.err == nil {
				m.take(i)
				m.advance(i)
			}
		}
		if len(m.docs) > 0 && m.err == nil {
			return t, true
		}
	}
	return 0, false
}

// advance takes source i to its next list.
func (m *merged) advance(i int) {
	t, ok := m.sources[i].Next()
	if !ok {
		t = none
		if err := m.sources[i].Err(); err != nil && m.err == nil {
			m.err = err
		}
	}
	m.at[i] = t
}

// take unites the current list of source i, under its new numbers, with m.docs.
func (m *merged) take(i int) {
	m.part = m.sources[i].Docs(m.part[:0])
	to, kept := m.to[i], m.part[:0]
	for _, d := range m.part {
		if int(d) >= len(to) {
			m.err = ErrPage
			return
		}
		if n := to[d]; n >= 0 {
			kept = append(kept, uint16(n))
		}
	}
	switch {
	case len(kept) == 0:
	case len(m.docs) == 0 || m.docs[len(m.docs)-1] < kept[0]:
		m.docs = append(m.docs, kept...)
	default:
		m.both = unite(m.both[:0], m.docs, kept)
		m.docs, m.both = m.both, m.docs
	}
}

// unite appends the numbers of a and b, both ascending, to dst, each once.
func unite(dst, a, b []uint16) []uint16 {
	for len(a) > 0 && len(b) > 0 {
		switch x, y := a[0], b[0]; {
		case x < y:
			dst, a = append(dst, x), a[1:]
		case x > y:
			dst, b = append(dst, y), b[1:]
		default:
			a = a[1:]
		}
	}
	return append(append(dst, a...), b...)
}
