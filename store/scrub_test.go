package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"indexd/store"
	"indexd/store/record"
)

// scrub scrubs s until nothing is found and lists again what is pending, as an
// indexer does, from f. It reports whether the database was of no use any more.
func scrub(t *testing.T, s *store.Store, v record.Volume, f *fakeFS) (given bool) {
	t.Helper()
	apply := func(fn func(*store.Tx) error) error {
		tx, err := s.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		return errors.Join(fn(tx), tx.Commit())
	}
	for round := 0; ; round++ {
		found, err := s.Scrub(t.Context(), apply, func() error { return nil })
		if errors.Is(err, store.ErrDamaged) {
			return true
		}
		if err != nil {
			t.Fatal(err)
		}
		if round == 4 {
			t.Fatalf("after %d rounds %d things are still found", round, found)
		}
		for s.PendingCount() > 0 {
			var keys []record.Key
			view(t, s, func(sn *store.Snap) {
				for key := range sn.Pending(nil, nil) {
					keys = append(keys, bytes.Clone(key))
				}
			})
			update(t, s, func(tx *store.Tx) {
				for _, key := range keys {
					n := f.at(key.Rel())
					if n == nil || key.Volume() != v {
						if err := tx.Drop(key, s.LastStamp()+1); err != nil {
							t.Fatal(err)
						}
						continue
					}
					for _, l := range f.list(n, 1<<20) {
						if _, err := tx.Apply(key, f.prepare(l)); err != nil {
							t.Fatal(err)
						}
					}
				}
			})
		}
		for more := true; more; {
			update(t, s, func(tx *store.Tx) {
				var err error
				if more, err = tx.Reap(1000); err != nil {
					t.Fatal(err)
				}
			})
		}
		mergeAll(t, s)
		if found == 0 {
			return false
		}
	}
}

// scrubbed makes a database of some size with postings, closed.
func scrubbed(t *testing.T) (path string, v record.Volume, f *fakeFS) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "index.db")
	s := openAt(t, path)
	v = newVolume(t, s, "/")
	f = newFakeFS(true)
	for i := range 60 {
		d := f.create(f.root, fmt.Sprintf("d%02d", i), true)
		for j := range 12 {
			f.create(d, fmt.Sprintf("f%02d-%d", j, i*j), false)
		}
		for j := range 4 {
			e := f.create(d, fmt.Sprintf("sub%d", j), true)
			f.create(e, "leaf", false)
		}
	}
	big := f.create(f.root, "big", true)
	for i := range 1500 {
		f.create(big, fmt.Sprintf("n%05d", i), false)
	}
	for i := range 5 {
		f.create(f.create(big, fmt.Sprintf("dir%d", i), true), "x", false)
	}
	load(t, s, v, f)
	mergeAll(t, s)
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, v, f
}

// names is all that a database says of what there is.
func names(t *testing.T, s *store.Store) []string {
	t.Helper()
	var all []string
	view(t, s, func(sn *store.Snap) {
		c := sn.Cursor(nil, nil)
		for c.Next() {
			if err := c.Record().Load(); err != nil {
				t.Fatal(err)
			}
			for _, e := range c.Record().All() {
				all = append(all, fmt.Sprintf("%s/%s %v", c.Dir().Rel(), e.Name, e))
			}
		}
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
	})
	slices.Sort(all)
	return all
}

