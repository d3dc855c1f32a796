package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"indexd/internal/testutil/disk"
	"indexd/internal/testutil/scale"
	"indexd/store"
	"indexd/store/dbfile"
)

// TestFailingDisk: commits on a disk of which now and then every sync fails. What
// failed was not done, for who reads at once, for who reads after a power cut at
// any of these moments, and when the disk is well again. INDEXD_FAULTS says how
// many times it fails.
func TestFailingDisk(t *testing.T) {
	scale.SkipIfShort(t)
	faults := 2
	if n, err := strconv.Atoi(os.Getenv("INDEXD_FAULTS")); err == nil {
		faults = n
	}
	disk := disk.Failing(t, "64M", "3m")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))

	s, err := store.Open(filepath.Join(disk.Dir, "db"), store.Options{})
	ok(t, err)
	defer s.Close()
	want := make(map[string]string)
	// change puts and deletes some values, and returns what there is to be then.
	change := func(tx *store.Tx) map[string]string {
		next := make(map[string]string, len(want))
		for k, v := range want {
			next[k] = v
		}
		for range 20 {
			key := strconv.Itoa(r.IntN(60))
			if r.IntN(3) == 0 {
				delete(next, key)
				ok(t, tx.DeleteValue(store.Settings, []byte(key)))
				continue
			}
			val := make([]byte, 1000+r.IntN(20_000))
			for i := range val {
				val[i] = byte('a' + r.IntN(26))
			}
			next[key] = string(val)
			ok(t, tx.PutValue(store.Settings, []byte(key), string(val)))
		}
		return next
	}
	check := func(when string, s *store.Store, also map[string]string) {
		t.Helper()
		got := make(map[string]string)
		ok(t, s.View(func(sn *store.Snap) error {
			for k := range sn.Values(store.Settings) {
				var v string
				if there, err := sn.Value(store.Settings, k, &v); !there || err != nil {
					t.Fatalf("%s: %s cannot be read: %v", when, k, err)
				}
				got[string(k)] = v
			}
			return nil
		}))
		if !equal(got, want) && (also == nil || !equal(got, also)) {
			t.Fatalf("%s: another state than that of the last commit", when)
		}
		ok(t, s.Check(context.Background(), func(p store.Problem) { t.Errorf("%s: %v", when, p) }))
	}
	afterPowerCut := func(when string, also map[string]string) {
		t.Helper()
		disk.AfterPowerCut(func(dir string) {
			cut, err := store.Open(filepath.Join(dir, "db"), store.Options{})
			ok(t, err)
			defer cut.Close()
			check(when+", after a power cut", cut, also)
		})
	}

	disk.Tighten()
	for tries, failed := 0, 0; failed < faults; tries++ {
		if tries > 50*(failed+1) {
			t.Fatal("the disk does not fail")
		}
		tx, err := s.Begin()
		ok(t, err)
		next := change(tx)
		if err = tx.Commit(); err == nil {
			want = next
			continue
		}
		failed++
		check("after a failure", s, nil)
		afterPowerCut("after a failure", next)
		for tries := r.IntN(4); tries >= 0; tries-- {
			if tries == 0 {
				disk.Room("60m")
			}
			tx, err := s.Begin()
			if err != nil {
				continue // the disk does not take the pages that say what holds
			}
			afterPowerCut("after another try", next)
			again := change(tx)
			if err := tx.Commit(); err == nil {
				want = again
				break
			}
			next = again
		}
		tx, err = s.Begin()
		ok(t, err)
		next = change(tx)
		ok(t, tx.Commit())
		want = next
		check("when the disk is well again", s, nil)
		afterPowerCut("when the disk is well again", nil)
		// The next failure: no more room than is in use.
		ok(t, s.Compact(context.Background()))
		disk.Tighten()
	}
	ok(t, s.Close())
	s, err = store.Open(filepath.Join(disk.Dir, "db"), store.Options{})
	ok(t, err)
	check("at the end", s, nil)
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lastSyncFails makes the sync of the next meta page fail after the page has reached the cache.
type lastSyncFails struct{ armed, meta bool }

func (f *lastSyncFails) Fault(p dbfile.Point) error {
	switch {
	case p.Op == dbfile.OpWrite:
		f.meta = p.Off < 2*int64(os.Getpagesize())
	case p.Op == dbfile.OpSync && p.Done && f.meta && f.armed:
		f.armed = false
		return unix.EIO
	}
	return nil
}

// TestCommitNotSynced: a commit that reached the page cache, meta page and all,
// and of which the sync failed, was not done: for new snapshots, for changes
// after it, and while snapshots of before and of the moment between are held.
func TestCommitNotSynced(t *testing.T) {
	var disk lastSyncFails
	s, err := store.Open(filepath.Join(t.TempDir(), "db"), store.Options{Faults: &disk})
	ok(t, err)
	defer s.Close()
	put := func(tx *store.Tx, v string) {
		for i := range 300 {
			ok(t, tx.PutValue(store.Settings, []byte(strconv.Itoa(i)), v+strconv.Itoa(i)))
		}
	}
	see := func(sn *store.Snap, want string) {
		t.Helper()
		for i := range 300 {
			var v string
			if there, err := sn.Value(store.Settings, []byte(strconv.Itoa(i)), &v); !there || err != nil || v != want+strconv.Itoa(i) {
				t.Fatalf("value %d is %q, %v; want %q", i, v, err, want)
			}
		}
	}
	update(t, s, func(tx *store.Tx) { put(tx, "first") })
	clock := s.Clock()
	for round := range 5 {
		tx := begin(t, s)
		put(tx, "never")
		disk.armed = true
		if err := tx.Commit(); !errors.Is(err, unix.EIO) {
			t.Fatalf("round %d: the commit returned %v", round, err)
		}
		if s.Clock() != clock {
			t.Errorf("round %d: the clock went from %d to %d", round, clock, s.Clock())
		}
		held, hold, began := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			_ = s.View(func(sn *store.Snap) error {
				close(held)
				<-hold
				see(sn, "first")
				return nil
			})
		}()
		<-held
		go func() {
			tx, err := s.Begin()
			if err == nil {
				tx.Rollback()
			}
			began <- err
		}()
		view(t, s, func(sn *store.Snap) { see(sn, "first") })
		close(hold) // nothing is written while it lasts
		ok(t, <-began)
		view(t, s, func(sn *store.Snap) { see(sn, "first") })
	}
	for range 50 {
		update(t, s, func(tx *store.Tx) { put(tx, "second"); put(tx, "third") })
	}
	view(t, s, func(sn *store.Snap) { see(sn, "third") })
	check(t, s)
	if _, err := store.Open(s.Path(), store.Options{}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("the database can be opened a second time: %v", err)
	}
}
