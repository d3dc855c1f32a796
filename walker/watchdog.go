package walker

import (
	"io/fs"
	"time"
)

const (
	// lookEvery is how often the watchdog looks, at most.
	lookEvery = time.Second
	// closingStuck is what Options.StuckAfter is at most once the pool is being
	// closed.
	closingStuck = 5 * time.Second
)

// watch looks after the workers as long as any is busy: one that makes no
// progress in a system call loses its directory, which ends with ErrStuck, and
// is replaced. Time is counted in looks, so that a process that was stopped
// for a while takes nobody for stuck.
func (p *Pool) watch(quit <-chan struct{}) {
	every := max(min(lookEvery, p.o.StuckAfter/4), time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for busy := true; busy; {
		select {
		case <-tick.C:
		case <-quit:
			busy = false
		}
		p.mu.Lock()
		busy = busy && p.look(every)
		if !busy {
			p.watching = false
			p.over.Broadcast()
		}
		p.mu.Unlock()
	}
}

// look looks once, and reports whether any worker is busy. The lock is held.
func (p *Pool) look(every time.Duration) (busy bool) {
	limit := p.o.StuckAfter
	if p.closed {
		limit = min(limit, closingStuck)
	}
	for _, w := range p.workers { // started ones, below, are appended: seen at the next look
		if len(w.hands) == 0 || w.stuck {
			continue
		}
		busy = true
		h := w.hands[len(w.hands)-1]
		silent := time.Duration(h.lister.pulse.silent()) * every
		if silent >= limit && h.lister.pulse.takeAway() {
			p.takeOver(w, h, silent)
		}
	}
	return busy
}

// takeOver gives a stuck worker's directory to a new one, which tells of it and
// then, unless there are too many already, works on in the place of the stuck
// one. The lock is held; the stuck goroutine touches nothing but its lister
// until back.
func (p *Pool) takeOver(w *worker, h *hand, silent time.Duration) {
	w.stuck = true
	p.running--
	if h.place != nil {
		p.unplace(h)
	}
	if h.hung = p.suspect(h); h.hung != nil {
		h.hung.hung++
	}
	successor := &worker{pool: p, id: w.id, leaves: true}
	if !w.leaves && p.missing < p.o.MaxStuck {
		successor.leaves, w.leaves = false, true
		p.missing++
		w.replaced = true
	}
	told := successor.hand()
	told.job, told.dir = h.job, h.dir
	told.preset, told.stuck = stuckError(h.dir), silent
	p.start(successor, told)
	p.over.Broadcast()
}

// suspect returns the device that does not answer, if that is certain: a name
// in a directory may be the mount point of another.
func (p *Pool) suspect(h *hand) *device {
	switch h.lister.pulse.kind.Load() {
	case opOpen:
		if h.from.id != 0 {
			return h.from
		}
	case opNames:
		return p.device(h.rest.dev)
	}
	return nil
}

// back books the return of a worker that was stuck with h, which is not used
// again. The lock is held.
func (p *Pool) back(w *worker, h *hand) {
	w.stuck = false
	p.running++
	if w.replaced {
		w.replaced = false
		p.missing--
	}
	if h.hung != nil {
		h.hung.hung--
		p.dropIfUnused(h.hung)
	}
	p.unuse(h.from)
}

func stuckError(dir string) error {
	return &fs.PathError{Op: "list", Path: dir, Err: ErrStuck}
}
