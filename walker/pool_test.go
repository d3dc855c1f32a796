package walker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Jobs that wait for each other get an error instead of waiting forever.
func TestWaitingInACircle(t *testing.T) {
	f := newFakeFS()
	f.dir("/")
	p := testPool(t, Options{Workers: 2}, f)
	t.Run("itself", func(t *testing.T) {
		var err error
		waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
			_, err = r.Wait(r.Job)
			return nil
		}}))
		if err != ErrCycle {
			t.Error(err)
		}
	})
	t.Run("each other", func(t *testing.T) {
		given := [2]chan *Job{make(chan *Job, 1), make(chan *Job, 1)}
		var jobs [2]*Job
		var errs [2]error
		for i := range jobs {
			jobs[i] = submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
				_, errs[i] = r.Wait(<-given[1-i])
				return nil
			}})
			given[i] <- jobs[i]
		}
		waitFor(t, jobs[0])
		waitFor(t, jobs[1])
		if (errs[0] == ErrCycle) == (errs[1] == ErrCycle) || errs[0] != nil && errs[1] != nil {
			t.Errorf("%v", errs)
		}
	})
}

// A waiting Visit is released when its own job is cancelled.
func TestCancelLetsAWaitingVisitGo(t *testing.T) {
	f := newFakeFS()
	f.dir("/")
	p := testPool(t, Options{Workers: 1}, f)
	endless := submit(t, p, Spec{Held: true, Visit: descend})
	defer endless.Release()
	waiting := make(chan struct{})
	var got error
	j := submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
		close(waiting)
		_, got = r.Wait(endless)
		return nil
	}})
	<-waiting
	j.Cancel()
	if _, err := j.Wait(t.Context()); !errors.Is(err, ErrCancelled) || !errors.Is(got, ErrCancelled) {
		t.Errorf("%v, in Visit %v", err, got)
	}
}

// Wait in Visit returns the result of the other job.
func TestWaitTellsHowTheOtherEnded(t *testing.T) {
	f := newFakeFS()
	f.dir("/")
	p := testPool(t, Options{Workers: 1}, f)
	waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
		stopped := submit(t, p, Spec{Dirs: []string{"/"}, Visit: descend})
		stopped.Stop()
		if _, err := r.Wait(stopped); err != ErrStopped {
			t.Error(err)
		}
		cancelled := submit(t, p, Spec{Held: true, Visit: descend})
		cancelled.Cancel()
		if _, err := r.Wait(cancelled); err != ErrCancelled {
			t.Error(err)
		}
		return nil
	}}))
}

func TestOrderOfWork(t *testing.T) {
	f := newFakeFS()
	f.dir("/")
	for _, d := range []string{"/c", "/a", "/b", "/a/z", "/a/y", "/b/x"} {
		f.dir(d)
	}
	for _, big := range []int{0, 1, 2} {
		p := testPool(t, Options{Workers: 1, BigDir: big}, f)
		var order []string
		waitFor(t, submit(t, p, Spec{Dirs: []string{"/", "/c"}, Visit: func(r *Result) []string {
			if r.Last {
				order = append(order, r.Dir)
			}
			return descend(r)
		}}))
		want := "/ /a /a/y /a/z /b /b/x /c /c"
		if got := strings.Join(order, " "); big == 0 && got != want {
			t.Errorf("order %s, want %s", got, want)
		} else if slices.Sort(order); strings.Join(order, " ") != want {
			t.Errorf("parts of %d: %s", big, got)
		}
	}
}

