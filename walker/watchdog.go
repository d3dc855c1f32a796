package walker

import (
	"io/fs"
	"time"
)

const (
	// lookEvery is how often the watchdog looks, at most.
	checkInterval = time.Second
	// closingStuck is what Options.StuckAfter is at most once the pool is being
	// closed.
	closingStuckAfter = 5 * time.Second
)

// watch looks after the workers as long as any is busy: one that makes no
// progress in a system call loses its directory, which ends with ErrStuck, and
// is replaced. Time is counted in looks, so that a process that was stopped
// for a while takes nobody for stuck.
func (p *Pool) watchdog(quit <-chan struct{}) {
	every := max(min(checkInterval, p.o.StuckAfter/4), time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for busy := true; busy; {
		select {
		case <-tick.C:
		case <-quit:
			busy = false
		}
		p.mu.Lock()
		busy = busy && p.checkWorkers(every)
		if !busy {
			p.watchdogRuns = false
			p.changed.Broadcast()
		}
		p.mu.Unlock()
	}
}

// look looks once, and reports whether any worker is busy. The lock is held.
func (p *Pool) checkWorkers(every time.Duration) (busy bool) {
	limit := p.o.StuckAfter
	if p.closed {
		limit = min(limit, closingStuckAfter)
	}
	for _, w := range p.workers { // started ones, below, are appended: seen at the next look
		if len(w.assignments) == 0 || w.stuck {
			continue
		}
		busy = true
		h := w.assignments[len(w.assignments)-1]
		silent := time.Duration(h.lister.heartbeat.missedChecks()) * every
		if silent >= limit && h.lister.heartbeat.revoke() {
			p.replaceStuck(w, h, silent)
		}
	}
	return busy
}

// takeOver gives a stuck worker's directory to a new one, which tells of it and
// then, unless there are too many already, works on in the place of the stuck
// one. The lock is held; the stuck goroutine touches nothing but its lister
// until back.
func (p *Pool) replaceStuck(w *worker, h *assignment, silent time.Duration) {
	w.stuck = true
	p.running--
	if h.slot != nil {
		p.releaseSlotLocked(h)
	}
	if h.stuckOn = p.unresponsiveDevice(h); h.stuckOn != nil {
		h.stuckOn.stuck++
	}
	successor := &worker{pool: p, id: w.id, retiring: true}
	if !w.retiring && p.replacedStuck < p.o.MaxStuck {
		successor.retiring, w.retiring = false, true
		p.replacedStuck++
		w.replaced = true
	}
	told := successor.newAssignment()
	told.job, told.dir = h.job, h.dir
	told.preset, told.stuckFor = stuckError(h.dir), silent
	p.startWorker(successor, told)
	p.changed.Broadcast()
}

// suspect returns the device that does not answer, if that is certain: a name
// in a directory may be the mount point of another.
func (p *Pool) unresponsiveDevice(h *assignment) *device {
	switch h.lister.heartbeat.kind.Load() {
	case opOpen:
		if h.queuedOn.id != 0 {
			return h.queuedOn
		}
	case opNames:
		return p.device(h.reader.dev)
	}
	return nil
}

// back books the return of a worker that was stuck with h, which is not used
// again. The lock is held.
func (p *Pool) stuckReturned(w *worker, h *assignment) {
	w.stuck = false
	p.running++
	if w.replaced {
		w.replaced = false
		p.replacedStuck--
	}
	if h.stuckOn != nil {
		h.stuckOn.stuck--
		p.dropIfUnused(h.stuckOn)
	}
	p.releaseDevice(h.queuedOn)
}

func stuckError(dir string) error {
	return &fs.PathError{Op: "list", Path: dir, Err: ErrStuck}
}
