package exec

// source is a sorted run of rows.
type source interface {
	// next goes to the next row; false: there is none, or err.
	next() (row, bool)
	err() error
}

// row is a row on its way through a merge. It is valid until its source goes on.
type row struct {
	prefix     uint64
	key, value []byte
}

// merge gives the rows of several sources in order.
type merge struct {
	order order
	heap  []head // heap[0] has the first
	bad   error
}

type head struct {
	row
	from source
}

func newMerge(o order, sources []source) *merge {
	m := &merge{order: o}
	for _, s := range sources {
		if r, ok := s.next(); ok {
			m.heap = append(m.heap, head{r, s})
		} else if err := s.err(); err != nil {
			m.bad = err
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m
}

// first returns the first row that is left, valid until pop; false: there is
// none, or an error.
func (m *merge) first() (*row, bool) {
	if len(m.heap) == 0 || m.bad != nil {
		return nil, false
	}
	return &m.heap[0].row, true
}

// pop drops the first row.
func (m *merge) pop() {
	h := &m.heap[0]
	r, ok := h.from.next()
	if ok {
		h.row = r
	} else {
		if err := h.from.err(); err != nil {
			m.bad = err
		}
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	}
	m.down(0)
}

// down lets the head at i sink to its place.
func (m *merge) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(m.heap) {
			return
		}
		if c+1 < len(m.heap) && m.before(c+1, c) {
			c++
		}
		if !m.before(c, i) {
			return
		}
		m.heap[i], m.heap[c] = m.heap[c], m.heap[i]
		i = c
	}
}

func (m *merge) before(i, j int) bool {
	a, b := &m.heap[i].row, &m.heap[j].row
	if c := m.order.cmpPrefix(a.prefix, b.prefix); c != 0 {
		return c < 0
	}
	return m.order.cmp(a.key, b.key) < 0
}

// blockSource is the rows of a sorted block.
type blockSource struct {
	b *block
	i int
}

func (s *blockSource) next() (row, bool) {
	if s.i == len(s.b.refs) {
		return row{}, false
	}
	r := &s.b.refs[s.i]
	s.i++
	return row{r.prefix, s.b.key(r), s.b.value(r)}, true
}

func (s *blockSource) err() error { return nil }
