package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"indexd/store"
	"indexd/store/dbfile"
	"indexd/store/record"
)

// TestCursorGoesInPathOrder, chunks before children, and seeks both ways.
func TestCursorGoesInPathOrder(t *testing.T) {
	w := newWorld(t, "a/x", "a.b/y", "a-b", "a/x.y", "z")
	for i := range 1500 {
		w.make(fmt.Sprintf("big/%05d*", i))
	}
	w.make("big/00700d/below")
	load(t, w.s, w.v, w.fakeFS)
	view(t, w.s, func(sn *store.Snap) {
		var got []string
		chunks := 0
		c := sn.Cursor(w.key(""), nil)
		for c.Next() {
			if _, ok := c.Chunk(); ok {
				chunks++
				if c.Dir().Rel() != "big" {
					t.Errorf("a chunk of %s", c.Dir())
				}
				continue
			}
			got = append(got, c.Dir().Rel())
		}
		want := []string{"", "a", "a/x", "a/x.y", "a-b", "a.b", "a.b/y", "big", "big/00700d", "big/00700d/below", "z"}
		if !slices.Equal(got, want) || chunks != 6 {
			t.Errorf("%q and %d chunks, want %q", got, chunks, want)
		}
		for range 2 {
			c.Seek(w.key("a-b"))
			if !c.Next() || c.Dir().Rel() != "a-b" {
				t.Errorf("sought a-b, found %s", c.Dir())
			}
		}
		c = sn.Cursor(w.key("a"), w.key("a").SubtreeEnd())
		n := 0
		for c.Next() {
			n++
		}
		if n != 3 {
			t.Errorf("%d records in the subtree", n)
		}
		// Wherever one was in a directory, SeekAfter leads to where it goes on.
		for _, last := range []string{"", "0", "00000", "00254", "00255", "00256", "00700d", "01499", "02", "~"} {
			c := sn.Cursor(w.key("big"), w.key("big").ChunksEnd())
			c.SeekAfter(w.key("big"), last)
			var rest []string
			for c.Next() {
				if err := c.Record().Load(); err != nil {
					t.Fatal(err)
				}
				for _, e := range c.Record().All() {
					if e.Name > last {
						rest = append(rest, strings.Clone(e.Name))
					}
				}
			}
			var want []string
			for name := range w.at("big").kids {
				if name > last {
					want = append(want, name)
				}
			}
			slices.Sort(want)
			if !slices.Equal(rest, want) {
				t.Errorf("after %q come %d, want %d", last, len(rest), len(want))
			}
		}
		if _, ok, err := sn.Record(w.key("nowhere")); ok || err != nil {
			t.Error(ok, err)
		}
	})
}

// TestCursorPassesTheDead, from wherever it comes.
func TestCursorPassesTheDead(t *testing.T) {
	for _, seed := range seeds(t, 20) {
		r := rand.New(rand.NewPCG(seed, 0))
		t.Logf("STORE_SEED=%d", seed)
		w := newWorld(t, "z")
		for i := range 300 {
			w.make(fmt.Sprintf("%c/%c/%c/%d", 'a'+r.IntN(3), 'a'+r.IntN(3), 'a'+r.IntN(3), i%4))
		}
		load(t, w.s, w.v, w.fakeFS)
		for range 12 {
			rel, d := w.anyDir(r)
			for name := range d.kids {
				w.remove(d, name)
				break
			}
			w.look(rel)()
		}
		all := w.dirs()
		slices.SortFunc(all, func(a, b string) int { return w.key(a).Compare(w.key(b)) })
		view(t, w.s, func(sn *store.Snap) {
			for range 100 {
				lo, hi := w.key(all[r.IntN(len(all))]), w.key(all[r.IntN(len(all))])
				if r.IntN(2) == 0 {
					lo = append(lo[:len(lo):len(lo)], byte(r.IntN(2)), byte('a'+r.IntN(3)))
				}
				var got, want []string
				c := sn.Cursor(lo, hi)
				for c.Next() {
					got = append(got, c.Dir().Rel())
				}
				for _, rel := range all {
					if k := w.key(rel); k.Compare(lo) >= 0 && k.Compare(hi) < 0 {
						want = append(want, rel)
					}
				}
				if c.Err() != nil || !slices.Equal(got, want) {
					t.Fatalf("from %s to %s: %q, want %q; %v", lo, hi, got, want, c.Err())
				}
			}
		})
	}
}

