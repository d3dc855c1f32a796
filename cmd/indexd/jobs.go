package main

import (
	"cmp"
	"context"
	"os"
	"slices"
	"time"

	"indexd/internal/indexer"
	"indexd/ipc"
	"indexd/ipc/server"
)

// Rescan is server.Daemon's.
func (d *daemon) Rescan(ctx context.Context, p server.Peer, req *ipc.RescanRequest) (ipc.Job, error) {
	info, err := d.x.Rescan(ctx, req.Paths, req.Wait)
	if err != nil {
		return ipc.Job{}, problem(err)
	}
	d.askersMu.Lock()
	d.askers[info.ID] = p.UID
	if len(d.askers) > 100_000 { // far more than there are jobs that can be asked about
		for id := range d.askers {
			if _, err := d.x.Job(id); err != nil {
				delete(d.askers, id)
			}
		}
	}
	d.askersMu.Unlock()
	return d.wireJob(&info), nil
}

// Jobs is server.Daemon's. The daemon's own jobs are not shown: of a root's
// first index and of what it finds to do, status tells.
func (d *daemon) Jobs(context.Context, server.Peer) ([]ipc.Job, error) {
	return d.jobs(func(*indexer.JobInfo) bool { return true }), nil
}

// jobs are the rescans that keep wants, those under way first, then the newest.
func (d *daemon) jobs(keep func(*indexer.JobInfo) bool) []ipc.Job {
	list := []ipc.Job{}
	for _, info := range d.x.Jobs() {
		if info.Kind == indexer.Rescan && keep(&info) {
			list = append(list, d.wireJob(&info))
		}
	}
	slices.SortFunc(list, func(a, b ipc.Job) int {
		if a.State.Ended() != b.State.Ended() {
			if b.State.Ended() {
				return -1
			}
			return 1
		}
		return -cmp.Compare(a.ID, b.ID)
	})
	return list
}

// Job is server.Daemon's.
func (d *daemon) Job(_ context.Context, _ server.Peer, id uint64) (ipc.Job, error) {
	info, err := d.rescan(id)
	if err != nil {
		return ipc.Job{}, err
	}
	return d.wireJob(&info), nil
}

func (d *daemon) rescan(id uint64) (indexer.JobInfo, error) {
	info, err := d.x.Job(id)
	if err == nil && info.Kind != indexer.Rescan {
		err = indexer.ErrNoJob
	}
	return info, problem(err)
}

// Cancel is server.Daemon's.
func (d *daemon) Cancel(ctx context.Context, p server.Peer, id uint64) (ipc.Job, error) {
	if _, err := d.rescan(id); err != nil {
		return ipc.Job{}, err
	}
	if err := d.x.Cancel(id); err != nil {
		return ipc.Job{}, problem(err)
	}
	return d.Job(ctx, p, id)
}

// FollowJob is server.Daemon's.
func (d *daemon) FollowJob(ctx context.Context, _ server.Peer, id uint64, event func(*ipc.JobEvent) error) error {
	if _, err := d.rescan(id); err != nil {
		return err
	}
	f := follower{d: d, event: event, results: make(map[int]ipc.PathResult), told: time.Now()}
	return problem(d.x.Follow(ctx, id, func(e indexer.Event) error { return f.take(id, &e) }))
}

// follower turns the indexer's events into those of the wire: results of paths
// in the order asked, and progress now and then.
type follower struct {
	d       *daemon
	event   func(*ipc.JobEvent) error
	results map[int]ipc.PathResult // that have to wait for those before
	next    int                    // the path whose result is told next
	told    time.Time              // when progress was
}

const progressEvery = 200 * time.Millisecond

func (f *follower) take(id uint64, e *indexer.Event) error {
	switch {
	case e.End != nil:
		return f.end(e.End)
	case e.Path != nil:
		f.results[e.Index] = wireResult(e.Index, e.Path)
		return f.tellResults()
	case e.Dir != "":
		err := f.event(&ipc.JobEvent{Dir: &ipc.JobDir{Worker: e.Worker, Dir: e.Dir, Files: e.Files}})
		if now := time.Now(); err == nil && now.Sub(f.told) >= progressEvery {
			f.told = now
			if info, jerr := f.d.x.Job(id); jerr == nil {
				p := progressOf(&info)
				err = f.event(&ipc.JobEvent{Progress: &p})
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
		if err := f.event(&ipc.JobEvent{Path: &r}); err != nil {
			return err
		}
	}
}

// end tells what was not told and that the job has ended.
func (f *follower) end(info *indexer.JobInfo) error {
	for i := f.next; i < len(info.Paths); i++ {
		if info.State != indexer.Interrupted {
			f.results[i] = wireResult(i, &info.Paths[i])
		}
	}
	if err := f.tellResults(); err != nil {
		return err
	}
	end := &ipc.JobEnd{Job: f.d.wireJob(info)}
	if info.State == indexer.Interrupted {
		end.Error = ipc.ErrStopping
	}
	return f.event(&ipc.JobEvent{End: end})
}

func (d *daemon) wireJob(info *indexer.JobInfo) ipc.Job {
	j := ipc.Job{
		ID: info.ID, State: wireState(info.State), Created: info.Created, Ended: timePtr(info.Ended),
		Progress: progressOf(info),
	}
	d.askersMu.Lock()
	uid, ok := d.askers[info.ID]
	d.askersMu.Unlock()
	if j.UID = uid; !ok {
		j.UID, j.Resumed = uint32(os.Geteuid()), info.Created.Before(d.begun)
	}
	for i := range info.Paths {
		p := &info.Paths[i]
		j.Paths = append(j.Paths, p.Path)
		if wireState(p.State).Ended() {
			j.Results = append(j.Results, wireResult(i, p))
		}
	}
	return j
}

func progressOf(info *indexer.JobInfo) (sum ipc.Progress) {
	for i := range info.Paths {
		sum.Dirs += info.Paths[i].Dirs
		sum.Entries += info.Paths[i].Entries
		sum.Errors += info.Paths[i].Errors
		sum.Queued += info.Paths[i].Queued
	}
	return sum
}

func wireResult(i int, p *indexer.PathResult) ipc.PathResult {
	return ipc.PathResult{
		Index: i, Path: p.Path, State: wireState(p.State), Dirs: p.Dirs, Entries: p.Entries, Errors: p.Errors, Error: p.Err,
	}
}

// wireState is the state that a client sees: of a job that goes on at the next
// start, that it has not ended.
func wireState(s indexer.State) ipc.JobState {
	switch s {
	case indexer.Queued:
		return ipc.JobQueued
	case indexer.Done:
		return ipc.JobDone
	case indexer.Failed:
		return ipc.JobFailed
	case indexer.Cancelled:
		return ipc.JobCancelled
	}
	return ipc.JobRunning
}
