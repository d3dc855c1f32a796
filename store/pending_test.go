package store_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/store"
)

// TestManyReplacedAtOnce: that all of many directories are others now costs each of
// them the same, however many become pending with it.
func TestManyReplacedAtOnce(t *testing.T) {
	took := func(n int) time.Duration {
		w := newWorld(t)
		name := func(i int) string { return fmt.Sprintf("%05d", i) }
		for i := range n {
			w.create(w.root, name(i), true)
		}
		update(t, w.s, func(tx *store.Tx) {
			apply(t, tx, w.key(""), w.prepare(w.list(w.root, n)[0]))
			for i := range n {
				apply(t, tx, w.key(name(i)), w.prepare(w.list(w.root.kids[name(i)], 1)[0]))
			}
		})
		for i := range n {
			w.free = nil // none has the inode of another
			w.create(w.root, name(i), true)
		}
		p := w.prepare(w.list(w.root, n)[0])
		var took time.Duration
		update(t, w.s, func(tx *store.Tx) {
			begun := threadTime(t)
			a := apply(t, tx, w.key(""), p)
			took = threadTime(t) - begun
			if len(a.DroppedDirs) != n || len(a.NewDirs) != n {
				t.Errorf("%d dropped and %d new, of %d", len(a.DroppedDirs), len(a.NewDirs), n)
			}
		})
		if got := w.s.PendingCount(); got != uint64(n) {
			t.Errorf("%d are pending, of %d", got, n)
		}
		return took
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	few, many := took(300), took(4500)
	t.Logf("300 take %v, 4,500 take %v", few, many)
	if many > 40*few {
		t.Errorf("300 take %v, 4,500 take %v", few, many)
	}
}

// threadTime is what the calling thread has had of processors.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at); err != nil {
		t.Fatal(err)
	}
	return time.Duration(at.Nano())
}