// TestManyCursorsOneSnapshot pins what bbolt does not promise: goroutines that
// share a read transaction, each with a cursor, beside a writer. For -race.
func TestManyCursorsOneSnapshot(t *testing.T) {
	w := newWorld(t, "z")
	for i := range 2000 {
		w.make(fmt.Sprintf("%02d/%02d/f%d*", i%40, i%37, i))
	}
	load(t, w.s, w.v, w.fakeFS)
	w.remove(w.root, "07") // so that there is something dead
	w.look("")()
	want := 0
	for _, rel := range w.dirs() {
		want += len(w.at(rel).kids)
	}
	stop, wrote := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(wrote)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			w.make(fmt.Sprintf("z/%d/%d", i%100, i))
			w.look("z")()
			w.look(fmt.Sprintf("z/%d", i%100))()
		}
	}()
	for range 5 {
		view(t, w.s, func(sn *store.Snap) {
			bounds := append([]record.Key{w.key("")}, sn.Splits(w.key(""), nil, 4)...)
			bounds = append(bounds, nil)
			if len(bounds) != 5 {
				t.Errorf("%d splits", len(bounds)-2)
			}
			var wg sync.WaitGroup
			counts := make([]int, len(bounds)-1)
			for i := range counts {
				wg.Go(func() {
					err := dbfile.CatchCorruption(func() error {
						c := sn.Cursor(bounds[i], bounds[i+1])
						for c.Next() {
							if c.Dir().Within(w.key("z")) {
								continue
							}
							if err := c.Record().Load(); err != nil {
								return err
							}
							counts[i] += c.Record().Len()
							if _, ok, err := sn.Record(c.Dir()); !ok || err != nil {
								t.Error(ok, err)
							}
							if sn.PathOf(c.Dir()) == "" {
								t.Error("no path")
							}
							if k, ok := sn.Locate("/07/x"); !ok || k.Rel() != "07/x" {
								t.Error(k, ok)
							}
						}
						return c.Err()
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			got := 0
			for _, n := range counts {
				got += n
			}
			if got != want {
				t.Errorf("%d entries, want %d: %v", got, want, counts)
			}
		})
	}
	close(stop)
	<-wrote
}

// TestSplits: the ranges cover all, and are about equal.
func TestSplits(t *testing.T) {
	w := newWorld(t, "z")
	for i := range 6000 {
		w.make(fmt.Sprintf("%02d/%02d/%d*", i%40, i%97, i))
	}
	load(t, w.s, w.v, w.fakeFS)
	view(t, w.s, func(sn *store.Snap) {
		for _, c := range []struct {
			lo, hi record.Key
		}{{w.key(""), nil}, {w.key("10"), w.key("30")}, {w.key("05"), w.key("05").SubtreeEnd()}} {
			for _, n := range []int{1, 2, 3, 8} {
				cuts := sn.Splits(c.lo, c.hi, n)
				all := append(append([]record.Key{c.lo}, cuts...), c.hi)
				var sizes []int
				total := 0
				for i := range all[1:] {
					if i > 0 && all[i].Compare(all[i-1]) <= 0 || i > 0 && c.hi != nil && all[i].Compare(c.hi) >= 0 {
						t.Errorf("%v out of order", cuts)
					}
					size := 0
					for cur := sn.Cursor(all[i], all[i+1]); cur.Next(); size++ {
					}
					sizes = append(sizes, size)
					total += size
				}
				if len(cuts) > n-1 || total > 500 && len(cuts) < n-1 {
					t.Errorf("%d cuts for %d ranges of %d records", len(cuts), n, total)
				}
				if total > 500 && slices.Max(sizes) > 2*total/n+10 {
					t.Errorf("%d ranges of %v records", n, sizes)
				}
			}
		}
	})
}

// TestDocs: each record's doc id leads back to it, and none leads elsewhere.
func TestDocs(t *testing.T) {
	w := newWorld(t, "z")
	for i := range 3000 {
		w.make(fmt.Sprintf("%02d/%02d/big/%d*", i%3, i%2, i))
	}
	load(t, w.s, w.v, w.fakeFS)
	w.remove(w.root, "01")
	w.drainAt("")
	view(t, w.s, func(sn *store.Snap) {
		seen := make(map[uint64]bool)
		for c := sn.Cursor(nil, nil); c.Next(); {
			id := c.Record().Header().Doc
			dir, first, ok, err := sn.Doc(id)
			want, chunk := c.Chunk()
			if err != nil || !ok || !dir.Equal(c.Dir()) || chunk && first != want || !chunk && first != "" || seen[id] {
				t.Errorf("doc %d of %s %q leads to %s %q, %v, %v", id, c.Dir(), want, dir, first, ok, err)
			}
			seen[id] = true
		}
		st := must(sn.Stats())(t)
		for id := range st.NextDoc + 100 {
			if _, _, ok, err := sn.Doc(id); err != nil || ok && !seen[id] {
				t.Errorf("doc %d leads somewhere: %v, %v", id, ok, err)
			}
		}
		if uint64(len(seen)) != st.Docs {
			t.Errorf("%d records, %d docs", len(seen), st.Docs)
		}
	})
}

func (w *world) drainAt(rel string) {
	w.look(rel)()
	w.drain()
}
