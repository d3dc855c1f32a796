package walker

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Job is work in a Pool: directories, and what is found below them. It ends
// when none is queued or in hand and nobody holds it, or, once stopped or
// cancelled, when none is in hand. Its methods may be called from any
// goroutine, also after the end.
type Job struct {
	pool        *Pool
	spec        Spec
	id          uint64
	done        chan struct{}
	cancelCh    chan struct{} // closed when cancelled
	stopContext func() bool
	cancelled   atomic.Bool // seen in the middle of a listing

	// Guarded by the pool's lock.
	lanes  []*lane
	queued int    // items in lanes
	begun  int    // of them, those that passed Admit
	turn   uint64 // when it was last served
	active int
	holds  int
	ended  bool
	err    error // why it is to end, or ended, before all was done
	stats  JobStats

	// changed is broadcast when a worker that waits for the job may find work
	// or its end; waiting is how many do. awaits are the jobs that Visits of
	// this one wait for, and how often.
	changed  sync.Cond
	waiters  int
	waitsFor map[*Job]int
}

// ID is the job's number: 1 for the first of a pool, and so on.
func (j *Job) ID() uint64 { return j.id }

// Add queues directories (absolute, clean), to be listed in the order given
// before anything queued earlier. ErrJobDone once the job has ended or was
// stopped or cancelled.
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

// Hold keeps the job from ending, unless it is stopped or cancelled, until
// release is called; calling release again does nothing.
func (j *Job) Hold() (release func()) {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	j.holds++
	return sync.OnceFunc(j.Release)
}

// Release gives back the hold that a job with Spec.Held begins with; to be
// called once.
func (j *Job) Release() {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	j.holds--
	j.endIfDone()
}

// Stop asks the job to end: directories in hand are finished, with all their
// parts, those queued are dropped.
func (j *Job) Stop() { j.end(ErrStopped) }

// Cancel ends the job at once: a worker sees it between two reads of names and
// every 32 statx, and ends the directory in hand with ErrCancelled.
func (j *Job) Cancel() { j.end(ErrCancelled) }

// Done is closed when the job has ended.
func (j *Job) Done() <-chan struct{} { return j.done }

// Cancelled is closed when the job is cancelled, for a Visit that blocks.
func (j *Job) Cancelled() <-chan struct{} { return j.cancelCh }

// Wait waits for the end of the job, or of ctx, and returns how it went: nil,
// ErrStopped, or an error that is ErrCancelled and, if so, the cause of the
// context or ErrClosed; where ctx ended first, its cause. Any number of
// goroutines may wait. Inside Visit use Result.Wait.
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

// Stats says how far the job is.
func (j *Job) Stats() JobStats {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	return j.statsLocked()
}

// For all below, the pool's lock is held.

func (j *Job) statsLocked() JobStats {
	s := j.stats
	s.FirstErrors = slices.Clone(s.FirstErrors)
	s.Queued = j.queued - j.begun
	s.InHand = j.active + j.begun
	return s
}

// add queues directories given from outside, of whose devices nothing is
// known.
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

// notify lets workers that wait for the job look again.
func (j *Job) notify() {
	if j.waiters > 0 {
		j.changed.Broadcast()
	}
}

// failed counts a directory that could not be listed.
func (j *Job) countError(dir string, err error) {
	j.stats.Errors++
	if len(j.stats.FirstErrors) < MaxErrors {
		j.stats.FirstErrors = append(j.stats.FirstErrors, DirError{dir, err})
	}
}

// end is endLocked for callers without the lock.
func (j *Job) end(err error) {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	j.endLocked(err)
}

// endLocked lets the job end early. To cancel what was stopped is possible,
// the other way round changes nothing.
func (j *Job) endLocked(err error) {
	if j.ended || j.cancelled.Load() {
		return
	}
	j.err = err
	if err != ErrStopped {
		j.cancelled.Store(true)
		close(j.cancelCh)
		j.pool.wake(j.begun) // what was begun is to be told
		j.notify()
		for k := range j.waitsFor {
			k.notify()
		}
	}
	j.pool.dropQueued(j)
	j.endIfDone()
}

// check ends the job if nothing is left to do.
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
	var look func(j *Job) bool
	look = func(j *Job) bool {
		if j == k {
			return true
		}
		if seen[j] {
			return false
		}
		seen[j] = true
		for next := range j.waitsFor {
			if look(next) {
				return true
			}
		}
		return false
	}
	return look(j)
}
