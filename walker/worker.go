package walker

// worker is a goroutine that lists directories, one after the other. What is
// in it is guarded by the pool's lock.
type worker struct {
	pool     *Pool
	id       int
	hands    []*hand // what it has in hand, the one that it works on last
	spare    []*hand
	stuck    bool // in a system call that does not return
	leaves   bool // ends when its hands are empty
	replaced bool // by another that is counted as missing
}

// start starts w, with a directory in hand if one is given.
func (p *Pool) start(w *worker, first ...*hand) {
	p.workers = append(p.workers, w)
	p.running++
	w.hands = first
	go w.run()
}

// run is the worker's goroutine. Its owner is the pool: Close waits for it.
func (w *worker) run() {
	p := w.pool
	ended := false
	p.mu.Lock()
	defer func() {
		p.remove(w)
		if !ended && !w.leaves {
			// A Visit called runtime.Goexit.
			p.start(&worker{pool: p, id: w.id})
		}
		p.mu.Unlock()
	}()
	if len(w.hands) > 0 {
		w.work(w.hands[0])
	}
	for !w.leaves {
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

// remove takes a worker out that ends.
func (p *Pool) remove(w *worker) {
	for i := range p.workers {
		if p.workers[i] == w {
			p.workers[i] = p.workers[len(p.workers)-1]
			p.workers = p.workers[:len(p.workers)-1]
			break
		}
	}
	p.running--
	p.over.Broadcast()
}

// serve takes a directory from a lane and works it off. The lock is held
// before and after, and released meanwhile.
func (w *worker) serve(l *lane) {
	p := w.pool
	h := w.hand()
	j, it := l.job, p.pop(l)
	h.job, h.dir, h.rest, h.from = j, it.dir, it.rest, l.dev
	if l.dev.hung >= hungAt {
		h.preset = stuckError(it.dir)
	} else if p.o.PerDevice > 0 && l.dev.id != 0 {
		h.place = l.dev
		h.place.busy++
	}
	h.from.users++
	j.inHand++
	w.hands = append(w.hands, h)
	if !p.watching {
		p.watching = true
		go p.watch(p.quit)
	}
	w.work(h)
}

// hand returns an empty hand.
func (w *worker) hand() *hand {
	if n := len(w.spare); n > 0 {
		h := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return h
	}
	return &hand{worker: w, lister: newLister(w.pool.k, w.pool.o.Stamp, &w.pool.spare)}
}

// work works the last of w.hands off. The lock is held before and after, also
// where runtime.Goexit ends the goroutine.
func (w *worker) work(h *hand) {
	p := w.pool
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		w.hands = w.hands[:len(w.hands)-1]
		if h.out == takenOut {
			p.back(w, h)
			return
		}
		p.settle(w, h)
		h.empty()
		if len(w.spare) < 2 {
			w.spare = append(w.spare, h)
		}
	}()
	h.do()
}

// settle books what became of a directory, and queues what comes of it.
func (p *Pool) settle(w *worker, h *hand) {
	j := h.job
	if h.place != nil {
		p.unplace(h)
	}
	if h.from != nil {
		p.unuse(h.from)
	}
	if h.err == nil && (h.out == finished || h.out == partly) {
		j.stats.Entries += int64(len(h.lister.listed.Entries))
	}
	pushed := 0
	switch h.out {
	case partly:
		pushed = 1 + p.pushRest(j, h)
	case noPlace:
		p.push(j, h.rest.dev, item{dir: h.dir, rest: h.lister.detach(h.rest)})
		pushed = 1
	case finished:
		switch h.err {
		case nil:
			j.stats.Dirs++
		case ErrCancelled:
		default:
			j.failed(h.dir, h.err)
		}
		pushed = p.pushChildren(j, h)
	}
	if pushed > 0 {
		j.notify()
		if len(w.hands) == 0 && !w.leaves {
			pushed-- // taken by w itself
		}
		p.wake(pushed)
	}
	j.inHand--
	j.check()
}

// pushRest queues the children that a part of a directory has, and the rest of
// the directory: on top of them, or, where too much is queued, below them.
func (p *Pool) pushRest(j *Job, h *hand) (children int) {
	full := p.queued+len(h.below) > p.maxQ
	rest := item{dir: h.dir, rest: h.lister.detach(h.rest)}
	if full {
		p.push(j, rest.rest.dev, rest)
	}
	children = p.pushChildren(j, h)
	if !full {
		p.push(j, rest.rest.dev, rest)
	}
	return children
}

// pushChildren queues the children, so that they come out in the order given.
func (p *Pool) pushChildren(j *Job, h *hand) int {
	if j.err != nil {
		return 0
	}
	for i := len(h.below) - 1; i >= 0; i-- {
		p.push(j, h.below[i].dev, item{dir: h.below[i].dir})
	}
	return len(h.below)
}

// empty makes the hand ready for another directory, in little memory.
func (h *hand) empty() {
	h.lister.forget()
	clear(h.below)
	if h.below = h.below[:0]; cap(h.below) > keepEntries {
		h.below = nil
	}
	*h = hand{worker: h.worker, lister: h.lister, below: h.below}
}
