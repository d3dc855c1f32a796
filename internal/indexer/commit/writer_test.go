package commit

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"indexd/store"
	"indexd/store/dbfile"
)

// failing is a disk on which everything fails while it is not 0.
type failing struct{ errno atomic.Int64 }

func (f *failing) Fault(dbfile.Point) error {
	if errno := f.errno.Load(); errno != 0 {
		return unix.Errno(errno)
	}
	return nil
}

// start runs a Writer of a new database until the test ends.
func start(t *testing.T, o store.Options) (*Writer, *store.Store) {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "index.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	w := New(st, Options{Log: slog.New(slog.DiscardHandler)})
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(context.Background()) }()
	t.Cleanup(func() {
		w.Stop()
		<-ended
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, st
}

func put(key string) func(*store.Tx) error {
	return func(tx *store.Tx) error { return tx.PutValue(store.Settings, []byte(key), key) }
}

func has(t *testing.T, st *store.Store, key string) bool {
	t.Helper()
	var value string
	found := false
	if err := st.View(func(sn *store.Snap) (err error) {
		found, err = sn.Value(store.Settings, []byte(key), &value)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// An item that fails, halfway through, is dropped alone; the others of its batch run again.
func TestFailedItemIsDroppedAlone(t *testing.T) {
	w, st := start(t, store.Options{})
	var held atomic.Int64
	why := errors.New("no")
	runs := 0
	results := make(chan error, 2)
	done := func(err error) { results <- err }
	first := Item{Held: &held, Done: done, Do: func(tx *store.Tx) error { runs++; return put("first")(tx) }}
	bad := Item{Held: &held, Done: done, Do: func(tx *store.Tx) error { return errors.Join(put("bad")(tx), why) }}
	for _, it := range []Item{first, bad} {
		if err := w.Put(t.Context(), it); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-results; !errors.Is(err, why) {
		t.Errorf("the item that fails: %v", err)
	}
	if err := <-results; err != nil {
		t.Errorf("the other: %v", err)
	}
	if runs != 2 || !has(t, st, "first") || has(t, st, "bad") || held.Load() != 0 {
		t.Errorf("first ran %d times and is there: %v; bad is there: %v; %d held", runs, has(t, st, "first"), has(t, st, "bad"), held.Load())
	}
}

// While the disk fails, items wait and Failure says why; then they are written.
func TestRetriesWhileTheDiskFails(t *testing.T) {
	var disk failing
	w, st := start(t, store.Options{Faults: &disk})
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	disk.errno.Store(int64(unix.ENOSPC))
	result := make(chan error, 1)
	if err := w.Put(t.Context(), Item{When: Now, Do: put("late"), Done: func(err error) { result <- err }}); err != nil {
		t.Fatal(err)
	}
	for before := w.Heartbeat.Ticks(); w.Failure() == "" || w.Heartbeat.Ticks() < before+2; {
		select {
		case err := <-result:
			t.Fatalf("it was not kept: %v", err)
		default:
		}
	}
	disk.errno.Store(0)
	if err := <-result; err != nil || w.Failure() != "" && !has(t, st, "late") {
		t.Errorf("%v; failure %q", err, w.Failure())
	}
}

// Of a batch that does not fit, additions go first, then changes, then half of the removals.
func TestWhatIsDroppedAtTheLimit(t *testing.T) {
	w, _ := start(t, store.Options{MaxSize: 1 << 20})
	var list []string
	full := func(*store.Tx) error { return nil }
	fill := func(tx *store.Tx) error { // more than fits
		for i := range 64 {
			if err := tx.PutValue(store.Settings, []byte{0xff, byte(i)}, string(make([]byte, 1<<15))); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range []struct {
		name    string
		reserve Reserve
		do      func(*store.Tx) error
	}{{"removal", Removal, full}, {"addition", Addition, fill}, {"change", Change, full}} {
		err := w.Put(t.Context(), Item{Do: c.do, Reserve: func() Reserve { return c.reserve }, Done: func(err error) {
			if errors.Is(err, store.ErrFull) {
				list = append(list, c.name)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0] != "addition" {
		t.Errorf("dropped: %q", list)
	}
}