// A directory refused by Admit is neither opened nor visited, and may be added again.
func TestAdmit(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 0, 20)
	p := testPool(t, Options{Workers: 3, PerDevice: 1, BigDir: 5}, f)
	var mu sync.Mutex
	asked, begun, ended := map[string]int{}, map[string]int{}, map[string]int{}
	var j *Job
	later := make(chan func(), 100)
	ready := make(chan struct{})
	j = submit(t, p, Spec{
		Dirs: []string{"/"},
		Admit: func(dir string) bool {
			<-ready
			mu.Lock()
			defer mu.Unlock()
			if asked[dir]++; asked[dir] == 1 && dir != "/" {
				release := j.Hold()
				later <- func() { j.Add(dir); release() }
				return false
			}
			begun[dir]++
			return true
		},
		Visit: func(r *Result) []string {
			mu.Lock()
			defer mu.Unlock()
			if r.Err != nil || r.Last {
				ended[r.Dir]++
			}
			return descend(r)
		},
	})
	close(ready)
	for range 20 {
		(<-later)()
	}
	s := waitFor(t, j)
	if s.Dirs != 21 || fmt.Sprint(begun) != fmt.Sprint(ended) || len(begun) != 21 {
		t.Errorf("%+v; begun %v, ended %v", s, begun, ended)
	}
	for dir, n := range asked {
		if want := 2; dir == "/" && n != 1 || dir != "/" && n != want {
			t.Errorf("%s: asked %d times", dir, n)
		}
	}
}

// A job that crosses many mounts forgets those that it has finished.
func TestVeryManyDevices(t *testing.T) {
	f := newFakeFS()
	f.dir("/")
	for i := range 300 {
		f.dir(fmt.Sprintf("/%d", i)).dev = uint64(100 + i)
		f.dir(fmt.Sprintf("/%d/a", i))
		f.dir(fmt.Sprintf("/%d/a/b", i))
	}
	p := testPool(t, Options{Workers: 3, PerDevice: 2}, f)
	least := 300
	s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/"}, Visit: func(r *Result) []string {
		p.mu.Lock()
		least = min(least, len(p.devices))
		p.mu.Unlock()
		return descend(r)
	}}))
	if s.Dirs != 901 || least > 20 {
		t.Errorf("%+v, never under %d devices", s, least)
	}
}

