package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/trigram"
)

// When docs are merged. A segment costs a query up to a microsecond for each
// trigram it asks for, and a fresh doc 3 µs; a merge of 256 docs writes some 40 KB.
const (
	// mergeFresh fresh docs are merged at once.
	mergeFresh = 256
	// mergeWay segments of one tier become one of the next.
	mergeWay = 8
	// mergeLate segments of one tier are merged before fresh docs are.
	mergeLate = 2 * mergeWay
)

// tiers are the numbers of docs at which segments are of the next tier. Those of
// the last are only rewritten.
var tiers = [...]int{1 << 10, 1 << 13, 1 << 15}

func tierOf(docs int) int {
	i := 0
	for i < len(tiers) && docs >= tiers[i] {
		i++
	}
	return i
}

// merges is what the Store knows of merges.
type merges struct {
	quiet atomic.Bool // nothing but new fresh docs can make one due
	begun bool        // NextMerge was called since Open

	wasFresh bool // the last merge was one of fresh docs

	mu   sync.Mutex
	hurt map[uint32]struct{} // segments of which something damaged was met
}

// hurtSegment notes that something of a segment is damaged.
func (s *Store) hurtSegment(num uint32) {
	m := &s.merges
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hurt == nil {
		m.hurt = make(map[uint32]struct{})
	}
	if _, ok := m.hurt[num]; !ok {
		m.hurt[num] = struct{}{}
		s.log.Warn("a segment of the postings is damaged and is made anew", "segment", num)
	}
	m.quiet.Store(false)
}

// Step is a part of a Merge that is done in the write transaction.
type Step struct {
	// Do does it. Where the transaction is rolled back it may be called again,
	// in another.
	Do func(*Tx) error
	// Bytes is about how much is written.
	Bytes int
	// Wait: what follows may only be done when this is committed.
	Wait bool
}

// Merge is something that is to be done for the postings: fresh docs become a
// segment, segments become one, what is left of old ones is deleted.
//
// All that is large is built outside of the write transaction. A Merge that is
// given up, or cut off by the end of the process, leaves nothing wrong behind: the
// next ones clear it away and begin again.
type Merge struct {
	s    *Store
	what string
	do   func(*merging) error
}

// String says what the merge does, for logs.
func (m *Merge) String() string { return m.what }

// merging is a Merge under way.
type merging struct {
	s     *Store
	ctx   context.Context
	apply func(Step) error
}

func (m *merging) stop() error { return context.Cause(m.ctx) }

// Run does the merge. It calls apply with one step after another, which the
// caller does in write transactions of its own, in order, any number in one;
// apply returns when the step is taken over, or, if it says Wait, committed. An
// error of apply's, or ctx's, ends the merge and is returned.
func (m *Merge) Run(ctx context.Context, apply func(Step) error) error {
	m.s.merges.quiet.Store(false)
	return Guard(func() error { return m.do(&merging{m.s, ctx, apply}) })
}

// NextMerge returns what is due next for the postings; nil: nothing. bulk: a first
// index goes on, so let as many fresh docs gather as a segment can have. idle:
// nothing has been merged for a while, so merge the few that there are. NextMerge
// and what it returns are used by one goroutine, not within a transaction.
func (s *Store) NextMerge(bulk, idle bool) (*Merge, error) {
	st := s.state.Load()
	due := uint64(mergeFresh)
	switch {
	case bulk:
		due = trigram.MaxDocs
	case idle:
		due = 1
	}
	if st.fresh < due && !idle && s.merges.quiet.Load() {
		return nil, nil
	}
	s.merges.quiet.Store(true)
	var p mergePlan
	if err := s.View(func(sn *Snap) error { p.read(sn); return nil }); err != nil {
		return nil, err
	}
	m := p.next(s, st.fresh >= due, bulk)
	s.merges.begun = true
	return m, nil
}

// mergePlan is what NextMerge looks at.
type mergePlan struct {
	segs    []postSeg
	damaged []uint32
	bad     []docSet // sets of which something is damaged
	gone    *roaring.Bitmap
	alive   *roaring.Bitmap // all docs, where something is damaged
	taken   bool
	odd     bool
}

