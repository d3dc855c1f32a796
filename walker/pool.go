package walker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Pool lists directories for any number of jobs. Its methods may be called
// from any goroutine.
type Pool struct {
	o     Options
	k     kernel
	stamp atomic.Uint64
	spare spares

	// mu guards all below and what is in jobs but for their atomics. It is held
	// once between two directories of a worker, and never in a system call or a
	// function of the user.
	mu      sync.Mutex
	work    sync.Cond // signalled for an idle worker
	idle    int       // workers that wait for work and were not signalled
	over    sync.Cond // broadcast when a goroutine has ended or is stuck
	closed  bool
	quit    chan struct{} // closed when all workers have ended
	workers []*worker
	running int // workers that are not stuck
	missing int // workers that are stuck and were replaced

	watching bool // there is a watchdog
	telling  bool // somebody serves ends
	ends     []*Job

	jobs    map[*Job]struct{} // that have not ended
	lastID  uint64
	devices []*device
	ready   [priorities]int // lanes in rings
	turns   uint64          // given to jobs so far
	pushes  uint64          // of items so far
	queued  int
	maxQ    int               // items queued above which a large directory waits for its children
	awaited map[*Job]struct{} // by workers, in Result.Wait
}

// maxQueued is how many directories a pool queues before directories given in
// parts wait: a directory of a million subdirectories does not make a queue of
// a million.
const maxQueued = 1 << 16

// New starts a pool. Close ends it.
func New(o Options) *Pool {
	if o.Look != nil {
		return newPool(o, &looking{kernel: &linux{}, look: o.Look})
	}
	return newPool(o, &linux{})
}

func newPool(o Options, k kernel) *Pool {
	p := &Pool{
		o: o.withDefaults(), k: k, maxQ: maxQueued,
		quit: make(chan struct{}), jobs: map[*Job]struct{}{}, awaited: map[*Job]struct{}{},
	}
	p.work.L, p.over.L = &p.mu, &p.mu
	if p.o.Stamp == nil {
		p.o.Stamp = func() uint64 { return p.stamp.Add(1) }
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.o.Workers {
		p.start(&worker{pool: p, id: i})
	}
	return p
}

// Submit starts a job. The end of ctx cancels it. ErrClosed after Close, and
// ErrCancelled with the cause if ctx has ended already.
func (p *Pool) Submit(ctx context.Context, s Spec) (*Job, error) {
	if ctx.Err() != nil {
		return nil, cancelledBy(ctx)
	}
	s.Priority = min(max(s.Priority, 0), priorities-1)
	dirs, devs := s.Dirs, p.devicesOf(s.Dirs)
	j := &Job{pool: p, spec: s, done: make(chan struct{}), cut: make(chan struct{})}
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
	j.unwatch = context.AfterFunc(ctx, func() { j.end(cancelledBy(ctx)) })
	j.add(dirs, devs)
	j.check()
	return j, nil
}

func cancelledBy(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrCancelled, context.Cause(ctx))
}

// Stats says what the pool is doing.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Workers: p.o.Workers, Queued: p.queued, Jobs: len(p.jobs)}
	for _, w := range p.workers {
		switch {
		case w.stuck:
			s.Stuck++
		case len(w.hands) > 0:
			s.Busy++
		}
	}
	return s
}

// Close cancels every job and returns when every goroutine of the pool has
// ended. Workers that are stuck in a system call (for 5 s, here) are left
// behind; the error, which is ErrStuck, names their directories. Close must not
// be called from inside Visit, Admit or Done.
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
		p.over.Wait()
	}
	if p.quit != nil {
		close(p.quit)
		p.quit = nil
	}
	for p.watching || p.telling {
		p.over.Wait()
	}
	var left []string
	for _, w := range p.workers {
		left = append(left, fmt.Sprintf("%q", w.hands[len(w.hands)-1].dir))
	}
	if left == nil {
		return nil
	}
	slices.Sort(left)
	return fmt.Errorf("%w: %d workers left behind in %s", ErrStuck, len(left), strings.Join(left, ", "))
}

// wake lets up to n idle workers look for work.
func (p *Pool) wake(n int) {
	for ; n > 0 && p.idle > 0; n-- {
		p.idle--
		p.work.Signal()
	}
}

// tell serves Spec.Done of jobs that have ended, on a goroutine of its own
// that ends when there is none. The lock is held.
func (p *Pool) tell(j *Job) {
	p.ends = append(p.ends, j)
	if p.telling {
		return
	}
	p.telling = true
	go func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for len(p.ends) > 0 {
			ends := p.ends
			p.ends = nil
			p.mu.Unlock()
			for _, j := range ends {
				j.spec.Done(j.Stats(), j.err)
			}
			p.mu.Lock()
		}
		p.telling = false
		p.over.Broadcast()
	}()
}
