package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"indexd/internal/query/exec"
	"indexd/ipc/server"
	"indexd/ipc/wire"
)

// fakeDaemon answers with the files in its directory, which it reads for each request:
// "problem" (any request), "rows" and "trailer" (find), "job" and "events" (rescan), "jobs",
// "status", "explanation", "differences" and "checked". They contain JSON as it is sent, lists
// one element per line. The last request is written to the file "request".
type fakeDaemon struct {
	dir string

	mu        sync.Mutex
	cancelled map[uint64]chan struct{} // closed when the job is cancelled
}

// serve runs a fakeDaemon at dir/sock until stop is called.
func serve(t testing.TB, dir string) (d *fakeDaemon, socket string, stop func()) {
	t.Helper()
	d = &fakeDaemon{dir: dir, cancelled: map[uint64]chan struct{}{}}
	socket = filepath.Join(dir, "sock")
	l, err := server.Listen(socket, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- server.New(d, server.Options{Version: "test"}).Serve(ctx, l) }()
	return d, socket, func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// asked records a request, and returns the problem that is to be its answer.
func (d *fakeDaemon) asked(what string, req any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{what: req}); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.dir, "request"), b.Bytes(), 0o600); err != nil {
		return err
	}
	var p wire.Problem
	if err := d.read("problem", &p); err == nil {
		return &p
	}
	return nil
}

// read decodes a file; without one v stays as it is.
func (d *fakeDaemon) read(name string, v any) error {
	b, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// lines calls each with every line of a file; without one there is none.
func (d *fakeDaemon) lines(name string, each func([]byte) error) error {
	b, err := os.ReadFile(filepath.Join(d.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for line := range bytes.Lines(b) {
		if err == nil && len(bytes.TrimSpace(line)) > 0 {
			err = each(line)
		}
	}
	return err
}

func optional(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *fakeDaemon) Find(ctx context.Context, _ server.Peer, req *wire.FindRequest, sink exec.Sink) (wire.Trailer, error) {
	if err := d.asked("find", req); err != nil {
		return wire.Trailer{}, err
	}
	t := wire.Trailer{Complete: true, FirstClock: "1", LastClock: "1"}
	err := d.lines("rows", func(line []byte) error {
		var r wire.Row
		if err := wire.ParseRow(line, &r); err != nil {
			return err
		}
		if t.Count++; req.Count || req.Limit > 0 && t.Count > int64(req.Limit) {
			return nil
		}
		if err := sink.Row([]byte(r.Dir), &r.Entry, r.NoMeta); err != nil {
			return err
		}
		if sink.Full() {
			slow, err := sink.Flush(ctx)
			if slow && err == nil {
				err = sink.Drain(ctx)
			}
			return err
		}
		return nil
	})
	if err != nil {
		return t, err
	}
	return t, optional(d.read("trailer", &t))
}

func (d *fakeDaemon) Rescan(_ context.Context, _ server.Peer, req *wire.RescanRequest) (wire.Job, error) {
	if err := d.asked("rescan", req); err != nil {
		return wire.Job{}, err
	}
	job := wire.Job{ID: 7, State: wire.JobQueued, Paths: req.Paths}
	return job, optional(d.read("job", &job))
}

func (d *fakeDaemon) Jobs(context.Context, server.Peer) (jobs []wire.Job, err error) {
	if err := d.asked("jobs", nil); err != nil {
		return nil, err
	}
	err = d.lines("jobs", func(line []byte) error {
		jobs = append(jobs, wire.Job{})
		return json.Unmarshal(line, &jobs[len(jobs)-1])
	})
	return jobs, err
}

func (d *fakeDaemon) Job(_ context.Context, _ server.Peer, id uint64) (job wire.Job, err error) {
	if err := d.asked("job", id); err != nil {
		return job, err
	}
	err = d.lines("jobs", func(line []byte) error {
		var j wire.Job
		if err := json.Unmarshal(line, &j); err != nil || j.ID != id {
			return err
		}
		job = j
		return nil
	})
	if err == nil && job.ID != id {
		err = wire.ErrNotFound.With("no such job")
	}
	return job, err
}

// FollowJob goes through the events; after the last, if that is no end, it
// waits until the job is cancelled.
func (d *fakeDaemon) FollowJob(ctx context.Context, _ server.Peer, id uint64, event func(*wire.JobEvent) error) error {
	ended := false
	err := d.lines("events", func(line []byte) error {
		var e wire.JobEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		ended = ended || e.End != nil
		return event(&e)
	})
	if err != nil || ended {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.cancel(id):
	}
	return event(&wire.JobEvent{End: &wire.JobEnd{Job: wire.Job{ID: id, State: wire.JobCancelled}}})
}

// cancel is the channel that Cancel closes.
func (d *fakeDaemon) cancel(id uint64) chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancelled[id] == nil {
		d.cancelled[id] = make(chan struct{})
	}
	return d.cancelled[id]
}

func (d *fakeDaemon) Cancel(ctx context.Context, p server.Peer, id uint64) (wire.Job, error) {
	if err := d.asked("cancel", id); err != nil {
		return wire.Job{}, err
	}
	if job, err := d.Job(ctx, p, id); err == nil {
		return job, nil
	} else if id != 7 {
		return job, err
	}
	c := d.cancel(id)
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-c:
	default:
		close(c)
	}
	return wire.Job{ID: id, State: wire.JobCancelled}, nil
}

func (d *fakeDaemon) Status(context.Context, server.Peer) (s wire.Status, err error) {
	if err := d.asked("status", nil); err != nil {
		return s, err
	}
	return s, d.read("status", &s)
}

// Wait is over at once if there is a file "ready".
func (d *fakeDaemon) Wait(ctx context.Context, _ server.Peer, ready bool) error {
	if err := d.asked("wait", ready); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(d.dir, "ready")); err != nil {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

func (d *fakeDaemon) Explain(_ context.Context, _ server.Peer, path string) (e wire.Explanation, err error) {
	if err := d.asked("explain", path); err != nil {
		return e, err
	}
	return e, d.read("explanation", &e)
}

func (d *fakeDaemon) Check(_ context.Context, _ server.Peer, req *wire.CheckRequest, each func(*wire.Difference) error, _ func(wire.CheckResult) error) (r wire.CheckResult, err error) {
	if err := d.asked("check", req); err != nil {
		return r, err
	}
	err = d.lines("differences", func(line []byte) error {
		var diff wire.Difference
		if err := json.Unmarshal(line, &diff); err != nil {
			return err
		}
		return each(&diff)
	})
	if err != nil {
		return r, err
	}
	return r, optional(d.read("checked", &r))
}
