package indexer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"indexd/walker"
)

// Kind is why a job exists.
type Kind string

// The kinds of jobs.
const (
	Index     Kind = "index"     // the first listing of a root
	Rescan    Kind = "rescan"    // somebody asked
	Reconcile Kind = "reconcile" // after a start: what changed while nobody looked
	Sweep     Kind = "sweep"     // on time
	Synced    Kind = "sync"      // a barrier needs it: nobody asked for a job
)

// State of a job, or of one of its paths.
type State string

// The states. A job is Done when every path is, Failed when one of them failed.
const (
	Queued    State = "queued"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	// Interrupted: the daemon stops; the job goes on at the next start.
	Interrupted State = "interrupted"
)

// PathResult is what became of one path of a job.
type PathResult struct {
	Path    string
	State   State
	Dirs    int64 // listed
	Entries int64
	Errors  int64  // directories that could not be listed
	Err     string // why the path failed, or the first of the errors below it
	Queued  int64  // directories known and not begun; 0 when it has ended
}

// JobInfo is a job as it stands at one moment.
type JobInfo struct {
	ID      uint64
	UID     uint32 // who asked
	Kind    Kind
	State   State
	Created time.Time
	Ended   time.Time // zero while it is under way
	Paths   []PathResult
}

// Event is news of a job, for Follow.
type Event struct {
	// A directory was listed: by which worker, with how many entries.
	Dir    string
	Worker int
	Files  int
	// A path has ended; Index is its place in the order asked. Nil otherwise.
	Path  *PathResult
	Index int
	// Lost events came between the one before and this: the follower was slow.
	Lost int
	// End is set on the last event.
	End *JobInfo
}

// job is a JobInfo in the making.
type job struct {
	x    *Indexer
	done chan struct{} // closed with the end

	mu        sync.Mutex
	info      JobInfo
	tasks     []*task // one a path; nil where it was refused or has ended
	left      int     // tasks under way, and 1 until all are submitted
	followers map[*follower]struct{}
	first     *follower // made with the job, for who asked for it and will follow
}

func newJob(x *Indexer, kind Kind, id uint64, paths []string) *job {
	j := &job{x: x, done: make(chan struct{})}
	j.info = JobInfo{ID: id, Kind: kind, State: Running, Created: time.Now()}
	for _, p := range paths {
		j.info.Paths = append(j.info.Paths, PathResult{Path: p, State: Queued})
	}
	j.tasks = make([]*task, len(paths))
	j.left = 1
	return j
}

// snapshot copies the job as it stands.
func (j *job) snapshot() JobInfo {
	j.mu.Lock()
	info := j.copyLocked()
	tasks := slices.Clone(j.tasks)
	j.mu.Unlock()
	// A task's lock is taken before a job's, never under it.
	for i, t := range tasks {
		if t == nil {
			continue
		}
		p := &info.Paths[i]
		s, begun := t.stats()
		p.Dirs, p.Entries, p.Errors, p.Queued = s.Dirs, s.Entries, s.Errors, int64(s.Queued)
		if begun {
			p.State = Running
		}
	}
	return info
}

func (j *job) copyLocked() JobInfo {
	info := j.info
	info.Paths = slices.Clone(j.info.Paths)
	return info
}

// attach gives path i of the job a task, which is started by the caller.
func (j *job) attach(i int, t *task) {
	j.mu.Lock()
	j.tasks[i] = t
	j.left++
	j.mu.Unlock()
}

// refuse ends path i at once.
func (j *job) refuse(i int, why error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := &j.info.Paths[i]
	p.State, p.Err = Failed, why.Error()
	result := *p
	j.publishLocked(Event{Path: &result, Index: i})
}

// submitted says that every path has its task or was refused.
func (j *job) submitted() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.left--; j.left == 0 {
		j.endLocked("")
	}
}

// directory and finished are the task's news.
func (j *job) directory(worker int, dir string, files int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.publishLocked(Event{Dir: dir, Worker: worker, Files: files})
}

