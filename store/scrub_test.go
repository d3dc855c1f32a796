package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"indexd/store"
)

// scrub scrubs s until nothing is found and lists again what is pending, as an
// indexer does, from f. It reports whether the database was of no use any more.
func scrub(t *testing.T, s *store.Store, v store.Volume, f *fakeFS) (given bool) {
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
			var keys []store.Key
			view(t, s, func(sn *store.Snap) {
				for key := range sn.Pending(nil, nil) {
					keys = append(keys, bytes.Clone(key))
				}
			})
			update(t, s, func(tx *store.Tx) {
				for _, key := range keys {
					n := f.at(key.Rel())
					if n == nil || key.Volume() != v {
						if err := tx.DropPending(key, 0); err != nil {
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
func scrubbed(t *testing.T) (path string, v store.Volume, f *fakeFS) {
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
