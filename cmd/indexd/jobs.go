package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"indexd/internal/indexer"
	"indexd/internal/indexer/jobs"
	"indexd/internal/query"
	"indexd/internal/query/exec"
	"indexd/internal/query/plan"
	"indexd/ipc/server"
	"indexd/ipc/wire"
)

// Rescan implements server.Daemon. Those who are not admins may rescan what they may
// list.
func (d *daemon) Rescan(ctx context.Context, p server.Peer, req *wire.RescanRequest) (wire.Job, error) {
	pr := d.principal(p, time.Time{})
	who, paths := indexer.Asker{UID: p.UID}, []string(req.Paths)
	if !pr.all {
		who.May = pr.mayRescan
		if len(paths) == 0 {
			paths = pr.roots()
			if len(paths) == 0 {
				return wire.Job{}, wire.ErrForbidden.With("there is no root that you may read")
			}
		}
	}
	info, err := d.x.Rescan(ctx, who, paths, req.Wait)
	if err != nil {
		return wire.Job{}, problem(err)
	}
	return pr.wireJob(ctx, &info)
}

// errUnreadable is the result of a path that the principal sees but may not rescan.
var errUnreadable = errors.New("permission denied")

func (pr *principal) mayRescan(p string) error {
	switch {
	case !pr.sees(p):
		return indexer.ErrNotIndexed
	case !pr.admin && !pr.lists(p) && pr.view.IsDir(p):
		return errUnreadable
	}
	return nil
}

// Jobs implements server.Daemon. It does not show the daemon's own work; status does.
func (d *daemon) Jobs(ctx context.Context, p server.Peer) ([]wire.Job, error) {
	return d.principal(p, time.Time{}).jobs(ctx, func(*jobs.Info) bool { return true })
}

// jobs returns the rescans that the principal may know of and that keep selects: the
// running ones first, then the newest.
func (pr *principal) jobs(ctx context.Context, keep func(*jobs.Info) bool) ([]wire.Job, error) {
	list := []wire.Job{}
	for _, info := range pr.d.x.Jobs().All() {
		if pr.knows(&info) && keep(&info) {
			j, err := pr.wireJob(ctx, &info)
			if err != nil {
				return nil, err
			}
			list = append(list, j)
		}
	}
	slices.SortFunc(list, func(a, b wire.Job) int {
		if a.State.Ended() != b.State.Ended() {
			if b.State.Ended() {
				return -1
			}
			return 1
		}
		return -cmp.Compare(a.ID, b.ID)
	})
	return list, nil
}

// knows reports whether the principal may know of a job. Everyone knows their own jobs;
// an admin also knows jobs whose paths it sees.
func (pr *principal) knows(info *jobs.Info) bool {
	if pr.all || info.UID == pr.uid {
		return true
	}
	return pr.admin && !slices.ContainsFunc(info.Paths, func(p wire.PathResult) bool { return !pr.sees(p.Path) })
}

// Job implements server.Daemon.
func (d *daemon) Job(ctx context.Context, p server.Peer, id uint64) (wire.Job, error) {
	pr := d.principal(p, time.Time{})
	info, err := pr.rescan(id)
	if err != nil {
		return wire.Job{}, err
	}
	return pr.wireJob(ctx, &info)
}

// rescan returns a job that the principal may know of. Any other job looks as if it had
// never existed.
func (pr *principal) rescan(id uint64) (jobs.Info, error) {
	info, err := pr.d.x.Jobs().Get(id)
	if err == nil && !pr.knows(&info) {
		err = jobs.ErrNoJob
	}
	return info, problem(err)
}

// Cancel implements server.Daemon. Those who may know of a job may cancel it: they
// requested it or are admins.
func (d *daemon) Cancel(ctx context.Context, p server.Peer, id uint64) (wire.Job, error) {
	if _, err := d.principal(p, time.Time{}).rescan(id); err != nil {
		return wire.Job{}, err
	}
	if err := d.x.Jobs().Cancel(id); err != nil {
		return wire.Job{}, problem(err)
	}
	return d.Job(ctx, p, id)
}

// FollowJob implements server.Daemon.
func (d *daemon) FollowJob(ctx context.Context, p server.Peer, id uint64, event func(*wire.JobEvent) error) error {
	pr := d.principal(p, time.Time{})
	if _, err := pr.rescan(id); err != nil {
		return err
	}
	f := follower{pr: pr, ctx: ctx, event: event, results: make(map[int]wire.PathResult), sent: time.Now()}
	return problem(d.x.Jobs().Follow(ctx, id, func(e jobs.Event) error { return f.take(id, &e) }))
}

// follower turns the events of a job into those that a client sees: results in the
// order of the request's paths, and progress from time to time.
type follower struct {
	pr      *principal
	ctx     context.Context
	event   func(*wire.JobEvent) error
	results map[int]wire.PathResult // results that wait for those of earlier paths
	next    int                     // index of the path whose result is sent next
	sent    time.Time               // when progress was
}

