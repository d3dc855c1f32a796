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
	// statTimeout is how long a caller waits for a stat. A sleeping disk takes longer;
	// what is on it stays hidden until it has responded.
	statTimeout = time.Second
	// maxStuck is how many requests may be stuck. When that many are, directories that
	// are not cached are hidden.
	maxStuck = 64
	// timeoutTicks is how often within statTimeout monitor checks the workers.
	timeoutTicks = 4
)

// statWorkers is a pool of goroutines that make system calls which may never return. Each
// gets one batch at a time.
type statWorkers struct {
	stat    func(*request, *parents) dirStat // the system's, or a test's
	timeout time.Duration
	mountOf func(dir string) string // the mount point that dir lies on

	mu        sync.Mutex
	idle      []*statWorker
	busy      map[*statWorker]struct{} // workers whose caller waits
	stuck     map[*statWorker]stuck    // workers whose caller has given up
	monitored bool                     // a monitor runs
	ticks     int                      // made by monitors
	closed    bool
}

// statWorker is one goroutine of the pool.
type statWorker struct {
	requests chan *batch   // closed to end the worker
	done     chan struct{} // capacity 1: the batch is done, or abandoned
	state    atomic.Int32

	// Guarded by statWorkers.mu:
	batch    *batch
	at       int32 // index of the request seen by the last tick
	since    int   // tick since which it is the same
	returned bool  // after its caller had given up
}

// batch is a set of stat requests and their results. The worker owns it until it signals
// completion, then the caller does. Requests are batched because handing one to another
// goroutine and back takes half as long as the stat itself.
type batch struct {
	above    []pathStep   // what is known of the directories above the first, from the root on
	requests []request    // in path order
	results  []dirStat    // in the same order
	at       atomic.Int32 // index of the current request
}

// pathStep is a directory above another.
type pathStep struct {
	dir            string // "" is the root
	rootControlled bool   // it and all above it are
}

// stuck is where a system call did not return.
type stuck struct {
	below string // no requests are made there
	mount string
}

// States of a statWorker.
const (
	waiting   = iota // its caller waits
	answered         // it has completed, or is about to
	abandoned        // its caller has given up, or is about to
)

// do performs all requests of b, except for those below a directory that is stuck, which
// are dropped. It reports false if the batch timed out or its first request was dropped;
// the worker may then still own b.
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

// acquire returns a worker for b, or nil if its first request must not be made now.
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

// release returns a worker to the pool.
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

// monitor ends the waiting for batches that make no progress. A timer for each batch
// would cost as much as the stat. It ends when no worker has been busy for some time.
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

// run is the goroutine of a worker.
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

// run performs the requests until the caller gives up. Unless the directory above is
// known to be controlled by root, a directory is found through its open parent.
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

// within reports whether dir is below top, where "" is the root.
func within(dir, top string) bool {
	return len(dir) > len(top) && dir[len(top)] == '/' && dir[:len(top)] == top
}

// noteStuck records that the caller of w has given up. Until w returns, no requests are
// made below dir, or, if another worker is stuck on the same mount, below the mount
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

// mountOf reads the mount table, which never hangs.
func mountOf(dir string) string {
	if t, err := mounts.Read(); err == nil {
		if m := t.Containing(dir); m != nil {
			return m.Point
		}
	}
	return "/"
}
