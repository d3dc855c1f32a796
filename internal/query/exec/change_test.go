package exec

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/internal/testutil/race"
	"indexd/internal/testutil/scale"
	"indexd/listing"
	"indexd/store"
)

// mutate changes one random directory, sometimes much, and applies it. It tells
// was of every path before it goes or changes, and is of every path that came or
// changed.
func (w *world) mutate(was func(path string), is func(path string, e listing.Entry)) {
	r := w.r
	dirs := slices.Sorted(maps.Keys(w.dirs))
	dirs = slices.DeleteFunc(dirs, func(d string) bool {
		return w.bare[d] || !slices.ContainsFunc(w.roots, func(root string) bool { return under(d, root) })
	})
	dir := dirs[r.IntN(len(dirs))]
	names := slices.Sorted(maps.Keys(w.dirs[dir]))
	fixed := func(p string) bool { // a mount point or root, or above one
		for m := range w.volumes {
			if under(m, p) {
				return true
			}
		}
		return slices.ContainsFunc(w.roots, func(root string) bool { return under(root, p) })
	}
	var fresh []string
	remove := func(name string) {
		p := join(dir, name)
		if w.isDir(p) {
			if fixed(p) {
				return
			}
			for d, entries := range w.dirs {
				if under(d, p) {
					for n := range entries {
						was(join(d, n))
					}
					delete(w.bare, d)
				}
			}
			was(p)
			w.drop(p)
			return
		}
		was(p)
		delete(w.dirs[dir], name)
	}
	put := func(e listing.Entry) {
		w.dirs[dir][e.Name] = e
		is(join(dir, e.Name), e)
	}
	switch r.IntN(8) {
	case 0: // over the size of a chunk, or many more chunks
		for range 300 + r.IntN(900) {
			put(w.entry(w.name(dir)))
		}
	case 1: // few are left
		for _, n := range names {
			if r.IntN(10) > 0 {
				remove(n)
			}
		}
	case 2:
		for range 1 + r.IntN(3) {
			p := w.addDir(dir)
			is(p, w.dirs[dir][path.Base(p)])
			fresh = append(fresh, p)
			for range r.IntN(5) {
				e := w.entry(w.name(p))
				w.dirs[p][e.Name] = e
				is(join(p, e.Name), e)
			}
		}
	default:
		for range 1 + r.IntN(20) {
			if len(names) == 0 || r.IntN(2) == 0 {
				put(w.entry(w.name(dir)))
				continue
			}
			n := names[r.IntN(len(names))]
			if p := join(dir, n); r.IntN(2) == 0 {
				remove(n)
			} else if _, ok := w.dirs[dir][n]; ok && !w.isDir(p) {
				was(p)
				put(w.entry(n))
			}
		}
	}
	w.update(func(tx *store.Tx) {
		w.apply(tx, dir)
		for _, p := range fresh {
			w.apply(tx, p)
		}
		if r.IntN(5) == 0 {
			if _, err := tx.PurgeTombstones(100); err != nil {
				w.tb.Fatal(err)
			}
		}
	})
}

// history is what was there while an answer was given.
type history struct {
	mu      sync.Mutex
	steady  map[string]found // there throughout, unchanged
	ever    map[string][]listing.Entry
	changes int
}

func (w *world) history() *history {
	h := &history{steady: make(map[string]found), ever: make(map[string][]listing.Entry)}
	for _, f := range w.all(nil) {
		h.steady[f.path()] = f
		h.ever[f.path()] = append(h.ever[f.path()], f.e)
	}
	return h
}

func (h *history) was(p string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.steady, p)
	h.changes++
}

func (h *history) is(p string, e listing.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.steady, p)
	h.ever[p] = append(h.ever[p], e)
}

