package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"

	"indexd/internal/testutil/synth"
	"indexd/store"
	"indexd/store/record"
)

// checkKeys compares Keys with what a walk through all records finds, for
// several sets of doc ids.
func checkKeys(t testing.TB, s *store.Store) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	view(t, s, func(sn *store.Snap) {
		byDoc := make(map[uint32]record.Key)
		c := sn.Cursor(nil, nil)
		for c.Next() {
			key := c.Dir()
			if first, chunk := c.Chunk(); chunk {
				key = key.Chunk(first)
			}
			byDoc[uint32(c.Record().Header().Doc)] = key
		}
		if c.Err() != nil {
			return // damaged on purpose
		}
		next := uint32(must(sn.Stats())(t).NextDoc)
		for _, one := range []int{1, 2, 7, 60} {
			docs := roaring.New()
			var want []record.Key
			for doc := range next + 100 {
				if r.IntN(one) == 0 {
					docs.Add(doc)
					if key := byDoc[doc]; key != nil {
						want = append(want, key)
					}
				}
			}
			slices.SortFunc(want, record.Key.Compare)
			got, err := sn.Keys(docs)
			if err != nil || !slices.EqualFunc(got, want, record.Key.Equal) {
				t.Errorf("seed %d, one in %d of %d docs: %d keys, want %d; %v", seed, one, next, len(got), len(want), err)
				for i := range max(len(got), len(want)) {
					if i >= len(got) || i >= len(want) || !got[i].Equal(want[i]) {
						t.Errorf("from %d on: %q, want %q", i, got[i:min(i+3, len(got))], want[i:min(i+3, len(want))])
						break
					}
				}
			}
		}
	})
}

// TestKeysOfVolumes: trees in several volumes, and a root below one.
func TestKeysOfVolumes(t *testing.T) {
	s := openStore(t)
	for i := range 3 {
		v := must(synth.NewVolume(s, fmt.Sprintf("/%d", i)))(t)
		must(synth.Tree{Seed: uint64(i), Entries: 6000}.Load(s, v, synth.Options{}))(t)
	}
	checkKeys(t, s)
	for round := 1; round < 4; round++ {
		must(synth.Tree{Seed: 1, Entries: 6000, Round: round}.Load(s, 2, synth.Options{Commit: 100_000}))(t)
		checkKeys(t, s)
	}
	update(t, s, func(tx *store.Tx) {
		if err := tx.Drop(record.MakeKey(1, ""), s.LastStamp()); err != nil {
			t.Fatal(err)
		}
	})
	for more := true; more; {
		checkKeys(t, s)
		update(t, s, func(tx *store.Tx) { more = must(tx.PurgeTombstones(100))(t) })
	}
	checkKeys(t, s)
}

// TestKeysOfNone, of ids that were never given, and of all.
func TestKeysOfNone(t *testing.T) {
	w := newWorld(t, "a/b")
	view(t, w.s, func(sn *store.Snap) {
		for _, docs := range []*roaring.Bitmap{roaring.New(), roaring.BitmapOf(0, 1000, 1<<32-1)} {
			if keys, err := sn.Keys(docs); len(keys) > 0 || err != nil {
				t.Errorf("%v: %q, %v", docs, keys, err)
			}
		}
		docs := roaring.New()
		docs.AddRange(0, 1<<16)
		if keys, err := sn.Keys(docs); len(keys) != 3 || err != nil || sn.Docs() != 3 {
			t.Errorf("%q, %v of %d", keys, err, sn.Docs())
		}
	})
}

// TestKeysSayDamage: a block of doc ids that is damaged is an error, also where
// only something above is in it.
func TestKeysSayDamage(t *testing.T) {
	w := newWorld(t)
	for i := range 300 {
		w.make(fmt.Sprintf("d%03d/x", i))
	}
	load(t, w.s, w.v, w.fakeFS)
	path := w.s.Path()
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	store.Change(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("docs"))
		val := slices.Clone(b.Get([]byte{0, 0, 0, 0, 0}))
		val[len(val)/2] ^= 1
		return b.Put([]byte{0, 0, 0, 0, 0}, val)
	})
	s := must(store.Open(path, store.Options{}))(t)
	defer s.Close()
	err := s.View(func(sn *store.Snap) error {
		for _, doc := range []uint32{5, 400} {
			if keys, err := sn.Keys(roaring.BitmapOf(doc)); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("doc %d: %q, %v", doc, keys, err)
			}
		}
		return nil
	})
	if !errors.Is(err, store.ErrDamaged) {
		t.Error(err)
	}
}
