package walker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// S8: results in the order of the requests, or as they complete.
func TestS8_InTheOrderAskedAndAsCompleted(t *testing.T) {
	f := newFakeFS()
	f.dir("/")
	gates := map[string]chan struct{}{}
	for _, d := range []string{"/A", "/B", "/C"} {
		f.dir(d)
		gates[d] = make(chan struct{})
	}
	p := testPool(t, Options{Workers: 3}, f)
	completed := make(chan string)
	var jobs []*Job
	for _, d := range []string{"/A", "/B", "/C"} {
		jobs = append(jobs, submit(t, p, Spec{
			Dirs:  []string{d},
			Visit: func(r *Result) []string { <-gates[d]; return nil },
			Done:  func(s JobStats, err error) { completed <- d },
		}))
	}
	for _, d := range []string{"/C", "/A", "/B"} {
		close(gates[d])
		if got := <-completed; got != d {
			t.Errorf("%s completed, not %s", got, d)
		}
	}
	for i, j := range jobs { // in the order asked
		if s := waitFor(t, j); s.Dirs != 1 {
			t.Errorf("job %d: %+v", i, s)
		}
	}
	seen := map[string]bool{}
	for r := range p.Walk(t.Context(), "/") {
		seen[r.Dir] = true
	}
	if len(seen) != 4 {
		t.Errorf("stream gave %v", seen)
	}
}

// S9: a priority queue.
func TestS9_HigherPrioritiesGoFirst(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 0, 3)
	p := testPool(t, Options{Workers: 1}, f)
	gate := make(chan struct{})
	first := submit(t, p, Spec{Dirs: []string{"/"}, Priority: Asked, Visit: func(*Result) []string { <-gate; return nil }})
	var order []Priority
	var jobs []*Job
	for _, pr := range []Priority{Resume, Asked, Sweep, Event, Sweep, Asked} {
		jobs = append(jobs, submit(t, p, Spec{Dirs: []string{"/"}, Priority: pr, Visit: func(r *Result) []string {
			order = append(order, pr)
			return descend(r)
		}}))
	}
	close(gate)
	waitFor(t, first)
	for _, j := range jobs {
		waitFor(t, j)
	}
	if len(order) != 24 || !slices.IsSortedFunc(order, func(a, b Priority) int { return int(b - a) }) {
		t.Errorf("order of priorities: %v", order)
	}
}

// S10: a limit on a scarce resource.
func TestS10_ListingsOfOneDeviceAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFS()
		f.dir("/")
		for dev := range 3 {
			root := fmt.Sprintf("/%d", dev)
			f.dir(root).dev = uint64(10 + dev)
			for i := range 20 {
				f.dir(fmt.Sprintf("%s/%d", root, i), "x", "y")
			}
		}
		var busy, most [3]atomic.Int64
		f.onNames = func(dir string) unix.Errno {
			if dir == "/" {
				return 0
			}
			dev := dir[1] - '0'
			if n := busy[dev].Add(1); n > most[dev].Load() {
				most[dev].Store(n)
			}
			time.Sleep(time.Second)
			busy[dev].Add(-1)
			return 0
		}
		p := testPool(t, Options{Workers: 16, PerDevice: 2}, f)
		begin := time.Now()
		// Each device is listed by one job from its root, whose device is unknown, and
		// by one that crosses mounts.
		a := submit(t, p, Spec{Dirs: []string{"/0", "/1", "/2"}, Visit: descend})
		b := submit(t, p, Spec{Dirs: []string{"/"}, Visit: descend})
		if s := waitFor(t, a); s.Dirs != 63 {
			t.Errorf("%+v", s)
		}
		if s := waitFor(t, b); s.Dirs != 64 {
			t.Errorf("%+v", s)
		}
		for dev := range most {
			if n := most[dev].Load(); n != 2 {
				t.Errorf("device %d: %d at once", dev, n)
			}
		}
		// 42 directories per device, of two reads of a second each, two at a time:
		// devices do not wait for each other.
		if d := time.Since(begin); d > 50*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// S11: jobs of one priority take turns.
func TestS11_ASmallJobEndsWhileAHugeOneRuns(t *testing.T) {
	f := newFakeFS()
	f.dir("/")
	f.flat("/huge", 0, 5000)
	f.flat("/small", 0, 50)
	p := testPool(t, Options{Workers: 1}, f)
	gate := make(chan struct{})
	huge := submit(t, p, Spec{Dirs: []string{"/huge"}, Visit: func(r *Result) []string {
		<-gate
		return descend(r)
	}})
	small := submit(t, p, Spec{Dirs: []string{"/small"}, Visit: descend})
	var hugeDirs int64
	last := submit(t, p, Spec{Dirs: []string{"/small"}, Visit: func(r *Result) []string {
		hugeDirs = huge.Stats().Dirs
		return descend(r)
	}})
	close(gate)
	waitFor(t, small)
	waitFor(t, last)
	if hugeDirs < 40 || hugeDirs > 60 {
		t.Errorf("when a job of 51 directories ended, one of 5001 had done %d", hugeDirs)
	}
	waitFor(t, huge)
}

