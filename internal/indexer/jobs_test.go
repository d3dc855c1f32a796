package indexer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"indexd/internal/indexer/jobs"
	"indexd/internal/testutil/scale"
	"indexd/ipc/wire"
)

// wide makes a tree of n directories with one file each.
func wide(t *testing.T, n int) string {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("d%05d/f", i)
	}
	return tree(t, paths...)
}

// S1: events name the worker, the directory and how many files it has.
func TestS1_EventsNameWorkerDirectoryAndFiles(t *testing.T) {
	root := tree(t, "a/1", "a/2", "b/3")
	r := run(t, "", Config{Roots: []string{root}, Workers: 3})
	r.idle()
	j, err := r.Rescan(deadline(t), nil, true)
	must(t, err)
	var got []string
	must(t, r.Jobs().Follow(deadline(t), j.ID, func(e jobs.Event) error {
		if e.Dir != nil {
			if e.Dir.Worker < 0 || e.Dir.Worker >= 3 {
				t.Errorf("worker %d of 3", e.Dir.Worker)
			}
			got = append(got, fmt.Sprintf("%d in %s", e.Dir.Files, e.Dir.Dir[len(root):]))
		}
		return nil
	}))
	slices.Sort(got)
	if fmt.Sprint(got) != "[1 in /b 2 in  2 in /a]" {
		t.Errorf("events: %q", got)
	}
}

// S4: any client may wait for any job, several may wait at once and after its end, and each
// gets the job that it asked for.
func TestS4_AnyoneMayWaitForAnyJob(t *testing.T) {
	root := tree(t, "a/x", "b/y", "c/z")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		j, err := r.Rescan(deadline(t), []string{root + "/" + name}, false)
		must(t, err)
		for range 5 {
			wg.Go(func() {
				if end := r.end(j.ID); end.ID != j.ID || end.State != wire.JobDone || end.Paths[0].Path != root+"/"+name {
					t.Errorf("waited for job %d, got %+v", j.ID, end)
				}
			})
		}
	}
	wg.Wait()
	for _, j := range r.Jobs().All() {
		if end := r.end(j.ID); end.ID != j.ID || end.Ended.IsZero() {
			t.Errorf("after its end job %d is %+v", j.ID, end)
		}
	}
	if _, err := r.Jobs().Get(1 << 40); !errors.Is(err, jobs.ErrNoJob) {
		t.Errorf("a job that was never given: %v", err)
	}
}

// What a barrier lists is not shown as a job, and does not push others out of the history.
func TestBarriersAreNoJobs(t *testing.T) {
	root := tree(t, "a/x")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	j, err := r.Rescan(deadline(t), []string{root}, false)
	must(t, err)
	r.end(j.ID)
	for i := range 3 {
		grow(t, root, fmt.Sprintf("a/%d", i))
		must(t, r.Sync(deadline(t), nil))
		r.same(root)
	}
	if list := r.Jobs().All(); len(list) != 1 || list[0].ID != j.ID {
		t.Errorf("there are the jobs %+v, want %d alone", list, j.ID)
	}
}

// S6: however much is requested, there are no more workers than configured, and no goroutine
// per job.
func TestS6_TenThousandRescansAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	root := wide(t, 20)
	r := run(t, "", Config{Roots: []string{root}, Workers: 4})
	r.idle()
	before := runtime.NumGoroutine()
	ids := make([]uint64, 10_000)
	var wg sync.WaitGroup
	const clients = 50
	for c := range clients {
		wg.Go(func() {
			for i := c; i < len(ids); i += clients {
				j, err := r.Rescan(deadline(t), []string{fmt.Sprintf("%s/d%05d", root, i%20)}, false)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = j.ID
				if n := runtime.NumGoroutine(); n > before+clients+8 {
					t.Errorf("%d goroutines, %d before and %d clients", n, before, clients)
					return
				}
			}
		})
	}
	wg.Wait()
	r.idle()
	kept := 0
	for _, id := range ids {
		j, err := r.Jobs().Get(id)
		if err == nil {
			kept++
			if j.State != wire.JobDone {
				t.Fatalf("job %d ended %s", id, j.State)
			}
		}
	}
	if kept == 0 || kept > 1000 {
		t.Errorf("%d ended jobs are kept", kept)
	}
	r.same(root)
}

