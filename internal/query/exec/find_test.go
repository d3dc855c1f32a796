package exec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/internal/query/plan"
	"indexd/internal/testutil/race"
	"indexd/internal/testutil/scale"
	"indexd/listing"
)

// page is a Sink that keeps the rows, and is full after so many.
type page struct {
	size   int // rows; 0: never full
	n      int
	rows   []found
	flush  func()
	slow   func() bool // after flush; nil: never
	broken error

	owed bool // Drain
}

func (p *page) Row(dir []byte, e *listing.Entry, noMeta bool) error {
	f := found{dir: string(dir), e: *e, noMeta: noMeta}
	f.e.Name = strings.Clone(e.Name)
	if p.owed {
		panic("a row before Drain")
	}
	p.rows = append(p.rows, f)
	p.n++
	return p.broken
}

func (p *page) Full() bool { return p.size > 0 && p.n >= p.size }

func (p *page) Flush(context.Context) (bool, error) {
	p.n = 0
	if p.flush != nil {
		p.flush()
	}
	p.owed = p.slow != nil && p.slow()
	return p.owed, nil
}

func (p *page) Drain(context.Context) error {
	p.owed = false
	return nil
}

func compile(tb testing.TB, r query.Request) *plan.Plan {
	tb.Helper()
	if err := r.Resolve(&query.Env{}); err != nil {
		tb.Fatal(err)
	}
	p, err := plan.Compile(&r)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// question is a random request and what is to be thought of it.
type question struct {
	req   query.Request
	match func(f *found) bool
	text  string // a match has it in the name, or with FullPath in the path; "" if nothing is needed
}

func (q *question) and(filter string, match func(f *found) bool) {
	q.req.Filters = append(q.req.Filters, filter)
	was := q.match
	q.match = func(f *found) bool { return was(f) && match(f) }
}

func (w *world) question() question {
	r := w.r
	q := question{match: func(*found) bool { return true }}
	if r.IntN(3) > 0 {
		text := []string{"a", "foo", "Foo", "B", ".go", "\xff", "\n", "big", "bigc1", "zzz"}[r.IntN(10)]
		q.req.Terms, q.req.Mode, q.req.Case = []string{text}, query.ModeFixed, query.CaseSensitive
		q.text = text
		q.match = func(f *found) bool { return strings.Contains(f.e.Name, text) }
		if r.IntN(3) == 0 {
			q.req.FullPath = true
			q.match = func(f *found) bool { return strings.Contains(f.path(), text) }
		}
	}
	for range r.IntN(3) {
		switch r.IntN(7) {
		case 0:
			q.and("size:>4096", func(f *found) bool { return !f.noMeta && f.e.Size > 4096 })
		case 1:
			q.and("size:0..5", func(f *found) bool { return !f.noMeta && f.e.Size <= 5 })
		case 2:
			q.and("type:d", func(f *found) bool { return f.e.Type() == listing.Dir })
		case 3:
			q.and("type:f,l", func(f *found) bool { return f.e.Type() != listing.Dir })
		case 4:
			q.and("mtime:>2001-09-10", func(f *found) bool { return !f.noMeta && f.e.Mtime.Sec > 1_000_080_000 })
		case 5:
			q.and("ext:txt", func(f *found) bool {
				return strings.HasSuffix(f.e.Name, ".TXT") && f.e.Name != ".TXT"
			})
		case 6:
			q.and("type:e", func(f *found) bool {
				if f.e.Type() == listing.Dir {
					return f.empty == query.True
				}
				return f.e.Type() == listing.Regular && !f.noMeta && f.e.Size == 0
			})
		}
	}
	if r.IntN(3) == 0 {
		dirs := slices.Sorted(maps.Keys(w.dirs))
		for range 1 + r.IntN(3) {
			q.req.In = append(q.req.In, dirs[r.IntN(len(dirs))])
		}
		q.req.In = outermost(q.req.In)
	}
	if r.IntN(4) == 0 {
		lo, hi := r.IntN(4), r.IntN(5)
		q.req.MinDepth, q.req.MaxDepth = lo, hi
		was := q.match
		q.match = func(f *found) bool { return was(f) && f.depth >= lo && (hi == 0 || f.depth <= hi) }
	}
	if r.IntN(4) == 0 {
		q.req.Exclude = []string{"a*"}
	}
	return q
}

// outermost leaves out what is below another of the list.
func outermost(list []string) []string {
	slices.SortFunc(list, comparePaths)
	var kept []string
	for _, d := range list {
		if n := len(kept); n == 0 || !under(d, kept[n-1]) {
			kept = append(kept, d)
		}
	}
	return kept
}

// answer is what is right.
func (w *world) answer(q *question, by query.Sort, reverse bool) []found {
	var list []found
	for _, f := range w.all(q.req.In) {
		if !q.match(&f) || q.excluded(&f) {
			continue
		}
		list = append(list, f)
	}
	inOrder(list, by, reverse)
	return list
}

// excluded looks at the components below the root or In directory, which is
// looked into whatever it is called.
func (q *question) excluded(f *found) bool {
	if len(q.req.Exclude) == 0 {
		return false
	}
	parts := strings.Split(f.path(), "/")
	return slices.ContainsFunc(parts[len(parts)-f.depth:], func(c string) bool { return c[0] == 'a' })
}

func describe(list []found) string {
	var b strings.Builder
	for i, f := range list {
		if i == 50 {
			fmt.Fprintf(&b, "… %d in all\n", len(list))
			break
		}
		fmt.Fprintf(&b, "%q %d %v\n", f.path(), f.e.Size, f.e.Mtime)
	}
	return b.String()
}

func sameRow(a, b *found, namesOnly bool) bool {
	if a.dir != b.dir || a.e.Name != b.e.Name {
		return false
	}
	if namesOnly {
		return true
	}
	x, y := a.e, b.e
	x.Btime, y.Btime, x.Ctime, y.Ctime = listing.Time{}, listing.Time{}, listing.Time{}, listing.Time{}
	return x == y && a.noMeta == b.noMeta
}

func compareAnswers(t *testing.T, what string, got, want []found, namesOnly bool) {
	t.Helper()
	same := slices.EqualFunc(got, want, func(a, b found) bool { return sameRow(&a, &b, namesOnly) })
	if !same {
		i := 0
		for i < len(got) && i < len(want) && sameRow(&got[i], &want[i], namesOnly) {
			i++
		}
		t.Fatalf("%s: differs from row %d on\ngot %d rows:\n%s\nwant %d:\n%s", what, i,
			len(got), describe(got[i:]), len(want), describe(want[i:]))
	}
}

// orders are all there are.
var orders = func() (all []query.Sort) {
	for _, k := range query.SortKeys() {
		all = append(all, k.Name)
	}
	return all
}()

// options gives every way of cutting an answer into rounds and pages.
func options(r *rand.Rand) (Options, tuning) {
	o := Options{Procs: r.IntN(4) - 1, Buffer: 1 + r.IntN(2)*r.IntN(3000), SortMemory: 1 + r.Int64N(2)*(1<<20)}
	t := defaults()
	t.splitDirs = 0
	if r.IntN(2) == 0 {
		t.probe = 0
	}
	if r.IntN(2) == 0 {
		// Every look at the clock ends the round.
		o.Round = time.Nanosecond
		t.units = 1 + r.IntN(2)*r.IntN(300)
	}
	t.few = []func(uint64) uint64{none, all, func(all uint64) uint64 { return all / 3 }}[r.IntN(3)]
	t.fewest = []uint64{0, 1 << 60}[r.IntN(2)]
	t.many = []func(uint64) uint64{none, all, manyOf}[r.IntN(3)]
	if r.IntN(2) == 0 {
		t.blockSize, t.blockRows = maxRow+r.IntN(2000), 1+r.IntN(50)
	}
	return o, t
}

func none(uint64) uint64    { return 0 }
func all(all uint64) uint64 { return all }

// newRunner returns one that is cut up at random and looks for candidates of q in
// a way of its own.
func newRunner(w *world, q *question) *Runner {
	o, tune := options(w.r)
	r := New(w.st, o)
	r.retune(tune)
	r.lookup = w.lookup(q)
	return r
}

// TestEqualsBruteForce asks random questions of random trees and compares with
// what a look at everything finds, in every order, however it is paged.
func TestEqualsBruteForce(t *testing.T) {
	r := newRand(t)
	forms := make(map[string]int)
	every := func() bool { return len(forms) >= 5 || race.On || testing.Short() } // one of them is rare
	for worlds := 0; worlds < 5 || worlds < 100 && !every(); worlds++ {
		w := newWorld(t, r)
		w.grow(10 + r.IntN(60))
		if r.IntN(2) == 0 {
			post(t, w.st) // else all docs are fresh
			for range r.IntN(10) {
				w.mutate(func(string) {}, func(string, listing.Entry) {})
			}
		}
		for range race.Fewer(scale.Size(t, "", 50, 50)) {
			q := w.question()
			by, reverse := orders[r.IntN(len(orders))], r.IntN(3) == 0
			want := w.answer(&q, by, reverse)
			query := &Query{Plan: compile(t, q.req), Sort: by, Reverse: reverse, NamesOnly: r.IntN(2) == 0}
			if r.IntN(3) == 0 {
				query.Limit = 1 + r.IntN(40)
				want = want[:min(len(want), query.Limit)]
			}
			run := newRunner(w, &q)
			what := fmt.Sprintf("%+v order %q reverse %v limit %d options %+v tuning %+v", q.req, by, reverse, query.Limit, run.opt, run.tune)
			sink := &page{size: r.IntN(5)}
			if r.IntN(2) == 0 {
				sink.slow = func() bool { return r.IntN(30) == 0 }
			}
			sum, err := run.Find(t.Context(), query, sink)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			compareAnswers(t, what, sink.rows, want, query.NamesOnly)
			if sum.Rows != int64(len(want)) || sum.Count != sum.Rows {
				t.Fatalf("%s: %+v for %d rows", what, sum, len(want))
			}
			query.Count = true
			sum, err = run.Find(t.Context(), query, nil)
			if err != nil || sum.Count != int64(len(want)) || sum.Rows != 0 {
				t.Fatalf("%s: count: %+v, %v for %d rows", what, sum, err, len(want))
			}
			forms[run.form(t, query)]++
			run.idle(t)
		}
	}
	t.Logf("forms of candidates: %v", forms)
	if !every() {
		t.Error("some form was never tried")
	}
}

// idle fails where an answer left something behind.
func (r *Runner) idle(t *testing.T) {
	t.Helper()
	if n := r.procs.Load(); n != int64(r.opt.Procs) {
		t.Fatalf("%d of %d helpers are back", n, r.opt.Procs)
	}
	if r.memory.used != 0 || r.memory.out != 0 {
		t.Fatalf("%d bytes, %d blocks of sort memory are in use", r.memory.used, r.memory.out)
	}
}

// TestSinkErrorEndsTheAnswer shows that what the sink says comes back as it is.
func TestSinkErrorEndsTheAnswer(t *testing.T) {
	w := newWorld(t, newRand(t))
	w.grow(30)
	broken := errors.New("gone")
	for _, by := range orders {
		sink := &page{broken: broken}
		_, err := New(w.st, Options{}).Find(t.Context(), &Query{Plan: compile(t, query.Request{}), Sort: by}, sink)
		if err != broken || len(sink.rows) != 1 {
			t.Errorf("order %q: %v after %d rows", by, err, len(sink.rows))
		}
	}
}
