package exec

import (
	"context"
	"slices"
	"time"

	"indexd/internal/access"
	"indexd/listing"
	"indexd/store/record"
)

// sorting is what an answer in a sorted order is made of.
type sorting struct {
	order   order
	sorters []*sorter
	spill   spill
	mem     *memory
	buffers int64 // bytes reserved for reading back
	rest    bool  // what was left is in spill, or was to be
}

func (s *sorting) close() {
	for _, o := range s.sorters {
		o.close()
	}
	s.spill.close()
	s.mem.release(s.buffers)
}

// sort gathers all matches and gives them in order.
func (a *answer) sort() error {
	s := &sorting{order: order{a.q.Sort, a.q.Reverse}, mem: a.r.memory}
	newSpill := func() spill { return spill{ctx: a.ctx, dir: a.r.opt.TempDir, max: a.r.opt.MaxTemp} }
	s.spill = newSpill()
	a.orders = s
	limit, rows := a.r.opt.SortRound, 0
	if a.q.Limit > 0 && a.q.Limit < 1<<30 {
		limit, rows = 0, a.q.Limit
	}
	newCollector := func() collector {
		o := &sorter{order: s.order, limit: rows, mem: s.mem}
		s.sorters = append(s.sorters, o)
		return &sorterCollector{sorter: o, stat: !a.q.NamesOnly}
	}
	if rows > 0 {
		if done, err := a.sortRanked(s, newCollector); err != nil {
			return err
		} else if done {
			return a.giveSorted(s)
		}
	}
	for more := true; more; {
		err := a.gatherSorted(s, limit, newCollector)
		if err == nil {
			more, err = a.again(func() {
				s.close()
				s.sorters, s.spill = nil, newSpill()
				a.workers = nil
			})
		}
		if err != nil {
			return err
		}
	}
	return a.giveSorted(s)
}

// gatherSorted does all tasks, round after round.
func (a *answer) gatherSorted(s *sorting, limit time.Duration, newCollector func() collector) error {
	for len(a.tasks) > 0 {
		if err := a.round(limit, newCollector); err != nil {
			return err
		}
		left := a.tasks[:0]
		for _, t := range a.tasks {
			if t.full = false; !t.done {
				left = append(left, t)
			}
		}
		a.tasks = left
		if err := s.relieve(); err != nil {
			return err
		}
		if err := a.flushAll(); err != nil { // of nothing, so that others may go first
			return err
		}
	}
	return nil
}

// relieve spills if memory has run out: all sorters, so that they share evenly
// again what they give back.
func (s *sorting) relieve() error {
	if !slices.ContainsFunc(s.sorters, func(o *sorter) bool { return o.full }) {
		return nil
	}
	for _, o := range s.sorters {
		if o.full || o.blocks > freeBlocks {
			if err := o.spill(&s.spill); err != nil {
				return err
			}
		}
	}
	return nil
}

// giveSorted merges what was gathered and gives it.
func (a *answer) giveSorted(s *sorting) error {
	if len(s.spill.runs) > 0 {
		// What is held takes the memory that the runs are to be read back through.
		for _, o := range s.sorters {
			if o.rows() > 0 {
				if err := o.spill(&s.spill); err != nil {
					return err
				}
			}
		}
	}
	a.sum.Spilled = s.spill.size
	var sources []source
	for _, o := range s.sorters {
		o.settle()
		sources = append(sources, o.sources()...)
	}
	sources = append(sources, s.spill.sources(s.bufferSize())...)
	m := newMerge(s.order, sources)
	var (
		dir []byte
		e   listing.Entry
	)
	for n := 1; a.left() != 0; n++ {
		r, ok := m.first()
		if !ok {
			break
		}
		if n%1024 == 0 {
			if err := context.Cause(a.ctx); err != nil {
				return err
			}
		}
		at, name := s.order.path(r.key)
		dir = appendPath(dir[:0], at)
		d := decoder{r.value}
		tag := d.byte()
		e = listing.Entry{Name: text(name)}
		if tag&tagStat != 0 {
			d.stat(&e)
		}
		err := a.give(dir, &e, tag&tagNoMeta != 0)
		m.pop()
		if err == errSlow {
			e = listing.Entry{} // its name is of what is given back
			if m, err = s.spillRest(a, m, a.left()); err == nil {
				err = a.drain()
			}
		}
		if err != nil {
			return err
		}
	}
	return m.bad
}

// bufferSize returns the size of the buffers through which runs are read.
func (s *sorting) bufferSize() int {
	const least, most = 4 << 10, 128 << 10
	for size := most; size > least; size /= 2 {
		if n := int64(size * len(s.spill.runs)); s.mem.reserve(n) {
			s.buffers = n
			return size
		}
	}
	return least
}

// sorterCollector makes rows of matches and gives them to a sorter.
type sorterCollector struct {
	*sorter
	stat       bool
	key, value []byte
}

func (c *sorterCollector) want(w *walk) bool {
	return c.last == nil || w.ev.sight == access.List || c.order.wants(w.rec.Agg(), c.last)
}

func (c *sorterCollector) all(*round, *record.Record) bool { return false }

func (c *sorterCollector) names(*round, *walk) bool { return false }

func (c *sorterCollector) add(rd *round, t *task, w *walk, h *matches) bool {
	e, noMeta := h.entry(c.order.needsMeta())
	c.key = c.order.appendKey(c.key[:0], w.s, w.dir, e)
	if c.late(c.key) {
		return true
	}
	var tag byte
	if c.stat {
		e, noMeta = h.entry(true)
		tag = tagStat
	}
	if noMeta {
		tag |= tagNoMeta
	}
	if c.value = append(c.value[:0], tag); c.stat {
		c.value = appendStat(c.value, e)
	}
	c.sorter.add(c.key, c.value)
	if c.full {
		t.full = true
		rd.stop.Store(true)
	}
	return !c.full
}
