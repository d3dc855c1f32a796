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

// Rescan is server.Daemon's. Who is no admin may have listed again what it may
// list.
func (d *daemon) Rescan(ctx context.Context, p server.Peer, req *wire.RescanRequest) (wire.Job, error) {
	c := d.caller(p, time.Time{})
	who, paths := indexer.Asker{UID: p.UID}, []string(req.Paths)
	if !c.all {
		who.May = c.mayRescan
		if len(paths) == 0 {
			paths = c.roots()
			if len(paths) == 0 {
				return wire.Job{}, wire.ErrForbidden.With("there is no root that you may read")
			}
		}
	}
	info, err := d.x.Rescan(ctx, who, paths, req.Wait)
	if err != nil {
		return wire.Job{}, problem(err)
	}
	return c.wireJob(ctx, &info)
}

// errUnreadable is the result of a path that the caller sees and may not have
// listed again.
var errUnreadable = errors.New("permission denied")

func (c *caller) mayRescan(p string) error {
	switch {
	case !c.sees(p):
		return indexer.ErrNotIndexed
	case !c.admin && !c.lists(p) && c.view.IsDir(p):
		return errUnreadable
	}
	return nil
}

// Jobs is server.Daemon's. The daemon's own jobs are not shown: of a root's
// first index and of what it finds to do, status tells.
func (d *daemon) Jobs(ctx context.Context, p server.Peer) ([]wire.Job, error) {
	return d.caller(p, time.Time{}).jobs(ctx, func(*jobs.Info) bool { return true })
}

