package exec

import (
	"cmp"
	"slices"
)

// slack is by how many rows a sorter goes beyond twice its limit before it drops the rows that are
// too many.
const slack = 32

// sorter gathers the rows of one worker that come first in order: limit of them, or as many as
// there is memory for. It is for one goroutine at a time.
type sorter struct {
	*sorting

	sorted []*block // each sorted
	open   *block   // rows are added to it; may be nil
	blocks int      // all of them

	fit int // rows there was memory for when it first ran out; 0 if it did not
}

// add copies a row, which may turn out to come too late.
func (s *sorter) add(p *position, value []byte) {
	for s.open == nil || !s.open.add(p, value) {
		s.settle()
		if s.limit > 0 && s.rows() >= 2*s.limit+slack {
			s.prune(s.limit)
		} else if s.open = s.take(false); s.open == nil {
			s.shrink()
		}
		if s.late(p) {
			return
		}
	}
	if s.limit > 0 && len(s.open.refs) >= 2*s.limit+slack {
		s.prune(s.limit)
	}
}

// take returns an empty block; nil if there is no memory for it.
func (s *sorter) take(exceed bool) *block {
	b := s.memory.take(s.blocks, exceed)
	if b != nil {
		s.blocks++
	}
	return b
}

// give is the end of take.
func (s *sorter) give(b *block) {
	s.memory.give(b, s.blocks)
	s.blocks--
}

// rows returns how many rows are held.
func (s *sorter) rows() int {
	n := 0
	for _, b := range s.sorted {
		n += len(b.refs)
	}
	if s.open != nil {
		n += len(s.open.refs)
	}
	return n
}

// settle sorts the open block and closes it.
func (s *sorter) settle() {
	if s.open != nil {
		s.open.sort(&s.order)
		s.sorted = append(s.sorted, s.open)
		s.open = nil
	}
}

// shrink drops rows until there is an open block. The caller has settled.
func (s *sorter) shrink() {
	n := s.rows()
	s.fit = cmp.Or(s.fit, n)
	part := 2
	switch {
	case s.limit > 0 && n >= 2*s.limit:
		n = 2 * s.limit
	case s.hints == nil:
		part = 8 // much more is to come: go through what is dropped no more than twice
	}
	for s.open == nil {
		n /= part
		s.prune(max(n, 1))
		if s.open == nil {
			s.open = s.take(false)
		}
	}
}

// prune keeps the first n rows, of which there must be as many, and makes the last of them the
// bound of the pass.
func (s *sorter) prune(n int) {
	s.settle()
	m := newMerge(&s.order, s.sorted)
	cursors := slices.Clone(m.heap)
	for range n - 1 {
		m.pop()
	}
	last := m.first()
	s.lower(&last.position)
	last.i++ // the last row to keep
	old := s.sorted
	s.sorted = nil
	for _, b := range old {
		kept := 0
		if i := slices.IndexFunc(cursors, func(c *cursor) bool { return c.b == b }); i >= 0 {
			kept = cursors[i].i
		}
		b.refs = b.refs[:kept]
		s.repack(b)
	}
}

// repack moves the rows of a block to the open one, in the order in which they were added.
func (s *sorter) repack(b *block) {
	slices.SortFunc(b.refs, func(x, y ref) int { return cmp.Compare(x.row, y.row) })
	var p position
	for i := range b.refs {
		value := b.load(&b.refs[i], &p)
		for s.open == nil || !s.open.add(&p, value) {
			s.settle()
			s.open = s.take(true)
		}
	}
	s.give(b)
}

// close drops all rows.
func (s *sorter) close() {
	s.settle()
	for _, b := range s.sorted {
		s.give(b)
	}
	s.sorted = nil
}