func (p *mergePlan) read(sn *Snap) {
	p.segs, p.damaged = sn.postSegs()
	for set := range docSet(docSets) {
		docs, ok := sn.docSet(set)
		if !ok {
			p.bad = append(p.bad, set)
		}
		switch set {
		case goneDocs:
			p.gone = docs
		case oddDocs:
			p.odd = !docs.IsEmpty()
		}
	}
	p.taken = sn.state.taken > 0
	if len(p.damaged)+len(p.bad) > 0 {
		p.alive = sn.allDocs()
	}
}

// allDocs returns the ids of all docs, and of those that may be.
func (sn *Snap) allDocs() *roaring.Bitmap {
	all := roaring.New()
	c := sn.b.docs.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		addBlock(all, k, v)
	}
	return all
}

// next chooses what is due.
func (p *mergePlan) next(s *Store, fresh, bulk bool) *Merge {
	for i := range p.segs {
		if p.segs[i].state == segBuilding || p.taken {
			return &Merge{s, "recover", (*merging).recover}
		}
	}
	if p.taken || p.odd && !s.merges.begun {
		return &Merge{s, "recover", (*merging).recover}
	}
	if m := p.heal(s); m != nil {
		return m
	}
	var live, dropping []postSeg
	for _, g := range p.segs {
		switch g.state {
		case segLive:
			live = append(live, g)
		case segDropping:
			dropping = append(dropping, g)
		}
	}
	left := p.left(live)
	if m := p.join(s, live, left, mergeLate); m != nil && !bulk {
		return m
	}
	wasFresh := s.merges.wasFresh
	s.merges.wasFresh = false
	switch {
	case fresh && (!wasFresh || len(dropping) == 0):
		s.merges.wasFresh = true
		return &Merge{s, "fresh", (*merging).fresh}
	case len(dropping) > 0: // in turns, so that what was dropped does not gather
		return &Merge{s, "drop", func(m *merging) error { return m.drop(dropping) }}
	case bulk:
		return nil
	}
	if m := p.join(s, live, left, mergeWay); m != nil {
		return m
	}
	return p.rewrite(s, live, left)
}

// left returns of each segment the docs that no newer one has and that are not
// gone.
func (p *mergePlan) left(live []postSeg) []*roaring.Bitmap {
	left := make([]*roaring.Bitmap, len(live))
	newer := p.gone.Clone()
	for i := len(live) - 1; i >= 0; i-- {
		left[i] = roaring.AndNot(live[i].docs, newer)
		newer.Or(live[i].docs)
	}
	return left
}

// join returns the merge of way segments of one tier, if there are so many.
func (p *mergePlan) join(s *Store, live []postSeg, left []*roaring.Bitmap, way int) *Merge {
	var of [len(tiers)][]int
	for i := range live {
		if t := tierOf(live[i].n); t < len(tiers) {
			of[t] = append(of[t], i)
		}
	}
	for _, which := range of {
		if len(which) >= way {
			return p.merge(s, "join", live, left, which)
		}
	}
	return nil
}

// rewrite returns the merge of segments of which half is not needed any more.
func (p *mergePlan) rewrite(s *Store, live []postSeg, left []*roaring.Bitmap) *Merge {
	var which []int
	for i := range live {
		if n := int(left[i].GetCardinality()); n == 0 || tierOf(live[i].n) > 0 && 2*n < live[i].n {
			which = append(which, i)
		}
	}
	if len(which) == 0 {
		return nil
	}
	return p.merge(s, "rewrite", live, left, which)
}

// merge returns the merge of some segments, as far as they fit into one.
func (p *mergePlan) merge(s *Store, what string, live []postSeg, left []*roaring.Bitmap, which []int) *Merge {
	j := joining{docs: roaring.New(), others: roaring.New()}
	in := make([]bool, len(live))
	n := uint64(0)
	for _, i := range which {
		if c := left[i].GetCardinality(); n+c <= trigram.MaxDocs {
			n += c
			in[i] = true
		}
	}
	for i := range live {
		if in[i] {
			j.segs, j.left = append(j.segs, live[i]), append(j.left, left[i])
			j.docs.Or(left[i])
		} else {
			j.others.Or(live[i].docs)
		}
	}
	return &Merge{s, what, j.do}
}

