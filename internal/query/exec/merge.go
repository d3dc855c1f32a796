package exec

// merge gives the rows of several sorted blocks in order.
type merge struct {
	order *order
	heap  []*cursor // heap[0] is at the first row
}

// cursor goes through a sorted block.
type cursor struct {
	b *block
	i int // rows before the current one

	position // of the current row; only prefix is set before load
	value    []byte
	loaded   bool

	touched byte
}

// next goes to the next row; false if there is none.
func (c *cursor) next() bool {
	c.i++
	return c.seek()
}

// seek makes row i the current one.
func (c *cursor) seek() bool {
	if c.i >= len(c.b.refs) {
		return false
	}
	c.prefix, c.loaded = c.b.refs[c.i].prefix, false
	// Rows lie far apart: have the processor fetch one that comes soon.
	if soon := c.i + 4; soon < len(c.b.refs) {
		r := &c.b.refs[soon]
		c.touched += c.b.at(r.row)[0]
		c.touched += c.b.at(r.dir)[0]
	}
	return true
}

// load sets position and value, which are valid until next.
func (c *cursor) load() {
	if c.loaded {
		return
	}
	c.value, c.loaded = c.b.load(&c.b.refs[c.i], &c.position), true
}

func newMerge(o *order, blocks []*block) *merge {
	m := &merge{order: o}
	for _, b := range blocks {
		if c := (&cursor{b: b}); c.seek() {
			m.heap = append(m.heap, c)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m
}

// first returns the first row that is left, valid until pop; nil if there is none.
func (m *merge) first() *cursor {
	if len(m.heap) == 0 {
		return nil
	}
	m.heap[0].load()
	return m.heap[0]
}

// pop drops the first row.
func (m *merge) pop() {
	if !m.heap[0].next() {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	}
	m.down(0)
}

// down moves the cursor at i to its place.
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
	x, y := m.heap[i], m.heap[j]
	if c := m.order.comparePrefix(x.prefix, y.prefix); c != 0 {
		return c < 0
	}
	x.load()
	y.load()
	return m.order.compare(&x.position, &y.position) < 0
}
