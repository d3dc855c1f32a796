package walker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// The tests of this file are named after the rows of the table that the project grew
// from: things that worker threads do or warn of.
//
// S1: a worker takes a directory and returns (worker, directory, entries).

// S1: a worker takes a directory and gives back (worker, directory, entries).
func TestS1_ResultsNameTheirWorkerAndDirectory(t *testing.T) {
	f := newFakeFS()
	f.dir("/", "x")
	f.dir("/a", "one", "two")
	f.dir("/a/b", "three")
	p := testPool(t, Options{Workers: 3}, f)
	var mu sync.Mutex
	got := map[string]string{}
	waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
		mu.Lock()
		defer mu.Unlock()
		if r.Worker < 0 || r.Worker >= 3 || r.Job == nil {
			t.Errorf("result of worker %d, job %v", r.Worker, r.Job)
		}
		got[r.Dir] = strings.Join(namesOf(r.Listing), " ")
		return subdirs(r.Listing)
	}}))
	want := map[string]string{"/": "a x", "/a": "b one two", "/a/b": "three"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// S2: idle workers burn no CPU.
func TestS2_IdleBurnsNoCPU(t *testing.T) {
	dir := t.TempDir()
	p := testPool(t, Options{Workers: 32, StuckAfter: 100 * time.Millisecond}, nil)
	waitFor(t, submit(t, p, Spec{Dirs: []string{dir}, Visit: descend}))
	held := submit(t, p, Spec{Held: true, Visit: descend})
	defer held.Release()
	runtime.GC()
	cpu := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const window = 300 * time.Millisecond // of measurement
	before := cpu()
	<-time.After(window)
	if spent := cpu() - before; spent > window/10 {
		t.Errorf("an idle pool used %v of CPU in %v", spent, window)
	}
}

// S2: and set no timers: nothing wakes up while there is nothing to do.
func TestS2_IdleSetsNoTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFS()
		f.dir("/")
		p := testPool(t, Options{Workers: 4}, f)
		waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: descend}))
		time.Sleep(2 * checkInterval) // fake time: the watchdog has seen that all is idle
		synctest.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.watchdogRuns || p.notifying || p.idle != 4 {
			t.Errorf("idle pool: watchdog %v, teller %v, idle workers %d", p.watchdogRuns, p.notifying, p.idle)
		}
	})
}

// S2: a stop request is polite: directories being processed are finished, with all their
// parts, and nothing else is begun.
func TestS2_StopFinishesWhatIsInHand(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 95, 5)
	p := testPool(t, Options{Workers: 1, BigDir: 10}, f)
	entries, last := 0, false
	j := submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
		if r.Err != nil || r.Dir != "/" {
			t.Errorf("visit of %s: %v", r.Dir, r.Err)
			return nil
		}
		if r.First {
			r.Job.Stop()
		}
		entries += len(r.Entries)
		last = last || r.Last
		return subdirs(r.Listing)
	}})
	s, err := j.Wait(t.Context())
	if !errors.Is(err, ErrStopped) || entries != 100 || !last || s.Dirs != 1 || s.Queued != 0 {
		t.Errorf("stopped: %v, %d entries, last %v, %+v", err, entries, last, s)
	}
}

// S2: a cancelled job ends in the middle of a huge directory, within 32 statx calls.
func TestS2_CancelIsSeenWithin32Statx(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 30000, 0)
	for _, at := range []int64{1, 31, 32, 33, 1000, 8191, 8192, 8193, 20000} {
		f.statxs.Store(0)
		p := testPool(t, Options{Workers: 1}, f)
		var j *Job
		ready := make(chan struct{})
		f.onStatx = func(string, string) unix.Errno {
			<-ready
			if f.statxs.Load() == at {
				j.Cancel()
			}
			return 0
		}
		var told []error
		j = submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
			if r.Err != nil {
				told = append(told, r.Err)
			}
			return nil
		}})
		close(ready)
		if _, err := j.Wait(t.Context()); !errors.Is(err, ErrCancelled) {
			t.Errorf("Wait: %v", err)
		}
		if n := f.statxs.Load() - at; n > 32 {
			t.Errorf("cancelled at statx %d: %d more followed", at, n)
		}
		if len(told) != 1 || !errors.Is(told[0], ErrCancelled) {
			t.Errorf("cancelled at statx %d: Visit was told %v", at, told)
		}
		if f.leaked() != 0 {
			t.Errorf("%d descriptors left open", f.leaked())
		}
	}
}