// TestScrubMends: whatever bit of a key or a value is another, in whichever
// bucket, after a scrub, and after what that asked for was listed, all is as it
// was; or the database is given up.
func TestScrubMends(t *testing.T) {
	path, v, f := scrubbed(t)
	good := read(t, path)
	want := names(t, openAt(t, path))
	given, mended := 0, 0
	var log bytes.Buffer
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of the last: %s", &log)
		}
	})
	for _, seed := range seeds(t, 80) {
		r := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		path := filepath.Join(dir, "index.db")
		b := bytes.Clone(good)
		at := r.IntN(pages(good) * 4096)
		b[at] ^= 1 << r.IntN(8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Logf("STORE_SEED=%d, byte %d of page %d", seed, at%4096, at/4096)
		log.Reset()
		s, err := store.Open(path, store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrNotDatabase) {
			given++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		store.NoSync(s)
		if scrub(t, s, v, f) {
			given++
			s.Close()
			continue
		}
		mended++
		if got := names(t, s); !slices.Equal(got, want) {
			t.Errorf("there are %d entries, want %d", len(got), len(want))
		}
		n := 0
		if err := s.Check(context.Background(), func(p store.Problem) {
			if n++; n < 5 {
				t.Errorf("check: %v", p)
			}
		}); err != nil {
			t.Error(err)
		}
		s.Close()
		if t.Failed() {
			break
		}
	}
	t.Logf("%d given up, %d mended or not touched", given, mended)
}

// TestScrubFindsNothing that is not there, also between snapshots of a few records.
func TestScrubFindsNothing(t *testing.T) {
	path, _, _ := scrubbed(t)
	s := openAt(t, path)
	found, err := s.Scrub(t.Context(), nil, func() error { return nil })
	if found != 0 || err != nil {
		t.Errorf("%d found, %v", found, err)
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := s.Scrub(ctx, nil, nil); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestRecordFromBefore: a page of the listings that is as it was before, since the
// disk lost a write, has whole records of directories that are gone: they go again.
func TestRecordFromBefore(t *testing.T) {
	path, v, f := scrubbed(t)
	kept := make(map[string][]byte)
	store.Change(t, path, func(tx *bolt.Tx) error {
		for _, rel := range []string{"d07/sub1", "big/dir2", "d20"} {
			key := record.MakeKey(v, rel)
			kept[string(key)] = bytes.Clone(tx.Bucket([]byte("listings")).Get(key))
		}
		return nil
	})
	s := openAt(t, path)
	f.remove(f.at("d07"), "sub1")
	f.remove(f.at("big"), "dir2")
	f.remove(f.root, "d20")
	load(t, s, v, f)
	for more := true; more; {
		update(t, s, func(tx *store.Tx) { more = must(tx.Reap(1000))(t) })
	}
	check(t, s)
	must(0, s.Close())(t)
	store.Change(t, path, func(tx *bolt.Tx) error {
		for key, val := range kept {
			if err := tx.Bucket([]byte("listings")).Put([]byte(key), val); err != nil {
				return err
			}
		}
		return nil
	})
	s = openAt(t, path)
	if scrub(t, s, v, f) {
		t.Error("it was given up")
	}
	if d := cmp.Diff(f.tree(), stored(t, s, v)); d != "" {
		t.Errorf("(- file system, + store):\n%.3000s", d)
	}
}

// cycles calls look with a file of which one branch page leads back to itself or to
// one above it, for each such page.
func cycles(good []byte, look func(change func(b []byte))) {
	order := binary.NativeEndian
	const header, elem, branch, leaf, meta = 16, 16, 1, 2, 4096
	page := func(id uint64) []byte { return good[id*meta:] }
	var walk func(above []uint64, id uint64)
	walk = func(above []uint64, id uint64) {
		if order.Uint16(page(id)[8:])&branch == 0 {
			return
		}
		above = append(above[:len(above):len(above)], id)
		n := uint64(order.Uint16(page(id)[10:]))
		for _, back := range above {
			at := id*meta + header + (n-1)*elem + 8
			look(func(b []byte) { order.PutUint64(b[at:], back) })
		}
		for i := range n {
			walk(above, order.Uint64(page(id)[header+i*elem+8:]))
		}
	}
	root := page(uint64(rootPage(good)))
	if order.Uint16(root[8:]) != leaf {
		panic("there are more buckets than one page holds")
	}
	for i := range int(order.Uint16(root[10:])) {
		e := root[header+i*elem:]
		val := e[order.Uint32(e[4:])+order.Uint32(e[8:]):]
		if top := order.Uint64(val); top != 0 { // else it is within the value
			walk(nil, top)
		}
	}
}

// TestCycles: pages that lead back to where one comes from are found by who opens
// the file, and, where something damaged was met while it is open, before anything
// is written or scrubbed.
func TestCycles(t *testing.T) {
	path, _, _ := scrubbed(t)
	good := read(t, path)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	cycles(good, func(change func([]byte)) {
		n++
		bad := bytes.Clone(good)
		change(bad)
		do(os.WriteFile(path, bad, 0o600))
		if s, err := store.Open(path, store.Options{}); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("opened: %v", err)
			if err == nil {
				s.Close()
			}
		}

		do(os.WriteFile(path, good, 0o600))
		s := must(store.Open(path, store.Options{}))(t)
		do(s.CheckPages(t.Context()))
		f := must(os.OpenFile(path, os.O_WRONLY, 0))(t)
		must(f.WriteAt(bad, 0))(t)
		do(f.Close())
		s.Suspect()
		apply := func(func(*store.Tx) error) error { t.Error("something is written"); return nil }
		if _, err := s.Scrub(t.Context(), apply, func() error { return nil }); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("scrubbed: %v", err)
		}
		select {
		case <-s.Damaged():
		default:
			t.Error("it is not known to be damaged")
		}
		s.Close()
	})
	if t.Logf("%d cycles", n); n == 0 {
		t.Error("there was no branch page")
	}
}
