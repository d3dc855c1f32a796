package exec

import "slices"

const (
	// freeBlocks are a sorter's own; what it takes beyond is out of what all
	// sorts share.
	freeBlocks = 3
	// slack is by how many rows a sorter of few goes beyond twice its limit
	// before it throws away what is too many.
	slack = 32
)

// sorter gathers rows and keeps those that come first in order, limit of them
// or all, in blocks of memory; when there is no more of it they go to a spill.
// It is for one goroutine at a time.
type sorter struct {
	order order
	limit int // rows; 0: all
	mem   *memory

	sorted []*block // each sorted
	open   *block   // rows are added to it; nil: none yet
	spare  []*block
	blocks int // all of them

	last []byte // of limit rows kept so far the last one's key; nil: there are less
	full bool   // there is no memory for the next row: spill before it
}

// late reports whether a row of that key is not wanted: limit others come
// before it.
func (s *sorter) late(key []byte) bool {
	return s.last != nil && s.order.cmp(key, s.last) >= 0
}

// add copies a row unless it is late. full may be set afterwards.
func (s *sorter) add(key, value []byte) {
	if s.late(key) {
		return
	}
	if s.open == nil {
		s.open = s.block() // one of its own
	}
	s.open.add(prefixOf(key), key, value)
	switch n := len(s.open.refs); {
	case s.limit > 0 && len(s.sorted) == 0 && n >= 2*s.limit+slack:
		s.prune()
	case s.open.crowded():
		s.settle()
		if s.limit > 0 && s.rows() >= 2*s.limit {
			s.prune()
		}
	}
	if s.open == nil {
		s.open = s.block()
		s.full = s.open == nil
	}
}

// rows returns how many are held.
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

// block returns an empty block; nil: there is no memory for it.
func (s *sorter) block() *block {
	if n := len(s.spare); n > 0 {
		b := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return b
	}
	if s.blocks < freeBlocks {
		s.blocks++
		return s.mem.ownBlock()
	}
	b := s.mem.takeBlock()
	if b != nil {
		s.blocks++
	}
	return b
}

// close drops all rows and gives the memory back.
func (s *sorter) close() {
	if s.open != nil {
		s.sorted, s.open = append(s.sorted, s.open), nil
	}
	s.clear()
	for _, b := range s.spare {
		s.mem.giveOwn(b)
	}
	s.blocks -= len(s.spare)
	s.spare = nil
}

// prune keeps the first limit rows. Where there is not the memory to copy them
// it leaves all as it is.
func (s *sorter) prune() {
	s.settle()
	var kept []*block
	n := 0
	m := newMerge(s.order, s.sources())
	for ; n < s.limit; n++ {
		r, ok := m.first()
		if !ok {
			break
		}
		if k := len(kept); k == 0 || !kept[k-1].fits(r.key, r.value) {
			b := s.block()
			if b == nil {
				s.free(kept)
				return
			}
			kept = append(kept, b)
		}
		kept[len(kept)-1].add(r.prefix, r.key, r.value)
		m.pop()
	}
	s.clear()
	s.sorted = kept
	if n == s.limit {
		b := kept[len(kept)-1]
		s.last = append(s.last[:0], b.key(&b.refs[len(b.refs)-1])...)
	}
	if len(kept) == 1 && kept[0].halfEmpty() {
		s.open, s.sorted = kept[0], nil // go on in it
	}
}

// settle sorts the open block and puts it by.
func (s *sorter) settle() {
	if s.open != nil {
		s.open.sort(s.order)
		s.sorted = append(s.sorted, s.open)
		s.open = nil
	}
}

// keepFirst drops all rows beyond the limit, so that last is that of what there
// is.
func (s *sorter) keepFirst() {
	if s.rows() >= s.limit {
		s.prune()
	}
}

// reset makes the sorter as good as new.
func (s *sorter) reset() {
	s.settle()
	s.clear()
	s.last, s.full = nil, false
}

// clear drops all rows, which were settled.
func (s *sorter) clear() {
	s.free(s.sorted)
	s.sorted = nil
}

// free takes blocks back; a sorter's own are kept.
func (s *sorter) free(blocks []*block) {
	for _, b := range blocks {
		b.reset()
		if b.mapped == nil {
			s.spare = append(s.spare, b)
			continue
		}
		s.mem.giveBlock(b)
		s.blocks--
	}
}

// sources returns what is held, which was settled.
func (s *sorter) sources() []source {
	all := make([]source, len(s.sorted))
	for i, b := range s.sorted {
		all[i] = &blockSource{b: b}
	}
	return all
}

// spill moves what is held to f.
func (s *sorter) spill(f *spill) error {
	s.settle()
	m := newMerge(s.order, s.sources())
	err := f.write(func(put func(key, value []byte) error) error {
		for n := 0; s.limit == 0 || n < s.limit; n++ {
			r, ok := m.first()
			if !ok {
				break
			}
			if n == s.limit-1 {
				s.last = slices.Clone(r.key)
			}
			if err := put(r.key, r.value); err != nil {
				return err
			}
			m.pop()
		}
		return nil
	})
	s.clear()
	s.full = false
	return err
}
