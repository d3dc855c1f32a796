package store_test

import (
	"context"
	"path/filepath"
	"testing"

	"indexd/store"
	"indexd/store/record"
)

// openStore opens a new database, which is checked when the test ends.
func openStore(t testing.TB) *store.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "index.db"))
}

func openAt(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store.NoSync(s)
	t.Cleanup(func() {
		if err := s.View(func(*store.Snap) error { return nil }); err == nil { // the test did not close it
			check(t, s)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// check fails the test for whatever Check finds, and where Keys is not right.
func check(t testing.TB, s *store.Store) {
	t.Helper()
	n := 0
	err := s.Check(context.Background(), func(p store.Problem) {
		if n++; n <= 20 {
			t.Errorf("check: %v", p)
		}
	})
	if err != nil {
		t.Errorf("check: %v", err)
	}
	checkKeys(t, s)
}

func view(t testing.TB, s *store.Store, fn func(*store.Snap)) {
	t.Helper()
	if err := s.View(func(sn *store.Snap) error { fn(sn); return nil }); err != nil {
		t.Fatal(err)
	}
}

// update does fn in a transaction of its own.
func update(t testing.TB, s *store.Store, fn func(*store.Tx)) {
	t.Helper()
	tx := begin(t, s)
	defer tx.Rollback()
	fn(tx)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func begin(t testing.TB, s *store.Store) *store.Tx {
	t.Helper()
	tx, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// newVolume enters a volume.
func newVolume(t testing.TB, s *store.Store, mountPoint string) (v record.Volume) {
	t.Helper()
	update(t, s, func(tx *store.Tx) {
		var err error
		if v, err = tx.PutVolume(store.VolumeInfo{Identity: "id:" + mountPoint, MountPoint: mountPoint, FSType: "fake"}); err != nil {
			t.Fatal(err)
		}
	})
	return v
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
