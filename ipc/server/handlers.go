package server

import (
	"context"
	"net/http"
	"path"
	"strings"
	"time"

	"indexd/ipc/wire"
)

// jobs answers GET /v1/jobs.
func (q *request) jobs() error {
	if err := q.params(nil); err != nil {
		return err
	}
	var list []wire.Job
	if err := q.quick(func() (err error) { list, err = q.s.daemon.Jobs(q.ctx, q.peer); return err }); err != nil {
		return err
	}
	if list == nil {
		list = []wire.Job{}
	}
	return q.json(http.StatusOK, map[string]any{"jobs": list})
}

// job answers GET /v1/jobs/{id}; with ?wait=1 it sends a stream.
func (q *request) job() error {
	wait := false
	if err := q.params(map[string]func([]string) error{
		"wait": func(v []string) (err error) { wait, err = flag(v); return err },
	}); err != nil {
		return err
	}
	var job wire.Job
	if err := q.quick(func() (err error) { job, err = q.s.daemon.Job(q.ctx, q.peer, q.id); return err }); err != nil {
		return err
	}
	if !wait {
		return q.json(http.StatusOK, job)
	}
	q.header(wire.TypeNDJSON)
	q.follow(job, newLines(q))
	return nil
}

// rescan answers POST /v1/rescan. With Wait, it cancels the job when the client goes away.
func (q *request) rescan() error {
	var req wire.RescanRequest
	if err := q.decode(&req); err != nil {
		return err
	}
	if err := clean(req.Paths); err != nil {
		return err
	}
	ctx, err := q.work()
	if err != nil {
		return err
	}
	job, err := q.s.daemon.Rescan(ctx, q.peer, &req)
	q.slot.release()
	q.releaseBody()
	if err != nil {
		return err
	}
	if !req.Wait {
		return q.json(http.StatusAccepted, job)
	}
	ended := false
	defer func() {
		if ended || q.s.stopping.Err() != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(q.ctx), 10*time.Second)
		defer cancel()
		if _, err := q.s.daemon.Cancel(ctx, q.peer, job.ID); err != nil {
			q.s.log.Warn("cannot cancel the job of a client that went away", "job", job.ID, "err", err)
		}
	}()
	q.header(wire.TypeNDJSON)
	l := newLines(q)
	_ = l.add(&wire.JobEvent{Job: &job})
	ended = q.follow(job, l)
	return nil
}

// follow sends the events of a job until the job ends or following it fails. ended
// reports whether the job has ended.
func (q *request) follow(job wire.Job, l *lines) (ended bool) {
	defer l.close()
	done := false
	err := q.s.daemon.FollowJob(q.ctx, q.peer, job.ID, func(e *wire.JobEvent) error {
		if done {
			return nil
		}
		if e.End != nil {
			done, ended = true, e.End.Job.State.Ended()
		}
		return l.add(e)
	})
	if done || l.failed() {
		return ended
	}
	end := wire.JobEnd{Job: job}
	switch {
	case err != nil:
		end.Error = q.problem(err)
	default:
		end.Error = wire.ErrInternal.With("the job's events ended before the job")
	}
	if now, err := q.s.daemon.Job(context.WithoutCancel(q.ctx), q.peer, job.ID); err == nil {
		end.Job = now
		ended = now.State.Ended()
	}
	if end.Error.Type == wire.ErrStopping.Type && !end.Job.State.Ended() {
		end.Error = wire.ErrStopping.With("indexd is stopping; job %d is resumed at the next start", job.ID)
	}
	_ = l.add(&wire.JobEvent{End: &end})
	return ended
}

// cancelJob answers DELETE /v1/jobs/{id}.
func (q *request) cancelJob() error {
	var job wire.Job
	if err := q.quick(func() (err error) { job, err = q.s.daemon.Cancel(q.ctx, q.peer, q.id); return err }); err != nil {
		return err
	}
	return q.json(http.StatusOK, job)
}

