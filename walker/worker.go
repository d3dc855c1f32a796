package walker

// worker is a goroutine that lists one directory after the other. The pool's lock guards
// it.
type worker struct {
	pool        *Pool
	id          int
	assignments []*assignment // what it is processing; it works on the last one
	spare       []*assignment
	stuck       bool // in a system call that does not return
	retiring    bool // ends when it has no assignment left
	replaced    bool // and counted in Pool.replacedStuck
}

// startWorker starts w, with a first assignment if one is given.
func (p *Pool) startWorker(w *worker, first ...*assignment) {
	p.workers = append(p.workers, w)
	p.running++
	w.assignments = first
	go w.run()
}

// run is the worker's goroutine. The pool owns it: Close waits for it.
func (w *worker) run() {
	p := w.pool
	ended := false
	p.mu.Lock()
	defer func() {
		p.removeWorker(w)
		if !ended && !w.retiring {
			// A Visit called runtime.Goexit.
			p.startWorker(&worker{pool: p, id: w.id})
		}
		p.mu.Unlock()
	}()
	if len(w.assignments) > 0 {
		w.work(w.assignments[0])
	}
	for !w.retiring {
		if l := p.next(); l != nil {
			w.serve(l)
		} else if p.closed {
			break
		} else {
			p.idle++
			p.work.Wait()
		}
	}
	ended = true
}

// removeWorker removes a worker that ends.
func (p *Pool) removeWorker(w *worker) {
	for i := range p.workers {
		if p.workers[i] == w {
			p.workers[i] = p.workers[len(p.workers)-1]
			p.workers = p.workers[:len(p.workers)-1]
			break
		}
	}
	p.running--
	p.changed.Broadcast()
}

// serve takes a directory from a lane and processes it. The lock is held before and
// after, and released meanwhile.
func (w *worker) serve(l *lane) {
	p := w.pool
	h := w.newAssignment()
	j, it := l.job, p.pop(l)
	h.job, h.dir, h.reader, h.queuedOn = j, it.dir, it.reader, l.dev
	if l.dev.stuck >= stuckLimit {
		h.preset = stuckError(it.dir)
	} else if l.dev.limit > 0 {
		h.slot = l.dev
		h.slot.busy++
	}
	h.queuedOn.users++
	j.active++
	w.assignments = append(w.assignments, h)
	if !p.watchdogRuns {
		p.watchdogRuns = true
		go p.watchdog(p.quit)
	}
	w.work(h)
}

// newAssignment returns an empty assignment, reused if possible.
func (w *worker) newAssignment() *assignment {
	if n := len(w.spare); n > 0 {
		h := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return h
	}
	return &assignment{worker: w, lister: newLister(w.pool.k, w.pool.o.Stamp, &w.pool.buffers)}
}

// work processes the last of w.assignments. The lock is held before and after, even if
// runtime.Goexit ends the goroutine.
func (w *worker) work(h *assignment) {
	p := w.pool
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		w.assignments = w.assignments[:len(w.assignments)-1]
		if h.outcome == revoked {
			p.stuckReturned(w, h)
			return
		}
		p.finish(w, h)
		h.reset()
		if len(w.spare) < 2 {
			w.spare = append(w.spare, h)
		}
	}()
	h.run()
}

// finish records what became of a directory and queues what follows from it.
func (p *Pool) finish(w *worker, h *assignment) {
	j := h.job
	if h.slot != nil {
		p.releaseSlotLocked(h)
	}
	if h.queuedOn != nil {
		p.releaseDevice(h.queuedOn)
	}
	if h.err == nil && (h.outcome == finished || h.outcome == partial) {
		j.stats.Entries += int64(len(h.lister.listed.Entries))
	}
	pushed := 0
	switch h.outcome {
	case partial:
		pushed = 1 + p.pushRest(j, h)
	case noSlot:
		p.push(j, h.reader.dev, item{dir: h.dir, reader: h.lister.detach(h.reader)})
		pushed = 1
	case finished:
		switch h.err {
		case nil:
			j.stats.Dirs++
		case ErrCancelled:
		default:
			j.countError(h.dir, h.err)
		}
		pushed = p.pushChildren(j, h)
	}
	if pushed > 0 {
		j.notify()
		if len(w.assignments) == 0 && !w.retiring {
			pushed-- // w itself takes one
		}
		p.wake(pushed)
	}
	j.active--
	j.endIfDone()
}

// pushRest queues the children found in a part of a directory, and the rest of the
// directory: on top of them, or below them if the queue is long.
func (p *Pool) pushRest(j *Job, h *assignment) (children int) {
	full := p.queued+len(h.children) > p.maxQ
	rest := item{dir: h.dir, reader: h.lister.detach(h.reader)}
	if full {
		p.push(j, rest.reader.dev, rest)
	}
	children = p.pushChildren(j, h)
	if !full {
		p.push(j, rest.reader.dev, rest)
	}
	return children
}

// pushChildren queues the children such that they are served in the order given.
func (p *Pool) pushChildren(j *Job, h *assignment) int {
	if j.err != nil {
		return 0
	}
	for i := len(h.children) - 1; i >= 0; i-- {
		p.push(j, h.children[i].dev, item{dir: h.children[i].dir})
	}
	return len(h.children)
}

// reset prepares the assignment for another directory and frees what only a large one
// needs.
func (a *assignment) reset() {
	a.lister.release()
	clear(a.children)
	if a.children = a.children[:0]; cap(a.children) > retainedEntries {
		a.children = nil
	}
	*a = assignment{worker: a.worker, lister: a.lister, children: a.children}
}