// check holds an answer to the contract: every row was true at some time, no
// path comes twice, all that was there throughout comes, and all in order. Only
// where an answer says that matches changed while it was sorted may one of those
// come twice.
func (h *history) check(rows []found, sum *Summary, q *question, by query.Sort, reverse bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := make(map[string]bool)
	for i := range rows {
		f := &rows[i]
		p := f.path()
		if _, steady := h.steady[p]; seen[p] && (steady || sum.Changed == 0 || sum.Complete()) {
			return fmt.Errorf("%q comes twice", p)
		}
		seen[p] = true
		if !slices.ContainsFunc(h.ever[p], func(e listing.Entry) bool { return sameRow(f, &found{f.dir, 0, e, f.noMeta, 0}, false) }) {
			return fmt.Errorf("%q was never %+v but %+v", p, f.e, h.ever[p])
		}
		if i > 0 && compareRows(&rows[i-1], f, by, reverse) >= 0 {
			return fmt.Errorf("%q comes before %q", rows[i-1].path(), p)
		}
	}
	for p, f := range h.steady {
		if q.match(&f) && !q.excluded(&f) && !seen[p] {
			return fmt.Errorf("%q was there throughout and does not come", p)
		}
	}
	return nil
}

// steadyQuestion is one whose answer about an entry that does not change does
// not change, in all roots.
func (w *world) steadyQuestion() question {
	for {
		q := w.question()
		if len(q.req.In) == 0 && !slices.Contains(q.req.Filters, "type:e") {
			return q
		}
	}
}

// TestChangesBetweenPages changes the index at page boundaries.
func TestChangesBetweenPages(t *testing.T) {
	scale.SkipIfShort(t)
	r := newRand(t)
	for range 4 {
		w := newWorld(t, r)
		w.grow(10 + r.IntN(30))
		for range race.Fewer(8) {
			h := w.history()
			q := w.steadyQuestion()
			by, reverse := orders[r.IntN(len(orders))], r.IntN(3) == 0
			sink := &page{size: 1 + r.IntN(50), flush: func() {
				if r.IntN(6) == 0 && h.changes < 300 { // each may cost a look at everything
					w.mutate(h.was, h.is)
				}
				if r.IntN(30) == 0 {
					post(t, w.st)
				}
			}, slow: func() bool { return r.IntN(30) == 0 }}
			run := newRunner(w, &q)
			what := fmt.Sprintf("%+v order %q reverse %v options %+v tuning %+v", q.req, by, reverse, run.opt, run.tune)
			sum, err := run.Find(t.Context(), &Query{Plan: compile(t, q.req), Sort: by, Reverse: reverse}, sink)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if err := h.check(sink.rows, &sum, &q, by, reverse); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if sum.LastClock < sum.FirstClock {
				t.Fatalf("clocks: %+v", sum)
			}
			run.idle(t)
		}
	}
}

// TestBesideAWriter asks while another goroutine changes the index all the
// time. It is worth most under -race.
func TestBesideAWriter(t *testing.T) {
	scale.SkipIfShort(t)
	r := newRand(t)
	w := newWorld(t, r)
	w.grow(60)
	questions := make([]question, 40)
	for i := range questions {
		questions[i] = w.steadyQuestion()
	}
	h := w.history()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ctx.Err() == nil && h.changed() < 20_000; n++ {
			if n%50 == 0 {
				post(t, w.st)
			}
			w.mutate(h.was, h.is)
		}
		stop()
	})
	run := New(w.st, Options{Procs: 3, Buffer: 4 << 10, Round: time.Millisecond})
	tune := defaults()
	tune.splitDirs, tune.probe, tune.units = 0, 0, 20
	run.retune(tune)
	for i := range 3 {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		wg.Go(func() {
			for ctx.Err() == nil {
				q := &questions[r.IntN(len(questions))]
				by, reverse := orders[r.IntN(len(orders))], r.IntN(3) == 0
				sink := &page{size: 1 + r.IntN(100)}
				sum, err := run.Find(t.Context(), &Query{Plan: compile(t, q.req), Sort: by, Reverse: reverse}, sink)
				if err == nil {
					err = h.check(sink.rows, &sum, q, by, reverse)
				}
				if err != nil {
					t.Errorf("%+v order %q reverse %v: %v", q.req, by, reverse, err)
					return
				}
			}
		})
	}
	wg.Wait()
	run.idle(t)
}

func (h *history) changed() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changes
}
