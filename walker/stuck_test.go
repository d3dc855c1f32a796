package walker

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// stuckTree is a tree with a mount of device 9 that hangs until thaw is called: calls for
// paths below /dead hang.
func stuckTree(dirs int) (f *fakeFS, hang func(dir string) unix.Errno, thaw func()) {
	f = newFakeFS()
	f.dir("/")
	f.flat("/live", 10, 50)
	f.dir("/dead").dev = 9
	for i := range dirs {
		f.dir(fmt.Sprintf("/dead/%d", i), "x")
	}
	frozen := make(chan struct{})
	return f, func(dir string) unix.Errno {
		if strings.HasPrefix(dir, "/dead") {
			<-frozen
		}
		return 0
	}, sync.OnceFunc(func() { close(frozen) })
}

func TestAStuckWorkerIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, hang, thaw := stuckTree(0)
		f.onNames = hang
		var reported atomic.Value
		p := testPool(t, Options{Workers: 1, OnStuck: func(worker int, dir string, since time.Duration) {
			reported.Store(fmt.Sprint(worker, dir, since >= 30*time.Second && since < 35*time.Second))
		}}, f)
		defer thaw()
		begin := time.Now()
		errs := map[string]error{}
		s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
			if r.Err != nil {
				errs[r.Dir] = r.Err
				if r.Worker != 0 {
					t.Errorf("worker %d", r.Worker)
				}
			}
			return descend(r)
		}}))
		if s.Errors != 1 || !errorsIs(errs["/dead"], ErrStuck) || s.Dirs != 52 {
			t.Errorf("%+v, %v", s, errs)
		}
		if got := reported.Load(); got != "0/deadtrue" && got != "0 /dead true" {
			t.Errorf("reported %v", got)
		}
		if d := time.Since(begin); d < 30*time.Second || d > 35*time.Second {
			t.Errorf("the only worker was missing for %v", d)
		}
		if s := p.Stats(); s.Stuck != 1 || s.Busy != 0 {
			t.Errorf("%+v", s)
		}
		thaw()
		synctest.Wait()
		if s := p.Stats(); s.Stuck != 0 || f.leaked() != 0 {
			t.Errorf("after its return: %+v, %d descriptors", s, f.leaked())
		}
		if n := len(p.workers); n != 1 {
			t.Errorf("%d workers", n)
		}
	})
}

// Every worker is stuck in the dead mount; those that replace them avoid it.
func TestADeadMountDoesNotTakeThePoolAlong(t *testing.T) {
	for _, kind := range []string{"open", "names"} {
		synctest.Test(t, func(t *testing.T) {
			f, hang, thaw := stuckTree(1000)
			alive := func(dir string) unix.Errno {
				if dir == "/dead" {
					return 0 // it was alive when its names were read
				}
				return hang(dir)
			}
			if kind == "open" {
				f.onOpen = alive
			} else {
				f.onNames = alive
			}
			p := testPool(t, Options{Workers: 8}, f)
			defer thaw()
			begin := time.Now()
			sweep := submit(t, p, Spec{Dirs: []string{"/dead"}, Visit: descend})
			synctest.Wait()
			if s := p.Stats(); s.Busy != 8 {
				t.Fatalf("%+v", s)
			}
			live := submit(t, p, Spec{Dirs: []string{"/live"}, Priority: Asked, Visit: descend})
			if s := waitFor(t, live); s.Dirs != 51 {
				t.Errorf("%s: the job on another mount: %+v", kind, s)
			}
			if s := waitFor(t, sweep); s.Errors != 1000 || s.Dirs != 1 {
				t.Errorf("%s: the job on the dead mount: %+v", kind, s)
			}
			if d := time.Since(begin); d > 40*time.Second {
				t.Errorf("%s: took %v", kind, d)
			}
			if s := p.Stats(); s.Stuck != 8 {
				t.Errorf("%+v", s)
			}
			thaw()
			synctest.Wait()
			s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/dead"}, Visit: descend}))
			if s.Errors != 0 || s.Dirs != 1001 {
				t.Errorf("%s: when it answers again: %+v", kind, s)
			}
		})
	}
}

// With a limit per device, only that many workers get stuck.
func TestADeadMountWithALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, hang, thaw := stuckTree(100)
		f.onOpen = func(dir string) unix.Errno {
			if dir == "/dead" {
				return 0
			}
			return hang(dir)
		}
		p := testPool(t, Options{Workers: 8, PerDevice: 1}, f)
		defer thaw()
		outer := submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
			if r.Dir == "/live" {
				// A worker that helps waits for work on the dead mount.
				j := submit(t, p, Spec{Dirs: []string{"/dead"}, Visit: descend})
				if s, err := r.Wait(j); err != nil || s.Errors == 0 {
					t.Errorf("%+v, %v", s, err)
				}
			}
			return descend(r)
		}})
		// One of the two stuck workers is the one that helped.
		if s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/live"}, Visit: descend})); s.Dirs != 51 {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s := p.Stats(); s.Stuck != 2 || s.Queued != 0 {
			t.Errorf("%+v", s)
		}
		thaw()
		synctest.Wait() // for who was stuck
		if s := waitFor(t, outer); s.Errors != 100 || s.Dirs != 53 {
			t.Errorf("%+v", s)
		}
	})
}

