package walker

import (
	"io/fs"
	"time"
)

const (
	// checkInterval is the longest interval between two checks.
	checkInterval = time.Second
	// closingStuckAfter bounds Options.StuckAfter while the pool is being closed.
	closingStuckAfter = 5 * time.Second
)

// watchdog checks the workers as long as any is busy. A worker that makes no progress in
// a system call loses its directory, which ends with ErrStuck, and is replaced. Time is
// counted in checks, so that a process that was stopped for a while finds nobody stuck.
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

// checkWorkers makes one check and reports whether any worker is busy. The lock must be
// held.
func (p *Pool) checkWorkers(every time.Duration) (busy bool) {
	limit := p.o.StuckAfter
	if p.closed {
		limit = min(limit, closingStuckAfter)
	}
	for _, w := range p.workers { // workers started below are appended and seen at the next check
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

// replaceStuck gives a stuck worker's directory to a new one. That one ends the directory
// and then takes the place of the stuck worker, unless too many have been replaced
// already. The lock must be held. The stuck goroutine touches nothing but its lister
// until stuckReturned.
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
	next := successor.newAssignment()
	next.job, next.dir = h.job, h.dir
	next.preset, next.stuckFor = stuckError(h.dir), silent
	p.startWorker(successor, next)
	p.changed.Broadcast()
}

// unresponsiveDevice returns the device that does not respond, or nil if that is
// uncertain: a name in a directory may be a mount point of another device.
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

// stuckReturned records that a worker stuck in assignment h has returned. h is not used
// again. The lock must be held.
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
