package exec

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"indexd/internal/access"
	"indexd/listing"
	"indexd/store/record"
)

// sorting is the work on an answer in a sorted order. Each pass over the index gathers as many of
// the next rows as there is memory for, and then gives them; the next pass continues after its last
// row. A pass is one snapshot. If the index changes between two of them, fingerprints tell how many
// entries that affects.
type sorting struct {
	order
	memory  *memory
	limit   int // rows that are wanted; 0 is no limit
	sorters []*sorter

	after *position // rows up to it were given; nil if none was
	// bound is the last row that this pass may gather; nil if there is none. It moves up when
	// rows are dropped.
	bound atomic.Pointer[position]
	hints []hint // sampled in the first pass, in order: where later ones may end
	fit   int    // rows that the first pass had memory for

	track  bool
	prints fingerprint // of the last pass that had one
	clock  uint64      // at that pass
	print  bool        // this pass makes one
}

// late reports whether a row comes after the bound.
func (s *sorting) late(p *position) bool {
	b := s.bound.Load()
	return b != nil && s.compare(p, b) > 0
}

// lower moves the bound up to p, unless it is there already.
func (s *sorting) lower(p *position) {
	for p = p.clone(); ; {
		b := s.bound.Load()
		if b != nil && s.compare(p, b) >= 0 || s.bound.CompareAndSwap(b, p) {
			return
		}
	}
}

// begin begins a pass at a clock of the store.
func (s *sorting) begin(clock uint64) {
	s.bound.Store(s.nextBound())
	s.print = s.track && (s.prints == nil || clock != s.clock)
}

func (s *sorting) close() {
	for _, o := range s.sorters {
		o.close()
	}
	s.sorters = nil
}

// sort gathers all matches and gives them in order.
func (a *answer) sort() error {
	s := &sorting{order: newOrder(a.q), memory: a.r.memory, after: a.after}
	defer s.close()
	if a.q.Limit > 0 && a.q.Limit < 1<<30 {
		s.limit = a.q.Limit + 1 // one more shows that there is more
	}
	s.track = s.limit == 0 || int64(s.limit)*minRow > s.memory.max
	if done, err := a.sortRanked(s); err != nil {
		return err
	} else if done {
		if more, err := a.givePass(s); err != nil || !more {
			return err
		}
	}
	for {
		if err := a.gatherPass(s); err != nil {
			return err
		}
		if more, err := a.givePass(s); err != nil || !more {
			return err
		}
	}
}

// newSortCollector returns what makes a collector for one worker.
func (a *answer) newSortCollector(s *sorting) func() collector {
	return func() collector {
		o := &sorter{sorting: s}
		s.sorters = append(s.sorters, o)
		return &sortCollector{sorter: o, stat: !a.q.NamesOnly}
	}
}

// gatherPass gathers the rows of a pass.
func (a *answer) gatherPass(s *sorting) error {
	a.gather()
	a.tasks, a.cut, a.later, a.workers = []*task{{}}, false, nil, nil
	a.slow = false // this concerns only rows of listings
	err := a.view(func(ks *keyspace) error {
		s.begin(ks.sn.Clock())
		return a.roundIn(ks, 0, a.newSortCollector(s))
	})
	for err == nil {
		var more bool
		more, err = a.again(func() {
			s.close()
			a.workers = nil
			s.begin(s.clock)
		})
		if err != nil || !more {
			break
		}
		err = a.round(0, a.newSortCollector(s))
	}
	if err != nil {
		return err
	}
	a.endPass(s)
	return a.flushAll() // there is nothing to flush, but others may go first
}

// endPass evaluates what the workers noted in a pass.
func (a *answer) endPass(s *sorting) {
	var prints fingerprint
	sampled := s.hints != nil
	for _, w := range a.workers {
		c := w.collector.(*sortCollector)
		prints = prints.add(c.prints)
		if !sampled {
			s.hints = append(s.hints, c.sampled()...)
		}
	}
	if !sampled {
		slices.SortFunc(s.hints, func(x, y hint) int { return s.compare(x.position, y.position) })
	}
	if s.print {
		if s.prints != nil {
			a.sum.Changed += s.prints.differences(prints)
		}
		s.prints, s.clock = prints, a.sum.LastClock
	}
}