// heal returns what mends segments of which something is damaged: their docs
// become fresh, and they are dropped. Damaged parts of sets are written anew.
func (p *mergePlan) heal(s *Store) *Merge {
	s.merges.mu.Lock()
	defer s.merges.mu.Unlock()
	fresh := roaring.New()
	var drop []postSeg
	newer := roaring.New()
	damaged := slices.Clone(p.damaged)
	for i := len(p.segs) - 1; i >= 0; i-- {
		g := &p.segs[i]
		// Of one whose record is damaged nobody knows which docs it had.
		for len(damaged) > 0 && damaged[len(damaged)-1] > g.num {
			fresh.Or(roaring.AndNot(p.alive, newer))
			damaged = damaged[:len(damaged)-1]
		}
		if g.state != segLive {
			continue
		}
		if _, ok := s.merges.hurt[g.num]; ok {
			fresh.Or(roaring.AndNot(g.docs, newer))
			drop = append(drop, *g)
		}
		newer.Or(g.docs)
	}
	if len(damaged) > 0 {
		fresh.Or(roaring.AndNot(p.alive, newer))
	}
	clear(s.merges.hurt)
	for _, num := range p.damaged {
		drop = append(drop, postSeg{num: num})
	}
	if len(drop)+len(p.bad) == 0 {
		return nil
	}
	gone := roaring.New()
	if slices.Contains(p.bad, goneDocs) {
		gone = roaring.AndNot(newer, p.alive) // newer is all that segments have
	}
	return &Merge{s, "heal", func(m *merging) error {
		return m.apply(Step{Wait: true, Do: func(t *Tx) error {
			return t.do(func() error {
				if err := t.flushFresh(); err != nil {
					return err
				}
				for _, set := range p.bad {
					docs, _ := t.snap.docSet(set)
					if err := t.changeSet(set, docs, nil); err != nil {
						return err
					}
				}
				if err := t.changeSet(goneDocs, gone, nil); err != nil {
					return err
				}
				all, _ := t.snap.docSet(goneDocs)
				fresh.AndNot(all)
				for _, g := range drop {
					if err := t.putSeg(&postSeg{num: g.num, state: segDropping, pages: g.pages}); err != nil {
						return err
					}
				}
				return t.changeSet(freshDocs, fresh, nil)
			})
		}})
	}}
}

// recover gives up what a merge left behind that did not come to its end: what it
// had taken is fresh again.
func (m *merging) recover() error {
	return m.apply(Step{Wait: true, Do: func(t *Tx) error {
		return t.do(func() error {
			segs, _ := t.snap.postSegs()
			for _, g := range segs {
				if g.state == segBuilding {
					if err := t.putSeg(&postSeg{num: g.num, state: segDropping}); err != nil {
						return err
					}
				}
			}
			for _, set := range [...]docSet{takenDocs, oddDocs} {
				docs, _ := t.snap.docSet(set)
				if err := errors.Join(t.changeSet(set, nil, docs), t.changeSet(freshDocs, docs, nil)); err != nil {
					return err
				}
			}
			return nil
		})
	}})
}

// beginSeg makes a new segment. Numbers are never given twice.
func (t *Tx) beginSeg() (num uint32, err error) {
	if t.state.segment == 1<<32-1 {
		return 0, errors.New("store: no number is left for a segment of the postings")
	}
	t.state.segment++
	num = uint32(t.state.segment)
	return num, t.putSeg(&postSeg{num: num, state: segBuilding})
}

