package walker

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Job is work in a Pool: directories, and everything found below them. It ends when no
// directory is queued or being processed and nobody holds it. Once stopped or cancelled,
// it ends when no directory is being processed. Its methods may be called from any
// goroutine, also after the end.
type Job struct {
	pool        *Pool
	spec        Spec
	id          uint64
	done        chan struct{}
	cancelCh    chan struct{} // closed when cancelled
	stopContext func() bool
	cancelled   atomic.Bool // checked in the middle of a listing

	// All below is guarded by the pool's lock.
	lanes  []*lane
	queued int    // items in all lanes
	begun  int    // those among them that passed Admit
	turn   uint64 // when it was last served, see Pool.turns
	active int    // assignments
	holds  int
	ended  bool
	err    error // why it ends or ended early
	stats  JobStats

	// changed is broadcast when a worker that waits for the job may find work or its
	// end; waiters counts those workers. waitsFor counts how many Visits of this job
	// wait for each other job.
	changed  sync.Cond
	waiters  int
	waitsFor map[*Job]int
}

// ID returns the number of the job, counting from 1 in each pool.
func (j *Job) ID() uint64 { return j.id }

// Add queues directories, given by absolute clean paths. They are listed in the order
// given, before anything queued earlier. Add returns ErrJobDone once the job has ended or
// was stopped or cancelled.
func (j *Job) Add(dirs ...string) error {
	devs := j.pool.knownDevices(dirs)
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	if j.ended || j.err != nil {
		return ErrJobDone
	}
	j.queueDirs(dirs, devs)
	return nil
}

// Hold keeps the job from ending, unless it is stopped or cancelled, until release is
// called. Further calls of release do nothing.
func (j *Job) Hold() (release func()) {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	j.holds++
	return sync.OnceFunc(j.Release)
}

// Release drops the hold with which a job with Spec.Held begins. It must be called once.
func (j *Job) Release() {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	j.holds--
	j.endIfDone()
}

// Stop ends the job early: directories being processed are finished, with all their
// parts; queued ones are dropped.
func (j *Job) Stop() { j.end(ErrStopped) }

// Cancel ends the job at once: a worker checks between two reads of names and every 32
// statx calls, and ends its directory with ErrCancelled.
func (j *Job) Cancel() { j.end(ErrCancelled) }

// Done returns a channel that is closed when the job has ended.
func (j *Job) Done() <-chan struct{} { return j.done }

// Cancelled returns a channel that is closed when the job is cancelled. It is meant for a
// Visit that blocks.
func (j *Job) Cancelled() <-chan struct{} { return j.cancelCh }

// Wait waits until the job or ctx ends. It returns nil if everything was done,
// ErrStopped, or an error that wraps ErrCancelled and the cause (that of the job's
// context, or ErrClosed). If ctx ends first, it returns the cause of ctx. Any number of
// goroutines may wait. Inside Visit, use Result.Wait.
func (j *Job) Wait(ctx context.Context) (JobStats, error) {
	select {
	case <-j.done:
		return j.Stats(), j.err
	default:
	}
	select {
	case <-j.done:
		return j.Stats(), j.err
	case <-ctx.Done():
		return j.Stats(), context.Cause(ctx)
	}
}

// Stats returns the progress of the job.
func (j *Job) Stats() JobStats {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	return j.statsLocked()
}

// The methods below need the pool's lock.

func (j *Job) statsLocked() JobStats {
	s := j.stats
	s.FirstErrors = slices.Clone(s.FirstErrors)
	s.Queued = j.queued - j.begun
	s.InHand = j.active + j.begun
	return s
}

// queueDirs queues directories given by the caller. devs is what is known of their
// devices, or nil.
func (j *Job) queueDirs(dirs []string, devs []uint64) {
	for i, dir := range slices.Backward(dirs) {
		dev := uint64(0)
		if devs != nil {
			dev = devs[i]
		}
		j.pool.push(j, dev, item{dir: dir})
	}
	j.pool.wake(len(dirs))
	j.notify()
}

// notify wakes the workers that wait for the job.
func (j *Job) notify() {
	if j.waiters > 0 {
		j.changed.Broadcast()
	}
}

// countError records a directory that could not be listed.
func (j *Job) countError(dir string, err error) {
	j.stats.Errors++
	if len(j.stats.FirstErrors) < MaxErrors {
		j.stats.FirstErrors = append(j.stats.FirstErrors, DirError{dir, err})
	}
}

// end is endLocked for callers that do not hold the lock.
func (j *Job) end(err error) {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	j.endLocked(err)
}

// endLocked ends the job early. A stopped job can still be cancelled, but not the
// reverse.
func (j *Job) endLocked(err error) {
	if j.ended || j.cancelled.Load() {
		return
	}
	j.err = err
	if err != ErrStopped {
		j.cancelled.Store(true)
		close(j.cancelCh)
		j.pool.wake(j.begun) // Visit must see the end of each directory that was begun
		j.notify()
		for k := range j.waitsFor {
			k.notify()
		}
	}
	j.pool.dropQueued(j)
	j.endIfDone()
}

// endIfDone ends the job if nothing is left to do.
func (j *Job) endIfDone() {
	if j.ended || j.active > 0 || j.queued > 0 || j.holds > 0 && j.err == nil {
		return
	}
	j.ended = true
	p := j.pool
	delete(p.jobs, j)
	p.dropLanes(j)
	close(j.done)
	j.notify()
	if j.stopContext != nil {
		j.stopContext()
	}
	if j.spec.Done != nil {
		p.notifyDone(j)
	}
}

// reaches reports whether j waits for k, directly or through other jobs.
func (j *Job) reaches(k *Job) bool {
	seen := map[*Job]bool{}
	var visit func(j *Job) bool
	visit = func(j *Job) bool {
		if j == k {
			return true
		}
		if seen[j] {
			return false
		}
		seen[j] = true
		for next := range j.waitsFor {
			if visit(next) {
				return true
			}
		}
		return false
	}
	return visit(j)
}
