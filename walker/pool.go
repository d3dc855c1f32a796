package walker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Pool lists directories for any number of jobs. Its methods may be called from any
// goroutine.
type Pool struct {
	o       Options
	k       kernel
	stamp   atomic.Uint64
	buffers bufferPool

	// mu guards everything below, and the jobs except for their atomic fields. A worker
	// takes it once between two directories. It is never held during a system call or a
	// callback.
	mu            sync.Mutex
	work          sync.Cond // signalled for an idle worker
	idle          int       // workers that wait for work and have not been signalled
	changed       sync.Cond // broadcast when a goroutine has ended or is stuck
	closed        bool
	quit          chan struct{} // closed when all workers have ended
	workers       []*worker
	running       int // workers that are not stuck
	replacedStuck int // stuck workers that were replaced

	watchdogRuns bool // the watchdog goroutine runs
	notifying    bool // a goroutine calls Spec.Done of the jobs in ended
	ended        []*Job

	jobs    map[*Job]struct{} // that have not ended
	lastID  uint64
	devices []*device
	ready   [priorities]int // queued lanes
	turns   uint64          // given to jobs so far
	pushes  uint64          // items queued so far
	queued  int
	maxQ    int               // queue length above which a large directory waits for its children
	awaited map[*Job]struct{} // jobs that workers wait for in Result.Wait
}

// maxQueued is how many directories a pool queues before directories returned in parts
// have to wait, so that a directory with a million subdirectories does not make a queue
// of a million.
const maxQueued = 1 << 16

// New starts a pool. Close stops it.
func New(o Options) *Pool {
	if o.OnAccess != nil {
		return newPool(o, &hookedKernel{kernel: &linux{}, onAccess: o.OnAccess})
	}
	return newPool(o, &linux{})
}

func newPool(o Options, k kernel) *Pool {
	p := &Pool{
		o: o.withDefaults(), k: k, maxQ: maxQueued,
		quit: make(chan struct{}), jobs: map[*Job]struct{}{}, awaited: map[*Job]struct{}{},
	}
	p.work.L, p.changed.L = &p.mu, &p.mu
	if p.o.Stamp == nil {
		p.o.Stamp = func() uint64 { return p.stamp.Add(1) }
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.o.Workers {
		p.startWorker(&worker{pool: p, id: i})
	}
	return p
}

// Submit starts a job, which is cancelled when ctx ends. It returns ErrClosed after
// Close, and ErrCancelled with the cause if ctx has already ended.
func (p *Pool) Submit(ctx context.Context, s Spec) (*Job, error) {
	if ctx.Err() != nil {
		return nil, cancelledBy(ctx)
	}
	s.Priority = min(max(s.Priority, 0), priorities-1)
	dirs, devs := s.Dirs, p.knownDevices(s.Dirs)
	j := &Job{pool: p, spec: s, done: make(chan struct{}), cancelCh: make(chan struct{})}
	j.changed.L = &p.mu
	j.spec.Dirs = nil
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	p.lastID++
	j.id = p.lastID
	if s.Held {
		j.holds = 1
	}
	p.jobs[j] = struct{}{}
	j.stopContext = context.AfterFunc(ctx, func() { j.end(cancelledBy(ctx)) })
	j.queueDirs(dirs, devs)
	j.endIfDone()
	return j, nil
}

func cancelledBy(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrCancelled, context.Cause(ctx))
}

// Stats returns what the pool is doing.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Workers: p.o.Workers, Queued: p.queued, Jobs: len(p.jobs)}
	for _, w := range p.workers {
		switch {
		case w.stuck:
			s.Stuck++
		case len(w.assignments) > 0:
			s.Busy++
		}
	}
	return s
}

// Close cancels every job and returns when every goroutine of the pool has ended. Workers
// stuck in a system call (for 5 s once Close is called) are left behind; the error then
// wraps ErrStuck and names their directories. Close must not be called from Visit, Admit
// or Done.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for j := range p.jobs {
		j.endLocked(fmt.Errorf("%w: %w", ErrCancelled, ErrClosed))
	}
	p.idle = 0
	p.work.Broadcast()
	for p.running > 0 {
		p.changed.Wait()
	}
	if p.quit != nil {
		close(p.quit)
		p.quit = nil
	}
	for p.watchdogRuns || p.notifying {
		p.changed.Wait()
	}
	var left []string
	for _, w := range p.workers {
		left = append(left, fmt.Sprintf("%q", w.assignments[len(w.assignments)-1].dir))
	}
	if left == nil {
		return nil
	}
	slices.Sort(left)
	return fmt.Errorf("%w: %d workers left behind in %s", ErrStuck, len(left), strings.Join(left, ", "))
}

// wake signals up to n idle workers.
func (p *Pool) wake(n int) {
	for ; n > 0 && p.idle > 0; n-- {
		p.idle--
		p.work.Signal()
	}
}

// notifyDone calls Spec.Done for jobs that have ended, on a goroutine that ends when
// there are no more. The lock must be held.
func (p *Pool) notifyDone(j *Job) {
	p.ended = append(p.ended, j)
	if p.notifying {
		return
	}
	p.notifying = true
	go func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for len(p.ended) > 0 {
			ends := p.ended
			p.ended = nil
			p.mu.Unlock()
			for _, j := range ends {
				j.spec.Done(j.Stats(), j.err)
			}
			p.mu.Lock()
		}
		p.notifying = false
		p.changed.Broadcast()
	}()
}