// fresh merges fresh docs into a segment.
func (m *merging) fresh() error {
	var num uint32
	err := m.apply(Step{Wait: true, Do: func(t *Tx) error {
		return t.do(func() (err error) {
			num, err = t.take()
			return err
		})
	}})
	if err != nil || num == 0 {
		return err
	}
	var taken *roaring.Bitmap
	others := roaring.New()
	err = m.s.View(func(sn *Snap) error {
		taken, _ = sn.docSet(takenDocs)
		segs, _ := sn.postSegs()
		for i := range segs {
			if segs[i].state == segLive {
				others.Or(segs[i].docs)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b := trigram.NewBuilder()
	g := gathering{s: m.s, stop: m.stop}
	if err := g.gather(b, taken.ToArray()); err != nil {
		return err
	}
	seg := postSeg{num: num, state: segLive, docs: roaring.BitmapOf(g.added...)}
	if seg.pages, err = m.pages(num, b.Source()); err != nil {
		return err
	}
	rest, odd := roaring.BitmapOf(g.rest...), roaring.BitmapOf(g.odd...)
	others.Or(seg.docs)
	return m.apply(Step{Wait: true, Do: func(t *Tx) error {
		return t.do(func() error {
			if err := t.flushFresh(); err != nil {
				return err
			}
			if err := t.liveSeg(&seg); err != nil {
				return err
			}
			gone, _ := t.snap.docSet(goneDocs)
			left, _ := t.snap.docSet(takenDocs)
			unknown := roaring.AndNot(odd, gone)
			return errors.Join(
				t.changeSet(takenDocs, nil, left),
				t.changeSet(freshDocs, roaring.AndNot(rest, gone), nil),
				t.changeSet(oddDocs, unknown, nil),
				t.forgetGone(gone, others),
			)
		})
	}})
}

// take makes fresh docs, as many as a segment may have, taken ones, and returns
// the number of the segment that they are for; 0: there are none.
func (t *Tx) take() (num uint32, err error) {
	if err := t.flushFresh(); err != nil {
		return 0, err
	}
	if t.state.taken > 0 {
		return 0, errTwoMerges
	}
	docs, _ := t.snap.docSet(freshDocs)
	if docs.IsEmpty() {
		return 0, nil
	}
	if docs.GetCardinality() > trigram.MaxDocs {
		last, err := docs.Select(trigram.MaxDocs)
		if err != nil {
			return 0, err
		}
		docs.RemoveRange(uint64(last), 1<<32)
	}
	if num, err = t.beginSeg(); err != nil {
		return 0, err
	}
	return num, errors.Join(t.changeSet(freshDocs, nil, docs), t.changeSet(takenDocs, docs, nil))
}

var errTwoMerges = errors.New("store: another merge is under way")

// liveSeg makes a segment that was built one that is looked into, if it has docs.
func (t *Tx) liveSeg(g *postSeg) error {
	key := segKey(g.num)
	is, err := decodeSeg(key, t.b.segments.Get(key), false)
	if err != nil || is.state != segBuilding {
		return errTwoMerges
	}
	if g.docs.IsEmpty() {
		return t.del(t.b.segments, key)
	}
	return t.putSeg(g)
}

// forgetGone keeps of the docs that are gone those that are in a segment.
func (t *Tx) forgetGone(gone, posted *roaring.Bitmap) error {
	return t.changeSet(goneDocs, nil, roaring.AndNot(gone, posted))
}

// stepLen is about how many bytes of pages are written by one step.
const stepLen = 64 << 10

// pages writes the lists of a source as the pages of a segment, and returns how
// many there are.
func (m *merging) pages(num uint32, src trigram.Source) (n uint64, err error) {
	p := trigram.NewPacker(src)
	var keys, vals [][]byte
	size := 0
	flush := func() error {
		keys, vals := keys, vals
		return m.apply(Step{Bytes: size, Do: func(t *Tx) error {
			return t.do(func() error {
				t.b.postings.FillPercent = 1
				for i := range keys {
					if err := t.put(t.b.postings, keys[i], vals[i]); err != nil {
						return err
					}
				}
				return nil
			})
		}})
	}
	for {
		if err := m.stop(); err != nil {
			return 0, err
		}
		first, page, ok := p.Next()
		if !ok {
			break
		}
		key := pageKey(num, first)
		keys, vals = append(keys, key), append(vals, seal(key, page))
		n++
		if size += len(page); size >= stepLen {
			if err := flush(); err != nil {
				return 0, err
			}
			keys, vals, size = nil, nil, 0
		}
	}
	if err := p.Err(); err != nil {
		return 0, err
	}
	if len(keys) > 0 {
		err = flush()
	}
	return n, err
}

// joining is a merge of segments into one.
type joining struct {
	segs   []postSeg
	left   []*roaring.Bitmap // of each, the docs that are kept
	docs   *roaring.Bitmap   // all that are kept
	others *roaring.Bitmap   // docs of the segments that stay as they are
}

func (j *joining) do(m *merging) error {
	var seg postSeg
	if !j.docs.IsEmpty() {
		err := m.apply(Step{Wait: true, Do: func(t *Tx) error {
			return t.do(func() (err error) {
				seg.num, err = t.beginSeg()
				return err
			})
		}})
		if err != nil {
			return err
		}
		seg.state, seg.docs = segLive, j.docs
		readers := make([]*pageReader, len(j.segs))
		sources, to := make([]trigram.Source, len(j.segs)), make([][]int32, len(j.segs))
		for i := range j.segs {
			readers[i] = m.s.readPages(j.segs[i].num, m.stop)
			sources[i], to[i] = trigram.Unpack(readers[i].page), renumber(&j.segs[i], j.left[i], j.docs)
		}
		seg.pages, err = m.pages(seg.num, trigram.Merge(sources, to))
		for i, r := range readers {
			damaged := errors.Is(r.err, ErrCorrupt) || r.err == nil && errors.Is(sources[i].Err(), trigram.ErrPage)
			if damaged {
				m.s.hurtSegment(j.segs[i].num)
			}
			if r.err != nil {
				err = cmp.Or(r.err, err)
			}
		}
		if err != nil {
			return fmt.Errorf("merge segments of the postings: %w", err)
		}
		j.others.Or(j.docs)
	}
	return m.apply(Step{Wait: true, Do: func(t *Tx) error {
		return t.do(func() error {
			if err := t.flushFresh(); err != nil {
				return err
			}
			if seg.num != 0 {
				if err := t.liveSeg(&seg); err != nil {
					return err
				}
			}
			for _, g := range j.segs {
				if err := t.putSeg(&postSeg{num: g.num, state: segDropping, pages: g.pages}); err != nil {
					return err
				}
			}
			gone, _ := t.snap.docSet(goneDocs)
			return t.forgetGone(gone, j.others)
		})
	}})
}

// renumber returns which number each doc of a segment gets among docs; -1: it is
// not in left.
func renumber(g *postSeg, left, docs *roaring.Bitmap) []int32 {
	to := make([]int32, 0, g.n)
	keep, all := left.Iterator(), docs.Iterator()
	rank := int32(-1)
	for it := g.docs.Iterator(); it.HasNext(); {
		doc := it.Next()
		if !keep.HasNext() || keep.PeekNext() != doc {
			to = append(to, -1)
			continue
		}
		keep.Next()
		for {
			rank++
			if all.Next() == doc {
				break
			}
		}
		to = append(to, rank)
	}
	return to
}

// dropLen is how many pages one step deletes, and maxDrops how many steps a merge
// has, about.
const (
	dropLen  = 32
	maxDrops = 64
)

// drop deletes what is left of segments.
func (m *merging) drop(segs []postSeg) error {
	steps := 0
	for i := range segs {
		num, pages := segs[i].num, segs[i].pages
		// Without a count, which only a segment has that was live, each step
		// tells whether there is another.
		last := pages == 0
		for more := true; more && steps < maxDrops; steps++ {
			if err := m.stop(); err != nil {
				return err
			}
			if !last {
				if more = pages >= dropLen; more {
					pages -= dropLen
				}
			}
			// What is asked for next depends on what is left then.
			wait := last || !more && i == len(segs)-1 || steps == maxDrops-1
			var left bool
			err := m.apply(Step{Bytes: stepLen, Wait: wait, Do: func(t *Tx) (err error) {
				left, err = t.dropPages(num)
				return err
			}})
			if err != nil {
				return err
			}
			if last {
				more = left
			}
		}
	}
	return nil
}

// dropPages deletes some pages of a segment, or, where none is left, its record;
// more: there is more to delete.
func (t *Tx) dropPages(num uint32) (more bool, err error) {
	err = t.do(func() error {
		var keys [][]byte
		c := t.b.postings.Cursor()
		k, _ := c.Seek(segKey(num))
		for ; isPageOf(k, num) && len(keys) < dropLen; k, _ = c.Next() {
			keys = append(keys, bytes.Clone(k))
		}
		more = isPageOf(k, num)
		for _, k := range keys {
			if err := t.del(t.b.postings, k); err != nil {
				return err
			}
		}
		if more {
			return nil
		}
		return t.del(t.b.segments, segKey(num))
	})
	return more, err
}