// S2: and between two reads of names.
func TestS2_CancelIsSeenBetweenReadsOfNames(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 50000, 0)
	p := testPool(t, Options{Workers: 1}, f)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the caller went away")
	reads := 0
	ended := make(chan struct{})
	f.onNames = func(string) unix.Errno {
		if reads++; reads == 2 {
			cancel(why)
			<-ended // until the pool knows
		}
		return 0
	}
	j, err := p.Submit(ctx, Spec{Dirs: []string{"/"}, Visit: func(*Result) []string { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	<-j.Cancelled()
	close(ended)
	_, err = j.Wait(context.Background())
	if !errors.Is(err, ErrCancelled) || !errors.Is(err, why) {
		t.Errorf("Wait: %v", err)
	}
	if reads > 2 || f.statxs.Load() > 0 {
		t.Errorf("%d reads of names and %d statx after it", reads-2, f.statxs.Load())
	}
}

// S2: join is a request and a wait: Close returns when every goroutine has ended.
func TestS2_CloseWaitsForEveryGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	f := newFakeFS()
	f.flat("/", 10, 1000)
	p := newPool(Options{Workers: 16}, f)
	for range 20 {
		submit(t, p, Spec{Dirs: []string{"/"}, Visit: descend, Done: func(JobStats, error) {}})
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before) // with a little patience: what has ended may still be counted
	if _, err := p.Submit(t.Context(), Spec{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Submit after Close: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// S3: names that do not exist are left out and counted; the rest is done.
func TestS3_MissingDirectoriesAreCounted(t *testing.T) {
	dir := t.TempDir()
	a, b, missing := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "missing")
	for _, d := range []string{a, b} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := testPool(t, Options{}, nil)
	s := waitFor(t, submit(t, p, Spec{Dirs: []string{a, b, missing}, Visit: descend}))
	if s.Dirs != 2 || s.Errors != 1 || len(s.FirstErrors) != 1 || s.FirstErrors[0].Dir != missing || !errors.Is(s.FirstErrors[0].Err, fs.ErrNotExist) {
		t.Errorf("%+v", s)
	}
}

// S4: a request has a number that its results carry; any number of waiters get its own
// result, even after it has ended.
func TestS4_EveryWaiterGetsItsOwnJobsResult(t *testing.T) {
	f := newFakeFS()
	f.dir("/")
	for i := range 50 {
		f.flat(fmt.Sprintf("/%d", i), i, i%5)
	}
	p := testPool(t, Options{Workers: 4}, f)
	var wg sync.WaitGroup
	ids := map[uint64]bool{}
	for i := range 50 {
		var mine atomic.Uint64 // the number that came with the results
		j := submit(t, p, Spec{Dirs: []string{fmt.Sprintf("/%d", i)}, Held: true, Visit: func(r *Result) []string {
			mine.Store(r.Job.ID())
			return descend(r)
		}})
		ids[j.ID()] = true
		for range 3 {
			wg.Go(func() {
				if s, err := j.Wait(context.Background()); err != nil || s.Entries != int64(i+i%5) {
					t.Errorf("job %d: %+v, %v", i, s, err)
				}
			})
		}
		j.Release()
		<-j.Done()
		if mine.Load() != j.ID() {
			t.Errorf("result of job %d at job %d", mine.Load(), j.ID())
		}
		wg.Go(func() {
			if s, err := j.Wait(context.Background()); err != nil || s.Dirs != int64(1+i%5) {
				t.Errorf("job %d, after its end: %+v, %v", i, s, err)
			}
		})
	}
	wg.Wait()
	if len(ids) != 50 {
		t.Errorf("%d different numbers", len(ids))
	}
}

// S5: jobs submit jobs and wait for them, to any depth, with one worker.
func TestS5_NestedWorkNeedsOneWorker(t *testing.T) {
	f := newFakeFS()
	f.dir("/")
	f.flat("/a", 3, 3)
	for _, workers := range []int{1, 2, 5} {
		p := testPool(t, Options{Workers: workers, PerDevice: 1}, f)
		var visited atomic.Int64
		var visit func(depth int) func(*Result) []string
		visit = func(depth int) func(*Result) []string {
			return func(r *Result) []string {
				visited.Add(1)
				if depth > 0 && r.Dir == "/a" {
					j := submit(t, p, Spec{Dirs: []string{"/a"}, Visit: visit(depth - 1)})
					if s, err := r.Wait(j); err != nil || s.Dirs != 4 {
						t.Errorf("depth %d: %+v, %v", depth, s, err)
					}
				}
				return descend(r)
			}
		}
		waitFor(t, submit(t, p, Spec{Dirs: []string{"/a"}, Visit: visit(40)}))
		if visited.Load() != 41*4 {
			t.Errorf("%d workers: %d directories visited", workers, visited.Load())
		}
	}
}

// S6: whatever is requested, there are no more workers than configured, and memory is
// bounded.
func TestS6_TenThousandJobsAtOnce(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 10, 2)
	p := testPool(t, Options{Workers: 4}, f)
	before := runtime.NumGoroutine()
	gate := make(chan struct{})
	var inside, most atomic.Int64
	jobs := make([]*Job, 10000)
	for i := range jobs {
		jobs[i] = submit(t, p, Spec{Dirs: []string{"/"}, Priority: Priority(i) % priorities, Visit: func(r *Result) []string {
			n := inside.Add(1)
			defer inside.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-gate
			return descend(r)
		}})
	}
	if s := p.Stats(); s.Jobs != 10000 || s.Queued < 9996 || s.Workers != 4 {
		t.Errorf("%+v", s)
	}
	if n := runtime.NumGoroutine() - before; n > 2 {
		t.Errorf("10,000 jobs started %d goroutines", n)
	}
	close(gate)
	for _, j := range jobs {
		if s := waitFor(t, j); s.Dirs != 3 {
			t.Fatalf("%+v", s)
		}
	}
	if most.Load() > 4 {
		t.Errorf("%d workers at once", most.Load())
	}
}

// S6: a directory with many subdirectories does not fill the queue with them.
func TestS6_QueueIsBounded(t *testing.T) {
	const dirs, part, bound = 20000, 100, 500
	f := newFakeFS()
	f.flat("/", 0, dirs)
	for _, workers := range []int{1, 4} {
		p := testPool(t, Options{Workers: workers, BigDir: part}, f)
		p.maxQ = bound
		var most atomic.Int64
		s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
			for q, m := int64(p.Stats().Queued), most.Load(); q > m && !most.CompareAndSwap(m, q); m = most.Load() {
			}
			return descend(r)
		}}))
		if s.Dirs != dirs+1 {
			t.Errorf("%+v", s)
		}
		if most.Load() > int64(bound+workers*(part+1)) {
			t.Errorf("%d workers: %d directories were queued", workers, most.Load())
		}
	}
}