// The same tree is not walked twice at once: all who ask while it is walked share one further
// walk.
func TestS6_RescansOfTheSameAreFewWalks(t *testing.T) {
	scale.SkipIfShort(t)
	const dirs, rescans = 1000, 300
	root := wide(t, dirs)
	r := run(t, "", Config{Roots: []string{root}, Workers: 2})
	r.idle()
	before := r.Progress().Dirs
	var wg sync.WaitGroup
	for range rescans {
		wg.Go(func() {
			j, err := r.Rescan(deadline(t), []string{root}, false)
			if err != nil || r.end(j.ID).State != wire.JobDone {
				t.Errorf("rescan: %+v, %v", j, err)
			}
		})
	}
	wg.Wait()
	if walks := (r.Progress().Dirs - before) / (dirs + 1); walks < 1 || walks > rescans/10 {
		t.Errorf("%d rescans were %d walks", rescans, walks)
	}
	r.same(root)
}

// S8: results come in the order of the paths.
func TestS8_ResultsInTheOrderAsked(t *testing.T) {
	root := wide(t, 50)
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	var paths []string
	for i := range 50 {
		paths = append(paths, fmt.Sprintf("%s/d%05d", root, 49-i))
	}
	end := r.rescan(paths...)
	for i, p := range end.Paths {
		if p.Path != paths[i] || p.State != wire.JobDone || p.Entries == 0 {
			t.Errorf("result %d is %+v", i, p)
		}
	}
}

// S11: jobs of one priority take turns, so that a small one ends while a huge one runs.
func TestS11_SmallJobBesideAHugeOne(t *testing.T) {
	scale.SkipIfShort(t)
	root := wide(t, 1000)
	r := run(t, "", Config{Roots: []string{root}, Workers: 1})
	r.idle()
	for ctx := deadline(t); ; {
		begun := r.Progress().Dirs
		huge, err := r.Rescan(ctx, []string{root}, false)
		must(t, err)
		small, err := r.Rescan(ctx, []string{root + "/d00001"}, true)
		must(t, err)
		listed := r.Progress().Dirs - begun
		end := r.end(small.ID)
		if end.State != wire.JobDone {
			t.Fatalf("the small job ended %s", end.State)
		}
		switch late := r.end(huge.ID).Ended.Before(end.Ended); {
		case !late:
			return
		case listed < 500:
			t.Fatalf("the small job waited for the huge one, which had listed %d directories", listed)
		}
		// The huge one was nearly done when the small one was asked for: once more.
	}
}

// S13: whoever waits for a job when the daemon stops is told, and the next run does the job,
// under its id.
func TestS13_StopTellsWaitersAndTheJobIsResumed(t *testing.T) {
	scale.SkipIfShort(t)
	root := wide(t, 1000)
	db := ""
	var r *rig
	var j jobs.Info
	for was := wire.JobDone; was == wire.JobDone; { // it may have ended before the stop: then once more
		r = run(t, db, Config{Roots: []string{root}, Workers: 1})
		db = r.db
		r.idle()
		grow(t, root, "d00001/new")
		var err error
		j, err = r.Rescan(deadline(t), []string{root}, true)
		must(t, err)
		told := make(chan jobs.Info, 1)
		begun := make(chan struct{})
		go func() {
			var once sync.Once
			_ = r.Jobs().Follow(context.Background(), j.ID, func(e jobs.Event) error {
				once.Do(func() { close(begun) })
				if e.End != nil {
					told <- *e.End
				}
				return nil
			})
		}()
		<-begun
		r.stop()
		end := <-told
		if was = end.State; !end.Interrupted && was != wire.JobDone {
			t.Fatalf("the waiter was told %s", was)
		}
	}
	r = run(t, db, Config{Roots: []string{root}})
	if end := r.end(j.ID); end.State != wire.JobDone {
		t.Errorf("after the restart the job ended %s", end.State)
	}
	r.idle()
	r.same(root)
	if next, err := r.Rescan(deadline(t), nil, false); err != nil || next.ID <= j.ID {
		t.Errorf("the next job got id %d after %d: %v", next.ID, j.ID, err)
	}
}