func (j *job) finished(t *task, stats walker.JobStats, err error) {
	j.mu.Lock()
	ended := false
	for i := range j.tasks {
		if j.tasks[i] != t {
			continue
		}
		j.tasks[i] = nil
		j.left--
		p := &j.info.Paths[i]
		p.Dirs, p.Entries, p.Errors = stats.Dirs, stats.Entries, stats.Errors
		if t.alone != "" && p.Dirs > 0 { // it was listed for the path's own entry
			p.Dirs--
			p.Entries -= t.aloneEntries
		}
		p.State = Done
		switch {
		case err != nil:
			p.State, p.Err = Failed, err.Error()
		case stats.Errors > 0:
			p.Err = stats.FirstErrors[0].Err.Error()
		}
		if err == nil && j.info.Kind == Rescan {
			switch err := j.x.present(p.Path); {
			case errors.Is(err, ErrNotIndexed): // that is all there is to be said, whyever
				*p = PathResult{Path: p.Path, State: Failed, Err: ErrNotIndexed.Error()}
			case err != nil:
				p.State, p.Err = Failed, err.Error()
			}
		}
		result := *p
		j.publishLocked(Event{Path: &result, Index: i})
		ended = j.left == 0
	}
	if ended {
		j.endLocked("")
	}
	j.mu.Unlock()
}

// endLocked closes the job: as state, or as its paths came out.
func (j *job) endLocked(state State) {
	select {
	case <-j.done:
		return
	default:
	}
	if state == "" {
		state = Done
		for _, p := range j.info.Paths {
			if p.State == Failed {
				state = Failed
			}
		}
	}
	for i := range j.info.Paths {
		if p := &j.info.Paths[i]; p.State == Queued || p.State == Running {
			p.State = state
		}
	}
	j.info.State, j.info.Ended = state, time.Now()
	end := j.copyLocked()
	j.publishLocked(Event{End: &end})
	close(j.done)
	j.x.jobs.ended(j, state != Interrupted)
}

// cancel ends the job now; what only it wanted is stopped.
func (j *job) cancel(state State) {
	j.mu.Lock()
	tasks := slices.Clone(j.tasks)
	j.endLocked(state)
	j.mu.Unlock()
	for _, t := range tasks {
		if t != nil {
			t.leave(j)
		}
	}
}

// follower is one who reads a job's events, at its own pace: what it has not
// yet read is kept up to a bound, behind which events are counted as lost.
type follower struct {
	wake   chan struct{} // capacity 1
	events []Event       // under the job's mu
	unread int           // those, and those taken but not yet given to fn; under the job's mu
	lost   int           // under the job's mu
}

const followerEvents = 4096

func (j *job) publishLocked(e Event) {
	for f := range j.followers {
		if e.Dir != "" && f.unread >= followerEvents {
			f.lost++
			continue
		}
		e.Lost, f.lost = f.lost, 0
		f.unread++
		f.events = append(f.events, e)
		signal(f.wake)
	}
}

// expectFollower keeps the job's events from its start for the first that will
// follow it. Called before it runs.
func (j *job) expectFollower() {
	j.first = &follower{wake: make(chan struct{}, 1)}
	j.followers = map[*follower]struct{}{j.first: {}}
}

func (j *job) attachFollower() *follower {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f := j.first; f != nil {
		j.first = nil
		return f
	}
	f := &follower{wake: make(chan struct{}, 1)}
	if j.followers == nil {
		j.followers = make(map[*follower]struct{})
	}
	j.followers[f] = struct{}{}
	for i, p := range j.info.Paths {
		if p.State == Done || p.State == Failed {
			f.events = append(f.events, Event{Path: &p, Index: i})
		}
	}
	if !j.info.Ended.IsZero() {
		end := j.copyLocked()
		f.events = append(f.events, Event{End: &end})
	}
	f.unread = len(f.events)
	return f
}

// follow calls fn with the job's events until its end, beginning with the
// paths that have ended already.
func (j *job) follow(ctx context.Context, fn func(Event) error) error {
	f := j.attachFollower()
	defer func() {
		j.mu.Lock()
		delete(j.followers, f)
		j.mu.Unlock()
	}()
	for {
		j.mu.Lock()
		events := f.events
		f.events = nil
		j.mu.Unlock()
		for _, e := range events {
			if err := fn(e); err != nil || e.End != nil {
				return err
			}
			j.mu.Lock()
			f.unread--
			j.mu.Unlock()
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