// Visit can only return names, not paths.
func TestDescendTakesOnlyNames(t *testing.T) {
	f := newFakeFS()
	f.dir("/")
	f.dir("/a")
	p := testPool(t, Options{Workers: 1}, f)
	s := waitFor(t, submit(t, p, Spec{Dirs: []string{"/a"}, Visit: func(r *Result) []string {
		return []string{"", ".", "..", "../a", "/", "x/y"}
	}}))
	if s.Dirs != 1 || s.Errors != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWalk(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 25, 1000)
	p := testPool(t, Options{Workers: 4, BigDir: 100}, f)
	kept := map[string]int{}
	var results []Result
	for r := range p.Walk(t.Context(), "/") {
		results = append(results, r) // they are clones
	}
	for _, r := range results {
		kept[r.Dir] += len(r.Entries)
	}
	if len(kept) != 1001 || kept["/"] != 1025 || len(results) != 1000+11 {
		t.Errorf("%d results of %d directories", len(results), len(kept))
	}
	n := 0
	for range p.Walk(t.Context(), "/") {
		if n++; n == 5 {
			break
		}
	}
	if s := p.Stats(); s.Jobs != 0 || s.Busy != 0 || s.Queued != 0 {
		t.Errorf("after breaking off: %+v", s)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	defer cancel(nil)
	n = 0
	var last Result
	for r := range p.Walk(ctx, "/") {
		if n++; n == 5 {
			cancel(why)
		}
		last = r
	}
	if !errors.Is(last.Err, ErrCancelled) || !errors.Is(last.Err, why) || n != 6 {
		t.Errorf("cancelled: %d results, the last %v", n, last.Err)
	}
	missing := 0
	for r := range p.Walk(t.Context(), "/missing") {
		if missing++; !errors.Is(r.Err, unix.ENOENT) {
			t.Error(r.Err)
		}
	}
	if missing != 1 {
		t.Errorf("%d results for a directory that is missing", missing)
	}
}

// An empty job ends and reports that.
func TestAnEmptyJob(t *testing.T) {
	f := newFakeFS()
	p := testPool(t, Options{Workers: 1}, f)
	done := make(chan error, 1)
	j := submit(t, p, Spec{Visit: descend, Done: func(s JobStats, err error) { done <- err }})
	if s := waitFor(t, j); s.Dirs != 0 || s.Errors != 0 {
		t.Errorf("%+v", s)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	j.Cancel() // changes nothing any more
	if _, err := j.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	held := submit(t, p, Spec{Held: true, Visit: descend})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := held.Wait(ctx); err != context.Canceled {
		t.Errorf("a wait that was cancelled: %v", err)
	}
	held.Release()
	waitFor(t, held)
}

// Random jobs of all kinds are stopped, cancelled, added to, fail and wait for each
// other, on several devices. Whatever happens, every directory that was begun has exactly
// one last call of Visit, all jobs end, and nothing is left.
func TestRandomJobs(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	f := newFakeFS()
	f.dir("/")
	paths := []string{"/"}
	for i := range 400 {
		parent := strings.TrimSuffix(paths[rnd.IntN(len(paths))], "/")
		d := f.dir(fmt.Sprintf("%s/%d", parent, i))
		if rnd.IntN(20) == 0 {
			d.dev = uint64(rnd.IntN(3) + 1)
		}
		for n := range rnd.IntN(30) {
			d.entries = append(d.entries, fakeEntry{fmt.Sprint("f", n), unix.DT_REG})
		}
		paths = append(paths, fmt.Sprintf("%s/%d", parent, i))
	}
	faults := atomic.Uint64{}
	fault := func() unix.Errno {
		switch faults.Add(1) % 151 {
		case 0:
			return unix.EIO
		case 50:
			panic("fault")
		}
		return 0
	}
	f.onNames = func(string) unix.Errno { return fault() }
	for round := range 20 {
		p := testPool(t, Options{Workers: 1 + rnd.IntN(6), PerDevice: rnd.IntN(3), BigDir: 1 + rnd.IntN(20)}, f)
		p.maxQ = 1 + rnd.IntN(100)
		var wg sync.WaitGroup
		for range 30 {
			dirs := []string{paths[rnd.IntN(len(paths))], paths[rnd.IntN(len(paths))]}
			kind, stopAfter := rnd.IntN(6), int64(rnd.IntN(40))
			priority := Priority(rnd.IntN(int(priorities)))
			wg.Go(func() {
				var begun, ended, visits atomic.Int64
				s := Spec{
					Dirs: dirs, Priority: priority, Held: kind == 4,
					Admit: func(string) bool { begun.Add(1); return true },
					Visit: func(r *Result) []string {
						if r.Err != nil || r.Last {
							ended.Add(1)
						}
						if visits.Add(1) == stopAfter {
							switch kind {
							case 1:
								r.Job.Stop()
							case 2:
								r.Job.Cancel()
							case 3:
								inner := submit(t, p, Spec{Dirs: dirs, Visit: descend})
								if _, err := r.Wait(inner); err != nil && !errors.Is(err, ErrCancelled) {
									t.Error(err)
								}
							}
						}
						return descend(r)
					},
				}
				j := submit(t, p, s)
				if kind == 4 {
					for range 5 {
						if err := j.Add(dirs...); err != nil {
							t.Error(err)
						}
					}
					j.Release()
				}
				if kind == 5 {
					j.Cancel()
				}
				stats, err := j.Wait(context.Background())
				if begun.Load() != ended.Load() {
					t.Errorf("seed %d, round %d: %d directories begun, %d ended; %+v, %v", seed, round, begun.Load(), ended.Load(), stats, err)
				}
				if stats.Queued != 0 || stats.InHand != 0 {
					t.Errorf("seed %d, round %d: %+v", seed, round, stats)
				}
				if kind == 0 && stats.Dirs+stats.Errors != begun.Load() {
					t.Errorf("seed %d, round %d: %d directories begun, %+v", seed, round, begun.Load(), stats)
				}
			})
		}
		wg.Wait()
	}
	if f.leaked() != 0 {
		t.Errorf("%d descriptors left open", f.leaked())
	}
}