// No more than MaxStuck workers are replaced; the others return when they can.
func TestStuckWorkersAreReplacedUpToACap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, hang, thaw := stuckTree(100)
		f.onStatx = func(dir, _ string) unix.Errno { return hang(dir + "?") } // which mount it is cannot be told
		f.dirs["/dead"].entries = f.dirs["/dead"].entries[:6]
		p := testPool(t, Options{Workers: 6, MaxStuck: 2}, f)
		defer thaw()
		var jobs []*Job
		for i := range 6 {
			jobs = append(jobs, submit(t, p, Spec{Dirs: []string{fmt.Sprintf("/dead/%d", i)}, Visit: descend}))
		}
		for _, j := range jobs {
			if s := waitFor(t, j); s.Errors != 1 {
				t.Errorf("%+v", s)
			}
		}
		if s := p.Stats(); s.Stuck != 6 {
			t.Errorf("%+v", s)
		}
		p.mu.Lock()
		if p.replacedStuck != 2 || p.running != 2 {
			t.Errorf("%d replaced, %d running", p.replacedStuck, p.running)
		}
		p.mu.Unlock()
		if s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/live"}, Visit: descend})); s.Dirs != 51 {
			t.Errorf("%+v", s)
		}
		thaw()
		synctest.Wait()
		p.mu.Lock()
		if p.replacedStuck != 0 || p.running != 6 || len(p.workers) != 6 {
			t.Errorf("after their return: %d replaced, %d running of %d", p.replacedStuck, p.running, len(p.workers))
		}
		p.mu.Unlock()
	})
}

// A worker gets stuck while it helps another job. That job ends, and the one that waits
// for it continues when the call returns.
func TestAHelpingWorkerGetsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, hang, thaw := stuckTree(0)
		f.onOpen = hang
		p := testPool(t, Options{Workers: 1}, f)
		defer thaw()
		inner := make(chan *Job, 1)
		outer := submit(t, p, Spec{Dirs: []string{"/live"}, Visit: func(r *Result) []string {
			if r.Dir == "/live" {
				j := submit(t, p, Spec{Dirs: []string{"/dead"}, Visit: descend})
				inner <- j
				if s, err := r.Wait(j); err != nil || s.Errors != 1 {
					t.Errorf("%+v, %v", s, err)
				}
			}
			return descend(r)
		}})
		if s := waitFor(t, <-inner); s.Errors != 1 || !errorsIs(s.FirstErrors[0].Err, ErrStuck) {
			t.Errorf("%+v", s)
		}
		if s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/live"}, Visit: descend})); s.Dirs != 51 {
			t.Errorf("the replacement: %+v", s)
		}
		thaw()
		synctest.Wait() // for who was stuck
		if s := waitFor(t, outer); s.Dirs != 51 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCloseLeavesStuckWorkersBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, hang, thaw := stuckTree(0)
		f.onOpen = hang
		p := newPool(Options{Workers: 3, PerDevice: 1, MaxStuck: -1}, f)
		j := submit(t, p, Spec{Dirs: []string{"/dead", "/live"}, Visit: descend})
		synctest.Wait()
		begin := time.Now()
		err := p.Close()
		if !errors.Is(err, ErrStuck) || !strings.Contains(err.Error(), `1 workers left behind in "/dead"`) {
			t.Errorf("Close: %v", err)
		}
		if d := time.Since(begin); d > 2*closingStuckAfter {
			t.Errorf("Close took %v", d)
		}
		if _, err := j.Wait(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Wait: %v", err)
		}
		thaw()
		synctest.Wait()
		if len(p.workers) != 0 || f.leaked() != 0 {
			t.Errorf("%d workers, %d descriptors", len(p.workers), f.leaked())
		}
		if err := p.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

// Visit may take any time.
func TestASlowVisitIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFS()
		f.flat("/", 0, 3)
		p := testPool(t, Options{Workers: 2, OnStuck: func(_ int, dir string, _ time.Duration) { t.Errorf("%s is stuck", dir) }}, f)
		s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
			time.Sleep(time.Hour)
			return descend(r)
		}}))
		if s.Dirs != 4 || s.Errors != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A huge directory, each of whose entries takes a while, does not count as stuck.
func TestASlowDirectoryIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFS()
		f.flat("/", 100, 0)
		f.onStatx = func(string, string) unix.Errno { time.Sleep(20 * time.Second); return 0 }
		p := testPool(t, Options{Workers: 1}, f)
		if s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: descend})); s.Errors != 0 || s.Entries != 100 {
			t.Errorf("%+v", s)
		}
	})
}
