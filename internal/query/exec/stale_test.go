package exec

import (
	"maps"
	"path"
	"slices"
	"testing"
	"time"

	"indexd/internal/access"
	"indexd/internal/query"
	"indexd/ipc/wire"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// TestMissing shows what is said of In directories.
func TestMissing(t *testing.T) {
	w := newWorld(t, newRand(t))
	w.grow(20)
	find := func(in ...string) Summary {
		t.Helper()
		sum, err := New(w.st, Options{}).Find(t.Context(), &Query{Plan: compile(t, query.Request{In: in}), Count: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	if sum := find("/no such directory"); !slices.Equal(sum.Missing, []string{"/no such directory"}) {
		t.Errorf("missing: %q", sum.Missing)
	}
	if sum := find("/"); len(sum.Missing) > 0 {
		t.Errorf("above the roots: missing: %q", sum.Missing)
	}
	if sum := find(w.roots[0]); len(sum.Missing) > 0 {
		t.Errorf("a root: missing: %q", sum.Missing)
	}
}

// TestStale shows that what is pending, offline or unreadable is told, and that
// what may not be read is not.
func TestStale(t *testing.T) {
	w := newWorld(t, newRand(t))
	w.dirs["/"] = map[string]listing.Entry{}
	a := w.addDir("/")
	b, c, d := w.addDir(a), w.addDir(a), w.addDir(a)
	stale := func(visible bool) map[wire.Stale]bool {
		t.Helper()
		q := &Query{Plan: compile(t, query.Request{}), Count: true}
		if visible {
			q.Viewer = viewer(func(string, record.Key, *record.Origin) access.Visibility { return access.Full })
		}
		sum, err := New(w.st, Options{}).Find(t.Context(), q, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := make(map[wire.Stale]bool)
		for _, s := range sum.Stale {
			m[s] = true
		}
		return m
	}
	check := func(visible bool, want ...wire.Stale) {
		t.Helper()
		m := make(map[wire.Stale]bool)
		for _, s := range want {
			m[s] = true
		}
		if got := stale(visible); !maps.Equal(got, m) {
			t.Errorf("stale: %v, want %v", got, want)
		}
	}
	fail := func(errno uint16) {
		w.update(func(tx *store.Tx) {
			w.stamp++
			if _, err := tx.SetError(w.key(b), w.stamp, errno, time.Now()); err != nil {
				t.Fatal(err)
			}
		})
	}
	w.update(func(tx *store.Tx) {
		w.mount(tx, "/", false)
		w.root(tx, a)
		if err := tx.PutPending(w.key(a), store.Pending{Subtree: true}); err != nil {
			t.Fatal(err)
		}
	})
	check(false, wire.Stale{Path: a, Reason: wire.StaleNotListed})
	w.update(func(tx *store.Tx) {
		w.mount(tx, d, true)
		for _, dir := range []string{a, b, d} {
			w.apply(tx, dir)
		}
	})
	check(false, wire.Stale{Path: c, Reason: wire.StaleNotListed}, wire.Stale{Path: d, Reason: wire.StaleOffline})
	check(true, wire.Stale{Path: a, Reason: wire.StaleNotListed}) // what is offline is not there for all
	fail(13)
	check(false, wire.Stale{Path: c, Reason: wire.StaleNotListed}, wire.Stale{Path: d, Reason: wire.StaleOffline})
	fail(5)
	w.update(func(tx *store.Tx) {
		w.mount(tx, d, false)
		if err := tx.PutPending(w.key(a), store.Pending{}); err != nil {
			t.Fatal(err)
		}
		w.apply(tx, d)
		w.apply(tx, c)
	})
	check(false, wire.Stale{Path: b, Reason: "input/output error"}, wire.Stale{Path: a, Reason: wire.StalePending})
}

// TestFailed shows that a directory that could not be read is reported wherever
// matches are searched for, and not where the answer cannot concern it.
func TestFailed(t *testing.T) {
	w := newWorld(t, newRand(t))
	w.grow(20)
	dir := w.addDir(w.addDir(w.roots[0]))
	w.update(func(tx *store.Tx) {
		w.apply(tx, w.roots[0])
		w.apply(tx, path.Dir(dir))
		w.stamp++
		if _, err := tx.SetError(w.key(dir), w.stamp, 5, time.Now()); err != nil {
			t.Fatal(err)
		}
	})
	post(t, w.st)
	for _, c := range []struct {
		req   query.Request
		sight access.Visibility
		told  bool
	}{
		{query.Request{}, access.Full, true},
		{query.Request{Terms: []string{"nothing is called so"}}, access.Full, true},
		{query.Request{Terms: []string{"nothing is called so"}, FullPath: true}, access.Full, true},
		{query.Request{Terms: []string{"size:>1T"}}, access.Full, true},
		{query.Request{In: []string{path.Dir(dir)}}, access.Full, true},
		{query.Request{In: []string{dir}}, access.Full, true},
		{query.Request{In: []string{w.roots[1]}}, access.Full, false},
		{query.Request{MaxDepth: 2}, access.Full, false},
		{query.Request{Exclude: []string{dir}}, access.Full, false},
		{query.Request{Exclude: []string{path.Dir(dir)}}, access.Full, false},
		{query.Request{}, access.List, true},
		{query.Request{}, access.Traverse, false},
		{query.Request{}, access.None, false},
	} {
		for _, by := range []query.Sort{query.SortDefault, query.SortPath, query.SortSize} {
			q := &Query{Plan: compile(t, c.req), Sort: by, Limit: 1}
			if c.sight != access.Full {
				q.Viewer = viewer(func(at string, _ record.Key, _ *record.Origin) access.Visibility {
					if at == dir {
						return c.sight
					}
					return access.Full
				})
			}
			sum, err := New(w.st, Options{}).Find(t.Context(), q, &page{})
			if err != nil {
				t.Fatal(err)
			}
			told := slices.Contains(sum.Stale, wire.Stale{Path: dir, Reason: "input/output error"})
			if told != c.told && len(sum.Stale) < maxStale {
				t.Errorf("%+v sight %d order %q: %q is told of: %v; %v", c.req, c.sight, by, dir, told, sum.Stale)
			}
		}
	}
}
