package exec

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"indexd/internal/query"
	"indexd/internal/testutil/race"
)

// TestPages shows that the pages of an answer are together what brute force finds, in every order,
// whatever the size of each, and that an answer that is whole has no next page.
func TestPages(t *testing.T) {
	w := newWorld(t, newRand(t))
	w.grow(race.Fewer(40))
	post(t, w.st)
	questions := make([]question, 30)
	for i := range questions {
		questions[i] = w.question()
	}
	rapid.Check(t, func(rt *rapid.T) {
		w.r = rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		q := &questions[rapid.IntRange(0, len(questions)-1).Draw(rt, "question")]
		ask := &Query{
			Plan: compile(t, q.req),
			Sort: rapid.SampledFrom(orders).Draw(rt, "order"), Reverse: rapid.Bool().Draw(rt, "reverse"),
		}
		want := w.answer(q, ask.Sort, ask.Reverse)
		limits := rapid.SliceOfN(rapid.IntRange(1, 1+len(want)), 1, 10).Draw(rt, "limits")
		smallest := max(1, len(want)/20) // so that there are not too many pages
		sink := &page{}
		for n := 0; ; n++ {
			ask.Limit = max(limits[n%len(limits)], smallest)
			before := len(sink.rows)
			sum, err := newRunner(w, q).Find(t.Context(), ask, sink)
			if err != nil {
				rt.Fatal(err)
			}
			if got := len(sink.rows) - before; int64(got) != sum.Rows || got > ask.Limit || got < ask.Limit && sum.Next != "" {
				rt.Fatalf("page %d: %d rows for %+v", n, got, sum)
			}
			if ask.After = sum.Next; ask.After == "" {
				break
			}
		}
		compareAnswers(t, fmt.Sprintf("%+v order %q reverse %v limits %v", q.req, ask.Sort, ask.Reverse, limits), sink.rows, want, false)
	})
}

// TestLastPage shows that the last page of a small index is known to be the last.
func TestLastPage(t *testing.T) {
	w := newWorld(t, newRand(t))
	w.grow(5)
	n := len(w.all(nil))
	for _, by := range orders {
		for _, limit := range []int{n - 1, n, n + 1} {
			run := New(w.st, Options{})
			run.tune.probe = time.Minute // it is as small as that on an idle machine
			sum, err := run.Find(t.Context(), &Query{Plan: compile(t, query.Request{}), Sort: by, Limit: limit}, &page{})
			if err != nil || (sum.Next != "") != (limit < n) {
				t.Errorf("order %q, %d of %d rows: next %q, %v", by, limit, n, sum.Next, err)
			}
		}
	}
}

// TestTokensThatDoNotFit shows that a token that is damaged or of another query or database is an
// error that says so, whatever its bytes are.
func TestTokensThatDoNotFit(t *testing.T) {
	w := newWorld(t, newRand(t))
	w.grow(10)
	other := newWorld(t, newRand(t))
	other.grow(10)
	plan := compile(t, query.Request{})
	ask := func(w *world, q Query) (Summary, error) {
		q.Plan, q.Limit = plan, 3
		return New(w.st, Options{}).Find(t.Context(), &q, &page{})
	}
	sum, err := ask(w, Query{Sort: query.SortSize})
	if err != nil || sum.Next == "" {
		t.Fatal(sum, err)
	}
	token := sum.Next
	for _, c := range []struct {
		w    *world
		q    Query
		says string
	}{
		{w, Query{Sort: query.SortName, After: token}, "order size"},
		{w, Query{Sort: query.SortSize, Reverse: true, After: token}, "order size"},
		{w, Query{Sort: query.SortSize, Count: true, After: token}, "count"},
		{other, Query{Sort: query.SortSize, After: token}, "another database"},
		{w, Query{Sort: query.SortSize, After: token[1:]}, "damaged"},
		{w, Query{Sort: query.SortSize, After: token[:len(token)-2]}, "damaged"},
		{w, Query{Sort: query.SortSize, After: "no token"}, "damaged"},
	} {
		sum, err := ask(c.w, c.q)
		if !errors.Is(err, ErrToken) || !strings.Contains(err.Error(), c.says) || sum.Rows > 0 {
			t.Errorf("%q of %d bytes: %+v, %v; want one that says %q", c.q.Sort, len(c.q.After), sum, err, c.says)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		bad := append([]byte(nil), raw...)
		bad[i] ^= 1 << (i % 8)
		if _, err := ask(w, Query{Sort: query.SortSize, After: base64.RawURLEncoding.EncodeToString(bad)}); !errors.Is(err, ErrToken) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}
