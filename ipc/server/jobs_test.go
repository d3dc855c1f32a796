package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"indexd/ipc/wire"
)

// TestS8_ResultsInTheOrderAsked: the stream of a job has events as they occur, results in
// the order of the request, and the end.
func TestS8_ResultsInTheOrderAsked(t *testing.T) {
	paths := wire.ByteStrings{"/a", "/\xffb", "/missing"}
	more := make(chan struct{})
	f := &fake{
		rescan: func(_ context.Context, p Peer, req *wire.RescanRequest) (wire.Job, error) {
			if !slices.Equal(req.Paths, paths) {
				t.Errorf("paths %q", req.Paths)
			}
			return wire.Job{ID: 17, State: wire.JobQueued, Paths: req.Paths, UID: p.UID}, nil
		},
		follow: func(ctx context.Context, _ Peer, id uint64, event func(*wire.JobEvent) error) error {
			event(&wire.JobEvent{Dir: &wire.JobDir{Worker: 3, Dir: "/a/\xff", Files: 1204}})
			<-more // what was told so far has arrived
			event(&wire.JobEvent{Progress: &wire.Progress{Dirs: 1}})
			<-more // this too, though nothing follows it at once
			for i, p := range paths {
				event(&wire.JobEvent{Path: &wire.PathResult{Index: i, Path: p, State: wire.JobDone}})
			}
			return event(&wire.JobEvent{End: &wire.JobEnd{Job: wire.Job{ID: id, State: wire.JobFailed, Paths: paths}}})
		},
		cancel: func(context.Context, Peer, uint64) (wire.Job, error) {
			t.Error("a job that has ended was cancelled")
			return wire.Job{}, nil
		},
	}
	r := serve(t, f, Options{})
	var got []string
	job, err := r.client.Rescan(t.Context(), &wire.RescanRequest{Paths: paths, Wait: true}, func(e *wire.JobEvent) error {
		switch {
		case e.Job != nil:
			got = append(got, fmt.Sprint("job ", e.Job.ID))
		case e.Dir != nil:
			got = append(got, fmt.Sprintf("worker %d: %d files in %q", e.Dir.Worker, e.Dir.Files, e.Dir.Dir))
			more <- struct{}{}
		case e.Progress != nil:
			got = append(got, "progress")
			more <- struct{}{}
		case e.Path != nil:
			got = append(got, fmt.Sprintf("%d %q", e.Path.Index, e.Path.Path))
		case e.End != nil:
			got = append(got, "end")
		}
		return nil
	})
	want := []string{"job 17", `worker 3: 1204 files in "/a/\xff"`, "progress", `0 "/a"`, `1 "/\xffb"`, `2 "/missing"`, "end"}
	if err != nil || job.ID != 17 || job.State != wire.JobFailed || !slices.Equal(got, want) {
		t.Errorf("%+v, %v\ngot  %q\nwant %q", job, err, got, want)
	}
}

// TestS4_ManyWaiters: any number of clients may wait for any job, also after its end. Each
// gets the job that it requested.
func TestS4_ManyWaiters(t *testing.T) {
	done := make(chan struct{})
	r := serve(t, &fake{
		follow: func(ctx context.Context, _ Peer, id uint64, event func(*wire.JobEvent) error) error {
			select {
			case <-done:
			case <-ctx.Done():
				return ctx.Err()
			}
			return event(&wire.JobEvent{End: &wire.JobEnd{Job: wire.Job{ID: id, State: wire.JobDone}}})
		},
		job: func(_ context.Context, _ Peer, id uint64) (wire.Job, error) {
			if id == 404 {
				return wire.Job{}, wire.ErrNotFound.With("no job %d", id)
			}
			return wire.Job{ID: id}, nil
		},
	}, Options{})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			id := uint64(1 + i%7)
			if j, err := r.client.FollowJob(t.Context(), id, nil); err != nil || j.ID != id || j.State != wire.JobDone {
				t.Errorf("job %d: %+v, %v", id, j, err)
			}
		})
	}
	eventually(t, "all wait", func() bool { return r.stats.working.Load() == 100 })
	close(done)
	wg.Wait()
	if j, err := r.client.FollowJob(t.Context(), 9, nil); err != nil || j.ID != 9 {
		t.Error(j, err)
	}
	if _, err := r.client.FollowJob(t.Context(), 404, nil); !errors.Is(err, wire.ErrNotFound) || err.Error() != "no job 404" {
		t.Error(err)
	}
	if j, err := r.client.Job(t.Context(), 5); err != nil || j.ID != 5 {
		t.Error(j, err)
	}
	if jobs, err := r.client.Jobs(t.Context()); err != nil || len(jobs) != 0 {
		t.Error(jobs, err)
	}
	if j, err := r.client.Cancel(t.Context(), 5); err != nil || j.State != wire.JobCancelled {
		t.Error(j, err)
	}
}

