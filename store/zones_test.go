package store_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"

	"indexd/internal/testutil/synth"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// sized is an entry as far as zones know it.
type sized struct {
	doc         uint32
	size, mtime int64
	nsec        uint32
}

// entriesOf reads all living entries.
func entriesOf(t *testing.T, sn *store.Snap) (all []sized) {
	t.Helper()
	c := sn.Cursor(nil, nil)
	for c.Next() {
		rec := c.Record()
		if err := rec.Load(); err != nil {
			t.Fatal(err)
		}
		for _, e := range rec.All() {
			all = append(all, sized{uint32(rec.Header().Doc), e.Size, e.Mtime.Sec, e.Mtime.Nsec})
		}
	}
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	return all
}

// changing calls fn with trees in several stages of change.
func changing(t *testing.T, fn func(r *rand.Rand, sn *store.Snap)) {
	for _, seed := range seeds(t, 3) {
		t.Logf("STORE_SEED=%d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		s := openStore(t)
		v := must(synth.NewVolume(s, "/"))(t)
		for round := range 4 {
			tree := synth.Tree{Seed: seed, Entries: 8000, Round: round}
			must(tree.Load(s, v, synth.Options{Commit: 200_000}))(t)
			view(t, s, func(sn *store.Snap) { fn(r, sn) })
		}
		check(t, s)
	}
}

// TestZonesHaveAll: every record with an entry that a bound lets through is
// found, and not many more.
func TestZonesHaveAll(t *testing.T) {
	changing(t, func(r *rand.Rand, sn *store.Snap) {
		all := entriesOf(t, sn)
		for range 40 {
			pick := all[r.IntN(len(all))]
			for what, c := range map[string]struct {
				entry func(sized) bool
				zone  func(*record.Zone) bool
				near  func(sized) bool // as far as a bound may be off
			}{
				"larger": {
					func(e sized) bool { return e.size >= pick.size },
					func(z *record.Zone) bool { return z.MaxSize >= pick.size },
					func(e sized) bool { return e.size*5/4+1 >= pick.size },
				},
				"smaller": {
					func(e sized) bool { return e.size <= pick.size },
					func(z *record.Zone) bool { return z.MinSize <= pick.size },
					func(e sized) bool { return e.size*4/5-1 <= pick.size },
				},
				"newer": {
					func(e sized) bool { return e.mtime >= pick.mtime },
					func(z *record.Zone) bool { return z.Newest.Sec >= pick.mtime },
					func(e sized) bool { return e.mtime+257 >= pick.mtime },
				},
				"older": {
					func(e sized) bool { return e.mtime <= pick.mtime },
					func(z *record.Zone) bool { return z.Oldest.Sec <= pick.mtime },
					func(e sized) bool { return e.mtime-86400 <= pick.mtime },
				},
			} {
				got := sn.Zones(c.zone)
				near := make(map[uint32]bool)
				for _, e := range all {
					if c.entry(e) && !got.Contains(e.doc) {
						t.Fatalf("%s than %+v: doc %d is missing with %+v", what, pick, e.doc, e)
					}
					if c.near(e) {
						near[e.doc] = true
					}
				}
				for _, doc := range got.ToArray() {
					if !near[doc] {
						t.Fatalf("%s than %+v: doc %d has nothing like it", what, pick, doc)
					}
				}
			}
		}
		n := 0
		dirs := sn.Zones(func(z *record.Zone) bool { return z.Dirs > 0 })
		c := sn.Cursor(nil, nil)
		for c.Next() {
			if h := c.Record().Header(); !h.Chunked && h.Agg.Dirs > 0 {
				n++
				if !dirs.Contains(uint32(h.Doc)) {
					t.Errorf("doc %d has directories", h.Doc)
				}
			}
		}
		if got := dirs.GetCardinality(); got != uint64(n) {
			t.Errorf("%d records with directories, want %d", got, n)
		}
	})
}

// TestRankFindsTheFirst: reading what Rank gives out until nothing left can be
// better finds the same as sorting all.
func TestRankFindsTheFirst(t *testing.T) {
	orders := map[store.ZoneOrder]struct {
		cmp    func(a, b sized) int
		beaten func(e sized, bound int64) bool // nothing left comes before e
	}{
		store.LargestFirst:  {func(a, b sized) int { return cmp.Compare(b.size, a.size) }, func(e sized, b int64) bool { return e.size > b }},
		store.SmallestFirst: {func(a, b sized) int { return cmp.Compare(a.size, b.size) }, func(e sized, b int64) bool { return e.size < b }},
		store.NewestFirst: {func(a, b sized) int { return cmp.Or(cmp.Compare(b.mtime, a.mtime), cmp.Compare(b.nsec, a.nsec)) },
			func(e sized, b int64) bool { return e.mtime >= b }},
		store.OldestFirst: {func(a, b sized) int { return cmp.Or(cmp.Compare(a.mtime, b.mtime), cmp.Compare(a.nsec, b.nsec)) },
			func(e sized, b int64) bool { return e.mtime < b }},
	}
	changing(t, func(r *rand.Rand, sn *store.Snap) {
		all := entriesOf(t, sn)
		byDoc := make(map[uint32][]sized)
		for _, e := range all {
			byDoc[e.doc] = append(byDoc[e.doc], e)
		}
		for by, o := range orders {
			k := 1 + r.IntN(50)
			slices.SortStableFunc(all, o.cmp)
			rank := sn.Rank(by, nil)
			var got []sized
			for n := 1 + r.IntN(20); !rank.Done(); n *= 2 {
				docs := rank.Next(n)
				for _, doc := range docs.ToArray() {
					got = append(got, byDoc[doc]...)
				}
				slices.SortStableFunc(got, o.cmp)
				if len(got) >= k && o.beaten(got[k-1], rank.Bound()) {
					break
				}
			}
			for i := range min(k, len(all)) {
				if o.cmp(got[i], all[i]) != 0 {
					t.Fatalf("order %d: number %d is %+v, want %+v", by, i, got[i], all[i])
				}
			}
		}
		everything := sn.Rank(store.OldestFirst, func(z *record.Zone) bool { return z.MaxSize > 100_000 })
		if got, want := everything.Next(1<<30), sn.Zones(func(z *record.Zone) bool { return z.MaxSize > 100_000 }); !got.Equals(want) || !everything.Done() {
			t.Errorf("%d ranked, want %d", got.GetCardinality(), want.GetCardinality())
		}
	})
}

// TestRankReadsFew: the bounds are tight enough to find the largest in a few
// records.
func TestRankReadsFew(t *testing.T) {
	s := openStore(t)
	v := must(synth.NewVolume(s, "/"))(t)
	must(synth.Tree{Seed: 3, Entries: 30_000}.Load(s, v, synth.Options{}))(t)
	view(t, s, func(sn *store.Snap) {
		all := entriesOf(t, sn)
		slices.SortFunc(all, func(a, b sized) int { return cmp.Compare(b.size, a.size) })
		rank, looked := sn.Rank(store.LargestFirst, nil), 0
		for !rank.Done() && rank.Bound() >= all[19].size {
			looked += int(rank.Next(1).GetCardinality())
		}
		if looked > 40 {
			t.Errorf("of %d records %d are read for 20 entries", sn.Docs(), looked)
		}
	})
}

// TestZonesAreStill: what moves no bound writes no block.
func TestZonesAreStill(t *testing.T) {
	w := newWorld(t, "a/b*", "a/c*", "d/e*")
	b := w.at("a").kids["b"]
	b.stat.Size, b.stat.Mtime = 9_000_000, listing.Time{Sec: 1_700_000_000 / 256 * 256}
	w.look("a")()
	change := func(size, mtime int64) (dirty int) {
		b.stat.Size, b.stat.Mtime.Sec = size, b.stat.Mtime.Sec+mtime
		p := w.prepare(w.list(w.at("a"), 1<<20)[0])
		update(t, w.s, func(tx *store.Tx) {
			if a := must(tx.Apply(w.key("a"), p))(t); a.Modified != 1 {
				t.Errorf("%+v", a)
			}
			dirty = store.DirtyZones(tx)
		})
		return dirty
	}
	change(9_000_000, 300)
	for range 5 {
		if n := change(b.stat.Size+1000, 20); n != 0 {
			t.Errorf("%d blocks", n)
		}
	}
	if n := change(1<<40, 0); n != 1 {
		t.Errorf("%d blocks", n)
	}
}

// TestZonesDamaged: a block that is damaged or missing is found, and hides nothing without an
// error.
func TestZonesDamaged(t *testing.T) {
	for name, change := range map[string]func(b *bolt.Bucket, key, val []byte) error{
		"a bit": func(b *bolt.Bucket, key, val []byte) error {
			val = bytes.Clone(val)
			val[len(val)/2] ^= 1
			return b.Put(bytes.Clone(key), val)
		},
		"missing": func(b *bolt.Bucket, key, _ []byte) error { return b.Delete(bytes.Clone(key)) },
		"short":   func(b *bolt.Bucket, key, val []byte) error { return b.Put(bytes.Clone(key), bytes.Clone(val[:100])) },
	} {
		for _, last := range []bool{false, true} {
			t.Run(fmt.Sprint(name, last), func(t *testing.T) {
				w := newWorld(t)
				for i := range 200 {
					w.make(fmt.Sprintf("d%03d/x*", i))
				}
				w.make("d100/empty")
				load(t, w.s, w.v, w.fakeFS)
				none := func(z *record.Zone) bool { return z.MaxSize > 1<<50 }
				view(t, w.s, func(sn *store.Snap) {
					if got := sn.Zones(none); !got.IsEmpty() {
						t.Errorf("%v", got)
					}
				})
				if err := w.s.Close(); err != nil {
					t.Fatal(err)
				}
				store.Change(t, w.s.Path(), func(tx *bolt.Tx) error {
					b := tx.Bucket([]byte("zones"))
					c := b.Cursor()
					k, v := c.Seek([]byte{0, 0, 0, 0, 1})
					if last {
						k, v = c.Last()
					}
					return change(b, k, v)
				})
				for _, verify := range []bool{false, true} {
					s, err := store.Open(w.s.Path(), store.Options{})
					if err != nil {
						t.Fatal(err)
					}
					if verify {
						_, err = s.Verify(t.Context())
					} else {
						err = s.View(func(sn *store.Snap) error { sn.Zones(none); return nil })
					}
					s.Close()
					if !errors.Is(err, store.ErrDamaged) && (verify || name != "missing") {
						t.Errorf("verify %v: %v", verify, err)
					}
				}
			})
		}
	}
}
