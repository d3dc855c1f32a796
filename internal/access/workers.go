package access

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"indexd/internal/mounts"
)

const (
	// patience is how long somebody waits for a look. A disk that was asleep takes
	// longer; what is there is then hidden until it has answered.
	statTimeout = time.Second
	// maxStuck is how many looks may not have come back; with so many, nothing that
	// is not known is looked at.
	maxStuck = 64
	// patienceRounds is how often in that time it is looked whether it has come.
	timeoutTicks = 4
)

// lookers are goroutines that make system calls which may never return. Each is
// given one batch at a time.
type statWorkers struct {
	stat    func(*request, *parents) dirStat // the system's, or a test's
	timeout time.Duration
	mountOf func(dir string) string // the mount point that it lies on

	mu        sync.Mutex
	idle      []*statWorker
	busy      map[*statWorker]struct{} // those that somebody waits for
	stuck     map[*statWorker]stuck    // those that are waited for no more
	monitored bool                     // there is a monitor
	ticks     int                      // that monitors have done
	closed    bool
}

type statWorker struct {
	requests chan *batch   // closed when it is to end
	done     chan struct{} // holds one
	state    atomic.Int32

	// Under lookers.mu:
	batch    *batch
	at       int32 // where in it monitor has seen it last
	since    int   // monitor's round in which that was, or in which it was taken
	returned bool  // from where nobody waited for it any more
}

// batch is a number of questions, and what was told, which is for who asks once it
// was told, and else for the looker. To give each from one goroutine to another
// takes half as long as to look.
type batch struct {
	above    []pathStep // what is known of the directories above the first, from the root on
	requests []request  // in the order of paths
	results  []dirStat  // as many
	at       atomic.Int32
}

// stepTo is a directory above another.
type pathStep struct {
	dir            string // "" is the root
	rootControlled bool   // perms.firm, of all above too
}

// stuck is where a look does not come back from.
type stuck struct {
	below string // nothing is looked at there
	mount string
}

// The states of a looker.
const (
	waiting   = iota // somebody waits
	answered         // it has told, or is about to
	abandoned        // nobody waits any more, or not for long
)

// do has all of b looked at, but for what is below where nothing is, which is
// dropped. false: it did not answer, or the first was dropped; b is not the
// caller's any more then.
func (p *statWorkers) do(b *batch) bool {
	w := p.acquire(b)
	if w == nil {
		return false
	}
	w.requests <- b
	<-w.done
	if w.state.Load() == abandoned {
		p.noteStuck(w, b.requests[b.at.Load()].dir)
		return false
	}
	p.release(w)
	return true
}

// take returns a looker; nil: the first of b is not to be looked at now.
func (p *statWorkers) acquire(b *batch) *statWorker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.stuck) > 0 {
		if len(p.stuck) >= maxStuck {
			return nil
		}
		hangs := func(q request) bool {
			for _, s := range p.stuck {
				if mounts.Within(q.dir, s.below) {
					return true
				}
			}
			return false
		}
		if hangs(b.requests[0]) {
			return nil
		}
		b.requests = slices.DeleteFunc(b.requests, hangs)
	}
	if p.closed {
		return nil
	}
	b.at.Store(0)
	b.results = slices.Grow(b.results[:0], len(b.requests))[:len(b.requests)]
	var w *statWorker
	if n := len(p.idle); n > 0 {
		w = p.idle[n-1]
		p.idle = p.idle[:n-1]
	} else {
		w = &statWorker{requests: make(chan *batch), done: make(chan struct{}, 1)}
		go p.run(w)
	}
	w.state.Store(waiting)
	w.batch, w.at, w.since = b, 0, p.ticks
	if p.busy == nil {
		p.busy = make(map[*statWorker]struct{})
	}
	p.busy[w] = struct{}{}
	if !p.monitored {
		p.monitored = true
		go p.monitor()
	}
	return w
}

// give takes a looker back.
func (p *statWorkers) release(w *statWorker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, w)
	w.batch = nil
	if p.closed || len(p.idle) >= 2*runtime.GOMAXPROCS(0) {
		close(w.requests)
		return
	}
	p.idle = append(p.idle, w)
}

// monitor ends the waiting for looks that take too long: a timer for each would
// take as long as the look. It ends when for some time there was none.
func (p *statWorkers) monitor() {
	tick := time.NewTicker(p.timeout / timeoutTicks)
	defer tick.Stop()
	for idle := 0; ; {
		<-tick.C
		p.mu.Lock()
		p.ticks++
		for w := range p.busy {
			if at := w.batch.at.Load(); at != w.at {
				w.at, w.since = at, p.ticks
			}
			if p.ticks-w.since > timeoutTicks && w.state.CompareAndSwap(waiting, abandoned) {
				w.done <- struct{}{}
			}
		}
		if idle++; len(p.busy) > 0 {
			idle = 0
		}
		if idle > timeoutTicks || p.closed && len(p.busy) == 0 {
			p.monitored = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
	}
}

// run is a looker's goroutine.
func (p *statWorkers) run(w *statWorker) {
	var ups parents
	for b := range w.requests {
		ups.now = time.Now()
		b.run(p.stat, &ups, w)
		ups.close()
		if !w.state.CompareAndSwap(waiting, answered) {
			p.mu.Lock()
			w.returned = true
			delete(p.stuck, w)
			p.mu.Unlock()
			return
		}
		w.done <- struct{}{}
	}
}

// look looks, until nobody waits for w any more. What is in a directory of which it
// does not know that it is firm is looked for in that one.
func (b *batch) run(look func(*request, *parents) dirStat, ups *parents, w *statWorker) {
	way := append(make([]pathStep, 0, 16), b.above...)
	for i := range b.requests {
		b.at.Store(int32(i))
		if w.state.Load() != waiting {
			return
		}
		q := &b.requests[i]
		n := len(way)
		for n > 0 && !within(q.dir, way[n-1].dir) {
			n--
		}
		way = way[:n]
		q.linked = q.dir != "/" && (n == 0 || !way[n-1].rootControlled || strings.IndexByte(q.dir[len(way[n-1].dir)+1:], '/') >= 0)
		st := look(q, ups)
		if b.results[i] = st; !st.none {
			way = append(way, pathStep{strings.TrimSuffix(q.dir, "/"), !q.linked && st.rootControlled()})
		}
	}
}

// within reports whether dir is below top, of which "" is the root.
func within(dir, top string) bool {
	return len(dir) > len(top) && dir[len(top)] == '/' && dir[:len(top)] == top
}

// hang notes that w is not waited for any more: until it comes back, nothing is
// looked at below dir, or, if it is not the first on its mount, below the mount
// point.
func (p *statWorkers) noteStuck(w *statWorker, dir string) {
	at := stuck{below: dir, mount: p.mountOf(dir)}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, w)
	if w.returned {
		return
	}
	for _, other := range p.stuck {
		if at.mount != "/" && other.mount == at.mount {
			at.below = at.mount
		}
	}
	if p.stuck == nil {
		p.stuck = make(map[*statWorker]stuck)
	}
	p.stuck[w] = at
}

func (p *statWorkers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, w := range p.idle {
		close(w.requests)
	}
	p.idle = nil
}

// mountOf asks the mount table, which never hangs.
func mountOf(dir string) string {
	if t, err := mounts.Read(); err == nil {
		if m := t.Containing(dir); m != nil {
			return m.Point
		}
	}
	return "/"
}
