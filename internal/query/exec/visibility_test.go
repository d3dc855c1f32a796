package exec

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"indexd/internal/access"
	"indexd/internal/query"
	"indexd/internal/testutil/scale"
	"indexd/listing"
	"indexd/store/record"
)

// viewer is a Viewer by one function for all goroutines, by which also may be
// listed what it shows the names of; no answer is given again.
type viewer func(dir string, key record.Key, o *record.Origin) access.Visibility

func (v viewer) Look(ahead Ahead) func(dir string, key record.Key, o *record.Origin) access.Visibility {
	return func(dir string, key record.Key, o *record.Origin) access.Visibility {
		// What is told ahead are other directories, in order.
		var told []string
		ahead(func(next string, _ *record.Origin) bool {
			told = append(told, strings.ReplaceAll(next, "/", "\x00"))
			return len(told) < 5
		})
		if !slices.IsSorted(told) || len(slices.Compact(slices.Clone(told))) < len(told) {
			panic(fmt.Sprintf("behind %q comes %q", dir, told))
		}
		return v(dir, key, o)
	}
}

func (v viewer) Lists(dir string) bool {
	s := v(dir, nil, nil)
	return s == access.Full || s == access.List
}

func (v viewer) Again(context.Context) ([]string, error) { return nil, nil }

// TestVisible shows that an answer holds what may be seen and nothing else, and
// that terms on what may not be seen match nothing, negated or not.
func TestVisible(t *testing.T) {
	scale.SkipIfShort(t)
	r := newRand(t)
	for range 3 {
		w := newWorld(t, r)
		w.grow(10 + r.IntN(60))
		own := make(map[string]access.Visibility)
		for d := range w.dirs {
			if r.IntN(5) == 0 {
				own[d] = access.Visibility(r.IntN(4))
			}
		}
		// What is said of a directory holds for what is below it.
		sightOf := func(dir string) access.Visibility {
			if w.away[w.mountOf(dir)] {
				return access.None // offline
			}
			s, ok := own[dir]
			if !ok {
				s = access.Full
			}
			for d, above := range own {
				if d != dir && under(dir, d) && (above == access.List || above == access.None) {
					s = access.None
				}
			}
			return s
		}
		var asked atomic.Int64
		visible := func(dir string, key record.Key, o *record.Origin) access.Visibility {
			if o == nil {
				return sightOf(dir)
			}
			asked.Add(1)
			if string(key) != string(w.key(dir)) || o.Doc == 0 {
				t.Errorf("asked for %q with key %v, origin %+v", dir, key, o)
			}
			return sightOf(dir)
		}
		for range 50 {
			q := w.question()
			if r.IntN(3) == 0 {
				q.req.Filters = append(q.req.Filters, "owner:1")
				was := q.match
				q.match = func(f *found) bool { return was(f) && !f.noMeta && f.e.UID == 1 }
			}
			var want []found
			for _, f := range w.all(q.req.In) {
				switch sightOf(f.dir) {
				case access.List:
					f.e = bare(f.e.Name, f.e.Type())
					f.noMeta = true
				case access.Traverse, access.None:
					continue
				}
				if s := sightOf(f.path()); f.e.Type() == listing.Dir && (s == access.Traverse || s == access.None) {
					f.empty = query.Unknown
				}
				if q.match(&f) && !q.excluded(&f) {
					want = append(want, f)
				}
			}
			w.finds(t, &q, want, func() Viewer { return viewer(visible) })
		}
		// In one round each directory is asked for once.
		asked.Store(0)
		q := &Query{Plan: compile(t, query.Request{}), Count: true, Viewer: viewer(visible)}
		if _, err := New(w.st, Options{Procs: -1}).Find(t.Context(), q, nil); err != nil {
			t.Fatal(err)
		}
		if n := asked.Load(); n > int64(len(w.dirs)+len(w.errs)) { // what could not be read once more
			t.Errorf("asked %d times for %d directories", n, len(w.dirs))
		}
	}
}

// finds asks q in some order, of who sees what a Viewer of see's shows, and compares
// with want, of any order: the rows, and how many they are said to be.
func (w *world) finds(t *testing.T, q *question, want []found, see func() Viewer) {
	t.Helper()
	by, reverse := orders[w.r.IntN(len(orders))], w.r.IntN(3) == 0
	inOrder(want, by, reverse)
	run := newRunner(w, q)
	what := fmt.Sprintf("%+v order %q reverse %v options %+v tuning %+v", q.req, by, reverse, run.opt, run.tune)
	sink := &page{size: w.r.IntN(5)}
	ask := &Query{Plan: compile(t, q.req), Sort: by, Reverse: reverse, Viewer: see()}
	if _, err := run.Find(t.Context(), ask, sink); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	compareAnswers(t, what, sink.rows, want, false)
	ask.Viewer, ask.Count = see(), true
	if sum, err := run.Find(t.Context(), ask, nil); err != nil || sum.Count != int64(len(want)) {
		t.Fatalf("%s: count %d, %v for %d rows", what, sum.Count, err, len(want))
	}
}

// later is a Viewer to which directories come into sight in time: which of those
// that it was asked for do is thrown when a round has ended.
type later struct {
	r    *rand.Rand
	mu   sync.Mutex
	seen map[string]bool // by directory; absent: it was not asked for yet
}

func (l *later) Look(Ahead) func(dir string, key record.Key, o *record.Origin) access.Visibility {
	return func(dir string, _ record.Key, _ *record.Origin) access.Visibility {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.seen[dir] {
			return access.Full
		}
		l.seen[strings.Clone(dir)] = false
		return access.Traverse
	}
}

func (l *later) Lists(string) bool { return true }

func (l *later) Again(context.Context) (dirs []string, err error) {
	for dir, seen := range l.seen {
		if !seen {
			dirs = append(dirs, dir)
			l.seen[dir] = l.r.IntN(3) > 0
		}
	}
	return dirs, nil
}

// TestAgain shows that an answer of which rounds are done again is the same as if
// they had been right at once: nothing twice, and nothing too few.
func TestAgain(t *testing.T) {
	r := newRand(t)
	for range 2 {
		w := newWorld(t, r)
		w.grow(10 + r.IntN(60))
		for range 12 {
			q := w.question()
			var want []found
			for _, f := range w.all(q.req.In) {
				if f.e.Type() == listing.Dir && w.away[w.mountOf(f.path())] {
					f.empty = query.Unknown
				}
				if !w.away[w.mountOf(f.dir)] && q.match(&f) && !q.excluded(&f) {
					want = append(want, f)
				}
			}
			w.finds(t, &q, want, func() Viewer { return &later{r: r, seen: make(map[string]bool)} })
		}
	}
}