const progressEvery = 200 * time.Millisecond

func (f *follower) take(id uint64, e *jobs.Event) error {
	switch {
	case e.End != nil:
		return f.end(e.End)
	case e.Path != nil:
		var err error
		if f.results[e.Path.Index], err = f.pr.wireResult(f.ctx, *e.Path); err != nil {
			return err
		}
		return f.sendResults()
	case e.Dir != nil:
		if !f.pr.lists(e.Dir.Dir) {
			return nil
		}
		err := f.event(&wire.JobEvent{Dir: e.Dir})
		if now := time.Now(); err == nil && f.pr.all && now.Sub(f.sent) >= progressEvery {
			f.sent = now
			if info, jerr := f.pr.d.x.Jobs().Get(id); jerr == nil {
				p := progressOf(&info)
				err = f.event(&wire.JobEvent{Progress: &p})
			}
		}
		return err
	}
	return nil
}

// sendResults sends the results whose turn it is.
func (f *follower) sendResults() error {
	for {
		r, ok := f.results[f.next]
		if !ok {
			return nil
		}
		delete(f.results, f.next)
		f.next++
		if err := f.event(&wire.JobEvent{Path: &r}); err != nil {
			return err
		}
	}
}

// end sends the results that were not sent yet, and the end of the job.
func (f *follower) end(info *jobs.Info) (err error) {
	for i := f.next; i < len(info.Paths); i++ {
		if !info.Interrupted {
			if f.results[i], err = f.pr.wireResult(f.ctx, info.Paths[i]); err != nil {
				return err
			}
		}
	}
	if err := f.sendResults(); err != nil {
		return err
	}
	job, err := f.pr.wireJob(f.ctx, info)
	if err != nil {
		return err
	}
	end := &wire.JobEnd{Job: job}
	if info.Interrupted {
		end.Error = wire.ErrStopping
	}
	return f.event(&wire.JobEvent{End: end})
}

// wireJob returns a job as the principal may see it. Only principals that see everything
// see how much was listed.
func (pr *principal) wireJob(ctx context.Context, info *jobs.Info) (wire.Job, error) {
	j := wire.Job{
		ID: info.ID, State: info.State, Created: info.Created, Ended: timePtr(info.Ended),
		UID: info.UID, Resumed: info.Created.Before(pr.d.begun),
	}
	if pr.all {
		j.Progress = progressOf(info)
	}
	for _, p := range info.Paths {
		j.Paths = append(j.Paths, p.Path)
		if p.State.Ended() {
			r, err := pr.wireResult(ctx, p)
			if err != nil {
				return j, err
			}
			j.Results = append(j.Results, r)
		}
	}
	return j, nil
}

func progressOf(info *jobs.Info) (sum wire.Progress) {
	for i := range info.Paths {
		sum.Dirs += info.Paths[i].Dirs
		sum.Entries += info.Paths[i].Entries
		sum.Errors += info.Paths[i].Errors
	}
	sum.Queued = info.Queued
	return sum
}

// wireResult returns the result of a path as the principal may see it: one that does not
// see everything gets the number of entries that it sees there, and no errors from below.
func (pr *principal) wireResult(ctx context.Context, r wire.PathResult) (wire.PathResult, error) {
	if pr.all {
		return r, nil
	}
	r.Dirs, r.Entries, r.Errors = 0, 0, 0
	switch {
	case r.State == wire.JobDone:
		r.Error = ""
	case r.State != wire.JobFailed, r.Error == errUnreadable.Error():
	case r.Error != wire.NotIndexed && pr.sees(r.Path):
		r.Error = "it could not be listed"
	default: // the principal no longer sees it, whatever became of it
		r.Error = wire.NotIndexed
	}
	if r.State != wire.JobDone || !pr.lists(r.Path) {
		return r, nil
	}
	var err error
	r.Dirs, r.Entries, err = pr.count(ctx, r.Path)
	return r, err
}

// count counts the directories and entries below a directory, itself included, that the
// principal sees.
func (pr *principal) count(ctx context.Context, dir string) (dirs, entries int64, err error) {
	for _, n := range []struct {
		filters []string
		to      *int64
	}{{nil, &entries}, {[]string{"type:d"}, &dirs}} {
		plan, err := plan.Compile(&query.Request{In: []string{dir}, Filters: n.filters, Count: true})
		if err != nil {
			return 0, 0, err
		}
		sum, err := pr.d.runner.Find(ctx, &exec.Query{Plan: plan, Count: true, Viewer: pr.viewer()}, nil)
		if err != nil {
			return 0, 0, err
		}
		*n.to = sum.Count
	}
	return dirs + 1, entries, nil
}