// S6: a Visit that blocks is back-pressure: no worker lists ahead.
func TestS6_BackPressure(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 0, 100)
	p := testPool(t, Options{Workers: 3}, f)
	gate := make(chan struct{})
	var blocked sync.WaitGroup
	blocked.Add(3)
	var n atomic.Int64
	j := submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
		if n.Add(1) > 1 && n.Load() <= 4 {
			blocked.Done()
		}
		if r.Dir != "/" {
			<-gate
		}
		return descend(r)
	}})
	blocked.Wait()
	if opens := f.opens.Load(); opens != 4 {
		t.Errorf("%d directories opened while all workers are blocked", opens)
	}
	close(gate)
	waitFor(t, j)
}

// S7: a failed directory yields an error in its place, and the pool continues.
func TestS7_AnErrorIsItsDirectorysResult(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 0, 200)
	f.onOpen = func(dir string) unix.Errno {
		if strings.HasSuffix(dir, "5") {
			return unix.EIO
		}
		return 0
	}
	f.onNames = func(dir string) unix.Errno {
		if strings.HasSuffix(dir, "6") {
			return unix.ESTALE
		}
		return 0
	}
	p := testPool(t, Options{Workers: 4}, f)
	var failed atomic.Int64
	s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
		if r.Err != nil {
			failed.Add(1)
			var pe *fs.PathError
			if !errors.As(r.Err, &pe) || pe.Path != r.Dir || r.Listing != nil ||
				!errors.Is(r.Err, unix.EIO) && !errors.Is(r.Err, unix.ESTALE) {
				t.Errorf("%s: %v", r.Dir, r.Err)
			}
		}
		return descend(r)
	}}))
	if s.Errors != 40 || failed.Load() != 40 || s.Dirs != 161 || len(s.FirstErrors) != 40 {
		t.Errorf("%d failed: %+v", failed.Load(), s)
	}
	if f.leaked() != 0 {
		t.Errorf("%d descriptors left open", f.leaked())
	}
}

// S7: so does a panic, which the waiter sees.
func TestS7_APanicIsItsDirectorysResult(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 0, 10)
	boom := errors.New("boom")
	f.onNames = func(dir string) unix.Errno {
		if dir == "/d0000003" {
			panic("in the listing")
		}
		return 0
	}
	p := testPool(t, Options{Workers: 2, PerDevice: 1}, f)
	var mu sync.Mutex
	told := map[string]error{}
	s := waitFor(t, submit(t, p, Spec{
		Dirs: []string{"/"},
		Visit: func(r *Result) []string {
			if r.Err != nil {
				mu.Lock()
				told[r.Dir] = r.Err
				mu.Unlock()
				if r.Dir == "/d0000007" {
					panic("when told of the panic")
				}
				return nil
			}
			switch r.Dir {
			case "/d0000005", "/d0000007":
				panic(boom)
			case "/d0000006":
				runtime.Goexit()
			}
			return descend(r)
		},
		Admit: func(dir string) bool {
			if dir == "/d0000004" {
				panic("in Admit")
			}
			return true
		},
	}))
	if s.Errors != 5 || s.Dirs != 6 || len(s.FirstErrors) != 5 {
		t.Errorf("%+v", s)
	}
	for _, e := range s.FirstErrors {
		var pe *PanicError
		if !errors.As(e.Err, &pe) || pe.Dir != e.Dir || len(pe.Stack) == 0 {
			t.Errorf("%s: %v", e.Dir, e.Err)
		}
		if told[e.Dir] == nil {
			t.Errorf("%s: Visit was not told", e.Dir)
		}
	}
	if !errors.Is(told["/d0000005"], boom) {
		t.Errorf("the panic's own error is lost: %v", told["/d0000005"])
	}
	if f.leaked() != 0 {
		t.Errorf("%d descriptors left open", f.leaked())
	}
	if s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/d0000001"}, Visit: descend})); s.Dirs != 1 {
		t.Errorf("the pool does not go on: %+v", s)
	}
}