func TestCancel(t *testing.T) {
	scale.SkipIfShort(t)
	root := wide(t, 1000)
	r := run(t, "", Config{Roots: []string{root}, Workers: 1})
	r.idle()
	var first jobs.Info
	for was := wire.JobDone; was == wire.JobDone; { // it may have ended before: then once more
		var err error
		first, err = r.Rescan(deadline(t), []string{root}, true)
		must(t, err)
		other := make(chan jobs.Info, 1)
		go func() { other <- r.end(first.ID) }()
		must(t, r.Jobs().Cancel(first.ID))
		if was = (<-other).State; was != wire.JobCancelled && was != wire.JobDone {
			t.Errorf("the waiter was told %s", was)
		}
	}
	must(t, r.Jobs().Cancel(first.ID)) // once more is no error
	if j, _ := r.Jobs().Get(first.ID); j.State != wire.JobCancelled {
		t.Errorf("the job is %s", j.State)
	}
	// The index is as if it had not been requested.
	r.idle()
	r.same(root)
	if end := r.rescan(root); end.State != wire.JobDone {
		t.Errorf("the next job ended %s", end.State)
	}
}

// S7: a failed directory is counted as an error, and the job continues.
func TestS7_UnreadableDirectoryIsCounted(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can read everything")
	}
	root := tree(t, "a/x", "closed/y", "z/z")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	must(t, os.Chmod(root+"/closed", 0))
	t.Cleanup(func() { _ = os.Chmod(root+"/closed", 0o755) })
	grow(t, root, "a/new", "z/new")
	end := r.rescan(root)
	if end.State != wire.JobDone || end.Paths[0].Errors != 1 || end.Paths[0].Error == "" {
		t.Errorf("the job ended %+v", end)
	}
	r.idle()
	want := append(found(t, root, "!", "-name", "closed"), root+"/closed", root+"/closed/y") // the last known
	slices.Sort(want)
	want = slices.Compact(want)
	if got := r.paths(root); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the index has %q, want %q", got, want)
	}
	e, err := r.Explain(root + "/closed/none")
	if err != nil || e.Err == "" {
		t.Errorf("explain: %+v, %v", e, err)
	}
	must(t, os.Chmod(root+"/closed", 0o755))
	r.rescan(root)
	r.idle()
	r.same(root)
}

// A follower that does not read is told how many events it missed, and delays nobody.
func TestSlowFollowerLosesEventsNotTheEnd(t *testing.T) {
	scale.SkipIfShort(t)
	root := wide(t, 4096+500)
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	j, err := r.Rescan(deadline(t), nil, true)
	must(t, err)
	stuck, seen, lost := make(chan struct{}), 0, 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Jobs().Follow(context.Background(), j.ID, func(e jobs.Event) error {
			<-stuck
			if seen++; e.Dir == nil {
				seen--
			}
			lost += e.Lost
			return nil
		})
	}()
	waitFor(t, func() bool { j, _ := r.Jobs().Get(j.ID); return !j.Ended.IsZero() })
	close(stuck)
	<-done
	if lost == 0 || seen+lost != 4096+501 {
		t.Errorf("%d events seen and %d said to be lost of %d", seen, lost, 4096+501)
	}
}

// waitFor polls for a condition that nothing announces.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(generous); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}