// getStatus returns the status from the daemon.
func (q *request) getStatus() (st wire.Status, err error) {
	err = q.quick(func() error { st, err = q.s.daemon.Status(q.ctx, q.peer); return err })
	return st, err
}

// statusPage answers GET /v1/status.
func (q *request) statusPage() error {
	st, err := q.getStatus()
	if err != nil {
		return err
	}
	if st.Roots == nil {
		st.Roots = []wire.Root{}
	}
	if st.Jobs == nil {
		st.Jobs = []wire.Job{}
	}
	return q.json(http.StatusOK, st)
}

// wait answers GET /v1/wait. It sends nothing before the daemon is ready.
func (q *request) wait() error {
	ready := false
	if err := q.params(map[string]func([]string) error{
		"ready": func(v []string) (err error) { ready, err = flag(v); return err },
	}); err != nil {
		return err
	}
	if err := q.s.daemon.Wait(q.ctx, q.peer, ready); err != nil {
		return err
	}
	return q.json(http.StatusOK, map[string]bool{"ready": true})
}

// explain answers GET /v1/explain?path=…
func (q *request) explain() error {
	var name string
	if err := q.params(map[string]func([]string) error{
		"path": func(v []string) error { name = v[0]; return nil },
	}); err != nil {
		return err
	}
	name, err := cleaned(name)
	if err != nil {
		return err
	}
	ctx, err := q.work()
	if err != nil {
		return err
	}
	e, err := q.s.daemon.Explain(ctx, q.peer, name)
	if err != nil {
		return err
	}
	q.slot.release()
	return q.json(http.StatusOK, e)
}

// checkInterval is the minimum time between two progress lines of a check.
const checkInterval = 500 * time.Millisecond

// check answers POST /v1/check with a line for each difference.
func (q *request) check() error {
	var req wire.CheckRequest
	if err := q.decode(&req); err != nil {
		return err
	}
	if req.Path != "" {
		var err error
		if req.Path, err = cleaned(req.Path); err != nil {
			return err
		}
	}
	// A check reads as much as a rescan, so it has its own queue.
	q.slot = slot{of: q.s.long, uid: q.peer.UID}
	ctx, err := q.work()
	if err != nil {
		return err
	}
	var l *lines
	begin := func() {
		if l == nil {
			q.header(wire.TypeNDJSON)
			l = newLines(q)
		}
	}
	defer func() {
		if l != nil {
			l.close()
		}
	}()
	send := func(v any) error {
		begin()
		q.slot.release()
		if err := l.add(v); err != nil {
			return err
		}
		return q.slot.acquire(q.ctx)
	}
	reported := time.Now()
	result, err := q.s.daemon.Check(ctx, q.peer, &req, func(d *wire.Difference) error {
		return send(d)
	}, func(r wire.CheckResult) error {
		if time.Since(reported) < checkInterval {
			return nil
		}
		reported = time.Now()
		return send(struct {
			Progress wire.CheckResult `json:"progress"`
		}{r})
	})
	if err != nil && l == nil {
		return err
	}
	if err != nil {
		result.Error = q.problem(err)
	}
	begin()
	q.slot.release()
	return l.add(struct {
		End wire.CheckResult `json:"end"`
	}{result})
}

// cleaned returns a path in the form that the index uses. It must be absolute. Symbolic
// links are not followed.
func cleaned(name string) (string, error) {
	switch {
	case !strings.HasPrefix(name, "/"):
		return "", wire.ErrBadRequest.With("path %q is not absolute", name)
	case strings.IndexByte(name, 0) >= 0:
		return "", wire.ErrBadRequest.With("path %q has a NUL in it", name)
	}
	return path.Clean(name), nil
}

// clean replaces each name by its cleaned form.
func clean(names []string) (err error) {
	for i := range names {
		if names[i], err = cleaned(names[i]); err != nil {
			return err
		}
	}
	return nil
}
