// Package jobs has rescans as users see them: ids, states and results, whoever follows
// them, and a history of those that have ended.
//
// A job is a record without a goroutine. Each of its paths is listed by a Task of the
// indexer, which several jobs may share.
package jobs

import (
	"errors"
	"slices"
	"sync"
	"time"

	"indexd/ipc/wire"
	"indexd/walker"
)

// ErrNotIndexed is the result of a path that is missing, excluded, outside every root, or
// not visible to whoever asks. It is the same for all of these, because the difference
// would tell what may not be known.
var ErrNotIndexed = errors.New("no such file or directory in the index")

// A Task lists one path of one or more jobs.
type Task interface {
	// Stats returns what it has done so far, and whether it has begun.
	Stats() (walker.JobStats, bool)
	// Leave removes one of its users. It is cancelled with the last one.
	Leave(User)
}

// A User of a Task is told how it goes. The methods must not block.
type User interface {
	DirListed(worker int, dir string, entries int)
	TaskEnded(t Task, stats walker.JobStats, err error)
}

// Info is a job at one moment.
type Info struct {
	ID          uint64
	UID         uint32 // of whoever asked for it
	State       wire.JobState
	Interrupted bool // the daemon is stopping; the job is resumed at the next start
	Created     time.Time
	Ended       time.Time // zero while it runs
	// Paths are in the order asked, with the results of those that have ended.
	Paths  []wire.PathResult
	Queued int64 // directories known and not yet listed
}

// An Event is news of a job, for Follow.
type Event struct {
	Dir  *wire.JobDir     // a directory was listed
	Path *wire.PathResult // a path has ended
	// Lost is how many events between the one before and this were dropped, because the
	// follower was slow.
	Lost int
	End  *Info // set in the last event
}

// A Job is a number of paths that somebody wants listed again.
type Job struct {
	history *History // nil: it is not shown to users

	mu        sync.Mutex
	info      Info
	tasks     []Task // one per path; nil if it was refused or has ended
	open      int    // tasks that have not ended, and 1 until all are attached
	followers map[*follower]struct{}
	first     *follower // created with the job, for its creator
}

// New returns a job that no user sees, for Follow to wait for. Its creator attaches a
// task for each path, or refuses it, and then calls Attached.
func New(paths []string) *Job {
	j := &Job{open: 1, tasks: make([]Task, len(paths))}
	j.info = Info{State: wire.JobRunning, Created: time.Now()}
	for i, p := range paths {
		j.info.Paths = append(j.info.Paths, wire.PathResult{Index: i, Path: p, State: wire.JobQueued})
	}
	return j
}

// ID returns the job's number.
func (j *Job) ID() uint64 { return j.info.ID } // which never changes

// Paths returns the paths of the job.
func (j *Job) Paths() (list []string) {
	for i := range j.info.Paths {
		list = append(list, j.info.Paths[i].Path) // which never changes
	}
	return list
}

// Info returns the job as it stands.
func (j *Job) Info() Info {
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
		s, begun := t.Stats()
		p.Dirs, p.Entries, p.Errors = s.Dirs, s.Entries, s.Errors
		info.Queued += int64(s.Queued)
		if begun {
			p.State = wire.JobRunning
		}
	}
	return info
}

func (j *Job) copyLocked() Info {
	info := j.info
	info.Paths = slices.Clone(j.info.Paths)
	return info
}

// Attach makes t the task of path i. The caller starts t.
func (j *Job) Attach(i int, t Task) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tasks[i] = t
	j.open++
}

// Refuse ends path i with an error.
func (j *Job) Refuse(i int, why error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := &j.info.Paths[i]
	p.State, p.Error = wire.JobFailed, why.Error()
	result := *p
	j.publishLocked(Event{Path: &result})
}

// Attached is called when every path has its task or was refused.
func (j *Job) Attached() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.open--; j.open == 0 {
		j.endLocked("")
	}
}

// DirListed implements User.
func (j *Job) DirListed(worker int, dir string, entries int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.followers) > 0 {
		j.publishLocked(Event{Dir: &wire.JobDir{Worker: worker, Dir: dir, Files: entries}})
	}
}

// TaskEnded implements User. Several paths may share the task.
func (j *Job) TaskEnded(t Task, stats walker.JobStats, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	ended := false
	for i := range j.tasks {
		if j.tasks[i] == t {
			j.tasks[i] = nil
			j.open--
			p := &j.info.Paths[i]
			j.setResult(p, stats, err)
			result := *p
			j.publishLocked(Event{Path: &result})
			ended = j.open == 0
		}
	}
	if ended {
		j.endLocked("")
	}
}

// setResult sets the result of a path from how its task ended.
func (j *Job) setResult(p *wire.PathResult, stats walker.JobStats, err error) {
	p.State = wire.JobDone
	p.Dirs, p.Entries, p.Errors = stats.Dirs, stats.Entries, stats.Errors
	if stats.Errors > 0 {
		p.Error = stats.FirstErrors[0].Err.Error()
	}
	if err == nil && j.history != nil {
		err = j.history.present(p.Path)
	}
	if errors.Is(err, ErrNotIndexed) { // nothing else may be known
		*p = wire.PathResult{Index: p.Index, Path: p.Path}
		err = ErrNotIndexed
	}
	if err != nil {
		p.State, p.Error = wire.JobFailed, err.Error()
	}
}

// endLocked ends the job with a state, or with "" as its paths came out.
func (j *Job) endLocked(state wire.JobState) {
	if !j.info.Ended.IsZero() {
		return
	}
	if state == "" {
		state = wire.JobDone
		if slices.ContainsFunc(j.info.Paths, func(p wire.PathResult) bool { return p.State == wire.JobFailed }) {
			state = wire.JobFailed
		}
	}
	for i := range j.info.Paths {
		if p := &j.info.Paths[i]; !p.State.Ended() {
			p.State = state
		}
	}
	j.info.State, j.info.Ended = state, time.Now()
	end := j.copyLocked()
	j.publishLocked(Event{End: &end})
	if j.history != nil {
		j.history.ended(&j.info)
	}
}

// Cancel ends the job. A task that only this job used is stopped.
func (j *Job) Cancel() { j.stop(wire.JobCancelled, false) }

// Interrupt ends the job because the daemon stops. It is resumed at the next start.
func (j *Job) Interrupt() { j.stop(wire.JobRunning, true) }

func (j *Job) stop(state wire.JobState, interrupted bool) {
	j.mu.Lock()
	tasks := slices.Clone(j.tasks)
	if j.info.Ended.IsZero() {
		j.info.Interrupted = interrupted
	}
	j.endLocked(state)
	j.mu.Unlock()
	for _, t := range tasks {
		if t != nil {
			t.Leave(j)
		}
	}
}