// S12: wait until everything queued is done, including what is added meanwhile.
func TestS12_WaitIsForAllThatWasQueued(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 0, 500)
	p := testPool(t, Options{Workers: 4}, f)
	var visited atomic.Int64
	j := submit(t, p, Spec{Held: true, Visit: func(*Result) []string { visited.Add(1); return nil }})
	var wg sync.WaitGroup
	for g := range 5 {
		release := j.Hold()
		wg.Go(func() {
			defer release()
			for i := range 100 {
				if err := j.Add(fmt.Sprintf("/d%07d", g*100+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	j.Release()
	if s := waitFor(t, j); s.Dirs != 500 || visited.Load() != 500 || s.Queued != 0 || s.InHand != 0 {
		t.Errorf("%d visited, %+v", visited.Load(), s)
	}
	wg.Wait()
	if err := j.Add("/"); !errors.Is(err, ErrJobDone) {
		t.Errorf("Add after the end: %v", err)
	}
}

// S13: shutdown tells every waiter.
func TestS13_CloseTellsEveryWaiter(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 0, 1000)
	p := newPool(Options{Workers: 2}, f)
	var told, done atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		j := submit(t, p, Spec{Dirs: []string{"/"}, Held: true, Priority: Priority(i) % priorities, Visit: descend,
			Done: func(_ JobStats, err error) {
				if errors.Is(err, ErrClosed) {
					done.Add(1)
				}
			}})
		for range 3 {
			wg.Go(func() {
				if _, err := j.Wait(context.Background()); errors.Is(err, ErrClosed) && errors.Is(err, ErrCancelled) {
					told.Add(1)
				}
			})
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if done.Load() != 100 {
		t.Errorf("Done of %d jobs was called when Close returned", done.Load())
	}
	wg.Wait()
	if told.Load() != 300 {
		t.Errorf("%d waiters of 300 were told", told.Load())
	}
}

// S14: many slow answers at once cost the time of one.
func TestS14_SlowDirectoriesOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFS()
		f.flat("/", 0, 32)
		f.onOpen = func(string) unix.Errno { time.Sleep(time.Second); return 0 }
		for _, c := range []struct {
			workers int
			want    time.Duration
		}{{1, 33 * time.Second}, {4, 9 * time.Second}, {32, 2 * time.Second}} {
			p := testPool(t, Options{Workers: c.workers}, f)
			begin := time.Now()
			waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: descend}))
			if d := time.Since(begin); d != c.want {
				t.Errorf("%d workers: %v, not %v", c.workers, d, c.want)
			}
		}
	})
}

// S15: bursts of clients; slow readers do not affect others.
func TestS15_ABurstOfClientsWithSlowOnes(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 5, 5)
	p := testPool(t, Options{Workers: 8}, f)
	// The slow ones wait for their jobs outside of Visit, and hold them open meanwhile.
	var slow []*Job
	for range 100 {
		slow = append(slow, submit(t, p, Spec{Dirs: []string{"/"}, Held: true, Visit: descend}))
	}
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			n := 0
			for r := range p.Walk(context.Background(), "/") {
				if r.Err != nil {
					t.Error(r.Err)
				}
				n++
			}
			if n != 6 {
				t.Errorf("%d results", n)
			}
		})
	}
	wg.Wait()
	for _, j := range slow {
		j.Release()
		if s := waitFor(t, j); s.Dirs != 6 {
			t.Errorf("%+v", s)
		}
	}
}

// S16: whatever is started ends with the one who started it.
func TestS16_AJobEndsWithItsContext(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 0, 3000)
	p := testPool(t, Options{Workers: 2}, f)
	parent, cancel := context.WithCancel(t.Context())
	var jobs []*Job
	for range 10 {
		j, err := p.Submit(parent, Spec{Dirs: []string{"/"}, Held: true, Visit: descend})
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	other := submit(t, p, Spec{Dirs: []string{"/"}, Visit: descend})
	cancel()
	for _, j := range jobs {
		if _, err := j.Wait(context.Background()); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrCancelled) {
			t.Errorf("Wait: %v", err)
		}
	}
	if s := waitFor(t, other); s.Dirs != 3001 {
		t.Errorf("the job of another: %+v", s)
	}
	if _, err := p.Submit(parent, Spec{}); !errors.Is(err, ErrCancelled) {
		t.Errorf("Submit with a context that has ended: %v", err)
	}
}
