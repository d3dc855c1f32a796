package walker

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"
)

// A directory that cannot be opened or read for lack of descriptors or memory is not
// unreadable: it is retried until that succeeds or the job is cancelled.
func TestShortage(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeFS()
			f.dir("/r", "a", "b")
			f.dir("/r/d", "c")
			var left atomic.Int64
			left.Store(30)
			short := func() unix.Errno {
				if left.Add(-1) > 0 {
					return errno
				}
				return 0
			}
			f.onOpen = func(string) unix.Errno { return short() }
			f.onNames = func(string) unix.Errno { return short() }
			if errno == unix.ENOMEM {
				f.onStatx = func(string, string) unix.Errno { return short() }
			}
			p := newPool(Options{Workers: 2}, f)
			entries := 0
			waitFor(t, submit(t, p, Spec{Dirs: []string{"/r"}, Visit: func(r *Result) []string {
				if r.Err != nil {
					t.Errorf("%v: %s: %v", errno, r.Dir, r.Err)
				}
				entries += len(r.Entries)
				if r.Dir == "/r" {
					return []string{"d"}
				}
				return nil
			}}))
			if entries != 4 {
				t.Errorf("%v: %d entries", errno, entries)
			}
			// A permanent shortage: a cancelled job still ends.
			left.Store(1 << 40)
			j := submit(t, p, Spec{Dirs: []string{"/r"}, Visit: func(r *Result) []string {
				if r.Err != ErrCancelled {
					t.Errorf("%v: a cancelled listing ended with %v", errno, r.Err)
				}
				return nil
			}})
			synctest.Wait()
			j.Cancel()
			_, _ = j.Wait(t.Context())
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