// jobs are the rescans that the caller may know of and that keep wants, those under
// way first, then the newest.
func (c *caller) jobs(ctx context.Context, keep func(*jobs.Info) bool) ([]wire.Job, error) {
	list := []wire.Job{}
	for _, info := range c.d.x.Jobs().All() {
		if c.knows(&info) && keep(&info) {
			j, err := c.wireJob(ctx, &info)
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

// knows reports whether the caller may know of a job: its own, and an admin also of
// one of paths that it sees.
func (c *caller) knows(info *jobs.Info) bool {
	if c.all || info.UID == c.uid {
		return true
	}
	return c.admin && !slices.ContainsFunc(info.Paths, func(p wire.PathResult) bool { return !c.sees(p.Path) })
}

// Job is server.Daemon's.
func (d *daemon) Job(ctx context.Context, p server.Peer, id uint64) (wire.Job, error) {
	c := d.caller(p, time.Time{})
	info, err := c.rescan(id)
	if err != nil {
		return wire.Job{}, err
	}
	return c.wireJob(ctx, &info)
}

// rescan is a job that the caller may know of; of another it is told what it is
// told of one that never was.
func (c *caller) rescan(id uint64) (jobs.Info, error) {
	info, err := c.d.x.Jobs().Get(id)
	if err == nil && !c.knows(&info) {
		err = jobs.ErrNoJob
	}
	return info, problem(err)
}

// Cancel is server.Daemon's. Who may know of a job may cancel it: it asked for it,
// or is an admin.
func (d *daemon) Cancel(ctx context.Context, p server.Peer, id uint64) (wire.Job, error) {
	if _, err := d.caller(p, time.Time{}).rescan(id); err != nil {
		return wire.Job{}, err
	}
	if err := d.x.Jobs().Cancel(id); err != nil {
		return wire.Job{}, problem(err)
	}
	return d.Job(ctx, p, id)
}

// FollowJob is server.Daemon's.
func (d *daemon) FollowJob(ctx context.Context, p server.Peer, id uint64, event func(*wire.JobEvent) error) error {
	c := d.caller(p, time.Time{})
	if _, err := c.rescan(id); err != nil {
		return err
	}
	f := follower{c: c, ctx: ctx, event: event, results: make(map[int]wire.PathResult), told: time.Now()}
	return problem(d.x.Jobs().Follow(ctx, id, func(e jobs.Event) error { return f.take(id, &e) }))
}

// follower turns the indexer's events into those of the wire: results of paths
// in the order asked, and progress now and then.
type follower struct {
	c       *caller
	ctx     context.Context
	event   func(*wire.JobEvent) error
	results map[int]wire.PathResult // that have to wait for those before
	next    int                     // the path whose result is told next
	told    time.Time               // when progress was
}

const progressEvery = 200 * time.Millisecond

func (f *follower) take(id uint64, e *jobs.Event) error {
	switch {
	case e.End != nil:
		return f.end(e.End)
	case e.Path != nil:
		var err error
		if f.results[e.Path.Index], err = f.c.wireResult(f.ctx, *e.Path); err != nil {
			return err
		}
		return f.tellResults()
	case e.Dir != nil:
		if !f.c.lists(e.Dir.Dir) {
			return nil
		}
		err := f.event(&wire.JobEvent{Dir: e.Dir})
		if now := time.Now(); err == nil && f.c.all && now.Sub(f.told) >= progressEvery {
			f.told = now
			if info, jerr := f.c.d.x.Jobs().Get(id); jerr == nil {
				p := progressOf(&info)
				err = f.event(&wire.JobEvent{Progress: &p})
			}
		}
		return err
	}
	return nil
}

func (f *follower) tellResults() error {
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

// end tells what was not told and that the job has ended.
func (f *follower) end(info *jobs.Info) (err error) {
	for i := f.next; i < len(info.Paths); i++ {
		if !info.Interrupted {
			if f.results[i], err = f.c.wireResult(f.ctx, info.Paths[i]); err != nil {
				return err
			}
		}
	}
	if err := f.tellResults(); err != nil {
		return err
	}
	job, err := f.c.wireJob(f.ctx, info)
	if err != nil {
		return err
	}
	end := &wire.JobEnd{Job: job}
	if info.Interrupted {
		end.Error = wire.ErrStopping
	}
	return f.event(&wire.JobEvent{End: end})
}

// wireJob is a job as the caller may see it: how much was listed is for who sees
// all.
func (c *caller) wireJob(ctx context.Context, info *jobs.Info) (wire.Job, error) {
	j := wire.Job{
		ID: info.ID, State: info.State, Created: info.Created, Ended: timePtr(info.Ended),
		UID: info.UID, Resumed: info.Created.Before(c.d.begun),
	}
	if c.all {
		j.Progress = progressOf(info)
	}
	for _, p := range info.Paths {
		j.Paths = append(j.Paths, p.Path)
		if p.State.Ended() {
			r, err := c.wireResult(ctx, p)
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

// wireResult is the result of a path as the caller may see it. Who may not see all
// is told how many entries it sees there, and nothing of what went wrong below.
func (c *caller) wireResult(ctx context.Context, r wire.PathResult) (wire.PathResult, error) {
	if c.all {
		return r, nil
	}
	r.Dirs, r.Entries, r.Errors = 0, 0, 0
	switch {
	case r.State == wire.JobDone:
		r.Error = ""
	case r.State != wire.JobFailed, r.Error == errUnreadable.Error():
	case r.Error != wire.NotIndexed && c.sees(r.Path):
		r.Error = "it could not be listed"
	default: // whatever became of it, it is not for the caller any more
		r.Error = wire.NotIndexed
	}
	if r.State != wire.JobDone || !c.lists(r.Path) {
		return r, nil
	}
	var err error
	r.Dirs, r.Entries, err = c.count(ctx, r.Path)
	return r, err
}

// count counts the directories and the entries below a directory that the caller
// sees.
func (c *caller) count(ctx context.Context, dir string) (dirs, entries int64, err error) {
	for _, n := range []struct {
		filters []string
		to      *int64
	}{{nil, &entries}, {[]string{"type:d"}, &dirs}} {
		plan, err := plan.Compile(&query.Request{In: []string{dir}, Filters: n.filters, Count: true})
		if err != nil {
			return 0, 0, err
		}
		sum, err := c.d.runner.Find(ctx, &exec.Query{Plan: plan, Count: true, Viewer: c.viewer()}, nil)
		if err != nil {
			return 0, 0, err
		}
		*n.to = sum.Count
	}
	return dirs + 1, entries, nil
}