// givePass gives the rows that were gathered, and gives their memory back. It reports whether
// another pass is needed.
func (a *answer) givePass(s *sorting) (more bool, err error) {
	var blocks []*block
	fit, own := 0, 0
	for _, o := range s.sorters {
		o.settle()
		blocks = append(blocks, o.sorted...)
		fit += cmp.Or(o.fit, o.rows())
		own += min(o.blocks, ownBlocks)
	}
	defer s.close()
	bound := s.bound.Load()
	m := newMerge(&s.order, blocks)
	left := func() *cursor {
		if c := m.first(); c != nil && (bound == nil || s.compare(&c.position, bound) <= 0) {
			return c
		}
		return nil
	}
	var (
		dir []byte
		e   listing.Entry
	)
	for n := 1; a.left() != 0; n++ {
		c := left()
		if c == nil {
			break
		}
		if n%1024 == 0 && a.ctx.Err() != nil {
			return false, context.Cause(a.ctx)
		}
		dir = appendPath(dir[:0], c.dir)
		e = listing.Entry{Name: c.name}
		var tag byte
		if len(c.value) > 0 {
			tag = c.value[0]
			(&decoder{c.value[1:]}).stat(&e)
		}
		err := a.give(dir, &e, tag&tagNoMeta != 0)
		slow := err == errSlow
		if slow || a.left() == 0 {
			a.last = c.clone()
		}
		m.pop()
		if slow {
			more := left() != nil || bound != nil
			p := s.memory.park(blocks, own)
			err = a.drain()
			if !s.memory.unpark(p, own) {
				s.sorters, s.after = nil, a.last
				a.more = more
				return more && a.left() != 0, err
			}
		}
		if err != nil {
			return false, err
		}
	}
	a.more = left() != nil || bound != nil
	s.after = bound
	s.fit = cmp.Or(s.fit, fit)
	return bound != nil && a.left() != 0, nil
}

// sortCollector makes rows of matches and gives them to a sorter.
type sortCollector struct {
	*sorter
	stat  bool
	entry listing.Entry // what the order needs of the match
	pos   position      // of the match
	key   record.Key
	hash  uint64 // of the directory
	value []byte

	prints fingerprint
	total  int // rows seen
	sample sample
}

func (c *sortCollector) want(w *walk) bool {
	return c.print || w.ev.sight == access.List || c.overlaps(w.rec.Agg(), c.after, c.bound.Load())
}

func (c *sortCollector) all(*round, *record.Record) bool { return false }

func (c *sortCollector) names(*round, *walk) bool { return false }

func (c *sortCollector) add(_ *round, _ *task, w *walk, m *matches) bool {
	c.total++
	p := &c.pos
	p.name = m.name
	switch {
	case c.number == nil:
		c.setText(p)
	case w.ev.sight == access.List:
		p.prefix, p.low = c.number(&listing.Entry{}) // not for the user to know
	default:
		c.read(w.rec, m.number(), &c.entry)
		p.prefix, p.low = c.number(&c.entry)
	}
	if c.print {
		c.enter(w)
		c.prints.count(c.hash, p)
	}
	if c.fit > 0 && c.hints == nil && c.sample.due() {
		c.enter(w)
		c.sample.take(p)
	}
	// Most rows are decided by their prefixes.
	bound := c.bound.Load()
	if c.after != nil && c.comparePrefix(p.prefix, c.after.prefix) < 0 || bound != nil && c.comparePrefix(p.prefix, bound.prefix) > 0 {
		return true
	}
	c.enter(w)
	if c.after != nil && c.compare(p, c.after) <= 0 || c.late(p) {
		return true
	}
	c.value = c.value[:0]
	if c.stat {
		e, noMeta := m.entry(true)
		tag := byte(tagStat)
		if noMeta {
			tag |= tagNoMeta
		}
		c.value = appendStat(append(c.value, tag), e)
	}
	c.sorter.add(p, c.value)
	return true
}

// enter makes the walk's directory that of pos.
func (c *sortCollector) enter(w *walk) {
	if c.key == nil || !bytes.Equal(c.key, w.dir) {
		c.key = append(c.key[:0], w.dir...)
		c.pos.dir = w.s.appendPathKey(c.pos.dir[:0], w.dir)
		c.hash = hashDir(c.pos.dir)
	}
}
