package indexer

import (
	"context"
	"sync"

	"indexd/walker"
)

// inflight knows which directories are being listed, so that there is at most one listing
// of a directory at a time (docs/architecture.md). Others wait until that one was handed to
// the writer.
type inflight struct {
	mu sync.Mutex
	m  map[string][]waiter // by path; a directory is in flight if it has a key
}

// A waiter is a walk that has to list a directory once more.
type waiter struct {
	job     *walker.Job
	release func() // lets the job end
}

// begin reports whether job may list dir now. If not, job is kept open, and dir is added to
// it again when the listing in flight has ended.
func (f *inflight) begin(dir string, job *walker.Job) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting, busy := f.m[dir]
	if !busy {
		f.m[dir] = nil
		return true
	}
	for _, w := range waiting {
		if w.job == job {
			return false
		}
	}
	f.m[dir] = append(waiting, waiter{job, job.Hold()})
	return false
}

// tryBegin reports whether dir may be listed now, without waiting.
func (f *inflight) tryBegin(dir string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, busy := f.m[dir]; busy {
		return false
	}
	f.m[dir] = nil
	return true
}

// end is called when dir's listing was handed to the writer.
func (f *inflight) end(dir string) {
	f.mu.Lock()
	waiting := f.m[dir]
	delete(f.m, dir)
	f.mu.Unlock()
	for _, w := range waiting {
		// It fails if the job was cancelled meanwhile: nobody waits then.
		_ = w.job.Add(dir)
		w.release()
	}
}

// epochs distinguish work that a barrier waits for from work that began later. Work for an
// event belongs to the current epoch, and work that results from it inherits that epoch,
// however late it begins. A barrier begins a new epoch and waits for the end of all earlier
// ones. No barrier waits for epoch 0.
type epochs struct {
	mu      sync.Mutex
	now     uint64
	left    map[uint64]int // pieces of work that are not done
	changed chan struct{}  // closed and replaced when an epoch has no work left
}

func newEpochs() epochs {
	return epochs{now: 1, left: make(map[uint64]int), changed: make(chan struct{})}
}

// begin begins a piece of work in the current epoch. It is ended with done.
func (e *epochs) begin() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.left[e.now]++
	return e.now
}

// add begins another piece of an epoch's work. The caller holds one that is not done.
func (e *epochs) add(epoch uint64) {
	if epoch == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.left[epoch]++
}

func (e *epochs) done(epoch uint64) {
	if epoch == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left[epoch]--; e.left[epoch] == 0 {
		delete(e.left, epoch)
		close(e.changed)
		e.changed = make(chan struct{})
	}
}

// wait returns when the work of all epochs so far is done, or with ctx's error.
func (e *epochs) wait(ctx context.Context) error {
	e.mu.Lock()
	last := e.now
	e.now++
	e.mu.Unlock()
	for {
		e.mu.Lock()
		done := true
		for epoch := range e.left {
			done = done && epoch > last
		}
		changed := e.changed
		e.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// A counter counts, and lets others wait for a condition.
type counter struct {
	mu      sync.Mutex
	n       int
	zero    func()        // called under mu when the counter gets to 0; set before use
	changed chan struct{} // closed and replaced with each change that may matter
}

func (c *counter) add(d int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n += d; c.n == 0 {
		close(c.changed)
		c.changed = make(chan struct{})
		if c.zero != nil {
			c.zero()
		}
	}
}

func (c *counter) value() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// notify wakes those who wait for a condition on something else than the count.
func (c *counter) notify() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait returns when ok holds for the count, or with ctx's error.
func (c *counter) wait(ctx context.Context, ok func(n int) bool) error {
	for {
		c.mu.Lock()
		n, changed := c.n, c.changed
		c.mu.Unlock()
		if ok(n) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
