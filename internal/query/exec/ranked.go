package exec

import (
	"github.com/RoaringBitmap/roaring/v2"

	"indexd/internal/query"
	"indexd/store"
	"indexd/store/record"
)

// maxRanked is up to how many rows are looked for in the most promising records first. The more
// rows there are, the less that saves.
const maxRanked = 10_000

// bound returns the aggregates of entries that are all at a bound of a Ranking.
func bound(at int64) *record.Aggregates {
	agg := &record.Aggregates{MinSize: at, MaxSize: at}
	agg.Oldest.Sec, agg.Newest.Sec = at, at
	return agg
}

// sortRanked gathers the first rows in one snapshot. It reads the records that can have the best
// rows, then those that can still have better ones. If done is false, that was not possible or not
// useful, and nothing was gathered.
func (a *answer) sortRanked(s *sorting) (done bool, err error) {
	if s.zone == nil || a.q.Viewer != nil || s.limit == 0 || s.limit > maxRanked {
		// For a Viewer, rows may not have the sizes that the store knows.
		return false, nil
	}
	err = a.view(func(ks *keyspace) error {
		var only *roaring.Bitmap
		if ks.cand != nil {
			if ks.cand.few || ks.cand.dir != nil {
				return nil // few already; or they cannot be told by doc
			}
			only = ks.cand.fits
		}
		by := s.ranks[0]
		if s.reverse {
			by = s.ranks[1]
		}
		if rank := ks.sn.Rank(by, a.zones()); rank != nil {
			done = a.ranked(ks, s, rank, only)
		}
		return nil
	})
	if !done {
		s.close()
		s.bound.Store(nil)
	}
	return done, err
}

// ranked does the work of sortRanked. only holds the records that can have matches, or is nil.
func (a *answer) ranked(ks *keyspace, s *sorting, rank *store.Ranking, only *roaring.Bitmap) bool {
	newCollector := a.newSortCollector(s)
	a.hire(1, newCollector)
	first := a.workers[0].collector.(*sortCollector).sorter
	few := int(a.r.tune.few(ks.sn.Docs()))
	seen := roaring.New()
	for n := 2*a.q.Limit + 64; !rank.Done() && int(seen.GetCardinality())+n <= few; n *= 4 {
		docs := rank.Next(n)
		seen.Or(docs)
		if only != nil {
			docs.And(only)
		}
		c := &candidates{docs: docs, fits: docs}
		if c.inSpans = c.cut(a, ks); !c.inSpans {
			return false
		}
		part := *ks
		part.cand = c
		a.tasks = []*task{{}}
		(&round{a: a, ks: &part}).work(a.workers[0])
		if !a.tasks[0].done {
			return false // there is no memory, or nobody waits
		}
		if first.rows() >= s.limit {
			first.prune(s.limit)
		}
		if b := s.bound.Load(); b != nil && !s.overlaps(bound(rank.Bound()), s.after, b) {
			return true
		}
	}
	if rank.Done() {
		return true
	}
	// The rest is found faster in the order of keys.
	plan := a.zones()
	rest := ks.sn.Zones(func(z *record.Zone) bool {
		if plan != nil && !plan(z) {
			return false
		}
		agg := record.Aggregates{MinSize: z.MinSize, MaxSize: z.MaxSize, Oldest: z.Oldest, Newest: z.Newest}
		return s.overlaps(&agg, s.after, s.bound.Load())
	})
	rest.AndNot(seen)
	if only != nil {
		rest.And(only)
	}
	c := &candidates{docs: rest, fits: rest}
	if int(rest.GetCardinality()) <= few {
		c.inSpans = c.cut(a, ks)
	}
	part := *ks
	part.cand = c
	a.tasks = []*task{{}}
	if a.roundIn(&part, 0, newCollector) != nil {
		return false
	}
	for _, t := range a.tasks {
		if !t.done {
			return false
		}
	}
	return true
}

// zones returns a function that reports whether a record can have a match, given the bounds of
// its entries' sizes and times; nil if the plan does not depend on them.
func (a *answer) zones() func(*record.Zone) bool {
	p := a.q.Plan
	if !p.NeedsMeta() {
		return nil
	}
	const most = 1<<63 - 1
	for _, at := range [...]int64{0, 1, 4096, 1 << 30, most} {
		z := query.Zone{Count: 2, Dirs: 1, MinSize: at, MaxSize: at}
		z.Oldest.Sec, z.Newest.Sec = at, at
		if !p.Zone(&z) {
			return func(z *record.Zone) bool { return p.Zone((*query.Zone)(z)) }
		}
	}
	return nil
}