// TestS16_EndsWithItsClient: a job with Wait is cancelled when the client that requested it
// goes away in any way. Other clients that wait do not matter.
func TestS16_EndsWithItsClient(t *testing.T) {
	cancelled := make(chan uint64, 1)
	ids := make(chan uint64, 1)
	f := &fake{
		rescan: func(_ context.Context, _ Peer, req *wire.RescanRequest) (wire.Job, error) {
			return wire.Job{ID: <-ids, Paths: req.Paths}, nil
		},
		cancel: func(ctx context.Context, _ Peer, id uint64) (wire.Job, error) {
			if ctx.Err() != nil {
				t.Error("cancelled with a context that is done")
			}
			cancelled <- id
			return wire.Job{ID: id}, nil
		},
	}
	r := serve(t, f, Options{})
	c := r.dial()
	ids <- 1
	io.WriteString(c, post("/v1/rescan", `{"wait":true}`))
	c.Read(make([]byte, 1)) // the job has begun
	c.Close()
	if id := <-cancelled; id != 1 {
		t.Errorf("job %d", id)
	}
	ids <- 2
	ctx, cancel := context.WithCancel(t.Context())
	job, err := r.client.Rescan(ctx, &wire.RescanRequest{Wait: true}, func(e *wire.JobEvent) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || job.ID != 2 {
		t.Errorf("%+v, %v", job, err)
	}
	if id := <-cancelled; id != 2 {
		t.Errorf("job %d", id)
	}
	ids <- 3
	if job, err := r.client.Rescan(t.Context(), &wire.RescanRequest{Paths: wire.ByteStrings{"/x"}}, nil); err != nil || job.ID != 3 {
		t.Errorf("%+v, %v", job, err)
	}
	c = r.dial()
	io.WriteString(c, get("/v1/jobs/3?wait=1"))
	eventually(t, "it follows", func() bool { return r.stats.working.Load() == 1 })
	c.Close()
	eventually(t, "it has gone", func() bool { return r.stats.working.Load() == 0 })
	if len(cancelled) > 0 {
		t.Error("a job was cancelled by one who only looked on")
	}
}

// TestS3_MissingIsReported: an error of Rescan itself is the whole answer.
func TestS3_MissingIsReported(t *testing.T) {
	r := serve(t, &fake{rescan: func(context.Context, Peer, *wire.RescanRequest) (wire.Job, error) {
		return wire.Job{}, wire.ErrNotFound.With("not in the index: /missing")
	}}, Options{})
	for _, wait := range []bool{true, false} {
		if _, err := r.client.Rescan(t.Context(), &wire.RescanRequest{Paths: wire.ByteStrings{"/missing"}, Wait: wait}, nil); !errors.Is(err, wire.ErrNotFound) {
			t.Error(err)
		}
	}
}

func TestCheck(t *testing.T) {
	r := serve(t, &fake{check: func(ctx context.Context, _ Peer, req *wire.CheckRequest, each func(*wire.Difference) error) (wire.CheckResult, error) {
		switch req.Path {
		case "/none":
			return wire.CheckResult{}, wire.ErrNotFound
		case "/same":
			return wire.CheckResult{Dirs: 5}, nil
		}
		for i := range 2000 {
			if err := each(&wire.Difference{Path: fmt.Sprintf("%s/%d\xff", req.Path, i), Change: wire.DiffRemoved, Repaired: req.Repair}); err != nil {
				return wire.CheckResult{}, err
			}
		}
		var err error
		if req.Path == "/breaks" {
			err = errors.New("it broke")
		}
		return wire.CheckResult{Dirs: 7, Differences: 2000}, err
	}}, Options{})
	n := 0
	res, err := r.client.Check(t.Context(), &wire.CheckRequest{Path: "/\xfe", Repair: true}, func(d *wire.Difference) error {
		if want := fmt.Sprintf("/\xfe/%d\xff", n); d.Path != want || !d.Repaired {
			t.Errorf("%+v is not %q", d, want)
		}
		n++
		return nil
	}, nil)
	if err != nil || n != 2000 || res.Dirs != 7 {
		t.Errorf("%d, %+v, %v", n, res, err)
	}
	if res, err := r.client.Check(t.Context(), &wire.CheckRequest{Path: "/same"}, nil, nil); err != nil || res.Dirs != 5 {
		t.Error(res, err)
	}
	if _, err := r.client.Check(t.Context(), &wire.CheckRequest{Path: "/none"}, nil, nil); !errors.Is(err, wire.ErrNotFound) {
		t.Error(err)
	}
	if res, err := r.client.Check(t.Context(), &wire.CheckRequest{Path: "/breaks"}, nil, nil); !errors.Is(err, wire.ErrInternal) || res.Dirs != 7 {
		t.Error(res, err)
	}
}

func TestExplainAndStatus(t *testing.T) {
	at := time.Unix(1700000000, 0).UTC()
	r := serve(t, &fake{status: func(context.Context, Peer) (wire.Status, error) {
		return wire.Status{Version: "1", PID: 5, Ready: true, Entries: 10, DB: wire.StatusDB{Path: "/secret/index.db", Size: 4096},
			Watch: wire.StatusWatch{Backend: "inotify", Overflows: 2},
			Roots: []wire.Root{{Path: "/secret/\xff", State: wire.RootLive, LiveDirs: 3, NamesVerified: &at}, {State: wire.RootSwept, SweptDirs: 4}}}, nil
	}}, Options{})
	if e, err := r.client.Explain(t.Context(), "/a b/?&=#%\xff\n"); err != nil || e.Path != "/a b/?&=#%\xff\n" {
		t.Errorf("%q, %v", e.Path, err)
	}
	st, err := r.client.Status(t.Context())
	if err != nil || st.Roots[0].Path != "/secret/\xff" || !st.Roots[0].NamesVerified.Equal(at) {
		t.Errorf("%+v, %v", st, err)
	}
	_, _, raw := r.ask(get("/v1/status"))
	for _, field := range []string{"version", "pid", "uptime", "ready", "pending", "entries", "dirs", "clock", "db", "watch", "memory", "roots",
		"path", "size", "backend", "watches", "limit", "overflows", "rss", "anonymous", "state", "bytes", "names_verified", "metadata_verified",
		"live_dirs", "swept_dirs", "unreadable", "offline"} {
		if !strings.Contains(raw, `"`+field+`":`) {
			t.Errorf("status has no %s", field)
		}
	}
	status, head, body := r.ask(get("/metrics"))
	if status != 200 || !strings.HasPrefix(head.Get("Content-Type"), "text/plain; version=0.0.4") || strings.Contains(body, "secret") {
		t.Errorf("%d %v %s", status, head, body)
	}
	for _, line := range []string{"indexd_entries 10", `indexd_info{version="1"} 1`, `indexd_roots{state="live"} 1`, `indexd_root_directories{coverage="swept"} 4`,
		"indexd_watch_overflows_total 2", "indexd_ready 1", "indexd_requests_total 4"} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("metrics have no %q:\n%s", line, body)
		}
	}
	// Every sample follows its HELP and TYPE, as promtool wants it.
	last := ""
	for line := range strings.Lines(body) {
		word := strings.Fields(line)
		switch {
		case word[1] == "HELP":
			last = word[2]
		case word[1] == "TYPE":
			if word[2] != last || word[3] != "gauge" && word[3] != "counter" {
				t.Errorf("%q after HELP %s", line, last)
			}
		default:
			if name, _, _ := strings.Cut(word[0], "{"); name != last {
				t.Errorf("%q after TYPE %s", line, last)
			}
		}
	}
}
