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
func (l *statWorkers) do(b *batch) bool {
	lo := l.acquire(b)
	if lo == nil {
		return false
	}
	lo.requests <- b
	<-lo.done
	if lo.state.Load() == abandoned {
		l.noteStuck(lo, b.requests[b.at.Load()].dir)
		return false
	}
	l.release(lo)
	return true
}

// take returns a looker; nil: the first of b is not to be looked at now.
func (l *statWorkers) acquire(b *batch) *statWorker {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.stuck) > 0 {
		if len(l.stuck) >= maxStuck {
			return nil
		}
		hangs := func(q request) bool {
			for _, s := range l.stuck {
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
	if l.closed {
		return nil
	}
	b.at.Store(0)
	b.results = slices.Grow(b.results[:0], len(b.requests))[:len(b.requests)]
	var lo *statWorker
	if n := len(l.idle); n > 0 {
		lo = l.idle[n-1]
		l.idle = l.idle[:n-1]
	} else {
		lo = &statWorker{requests: make(chan *batch), done: make(chan struct{}, 1)}
		go l.run(lo)
	}
	lo.state.Store(waiting)
	lo.batch, lo.at, lo.since = b, 0, l.ticks
	if l.busy == nil {
		l.busy = make(map[*statWorker]struct{})
	}
	l.busy[lo] = struct{}{}
	if !l.monitored {
		l.monitored = true
		go l.monitor()
	}
	return lo
}

// give takes a looker back.
func (l *statWorkers) release(lo *statWorker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, lo)
	lo.batch = nil
	if l.closed || len(l.idle) >= 2*runtime.GOMAXPROCS(0) {
		close(lo.requests)
		return
	}
	l.idle = append(l.idle, lo)
}

// monitor ends the waiting for looks that take too long: a timer for each would
// take as long as the look. It ends when for some time there was none.
func (l *statWorkers) monitor() {
	tick := time.NewTicker(l.timeout / timeoutTicks)
	defer tick.Stop()
	for idle := 0; ; {
		<-tick.C
		l.mu.Lock()
		l.ticks++
		for lo := range l.busy {
			if at := lo.batch.at.Load(); at != lo.at {
				lo.at, lo.since = at, l.ticks
			}
			if l.ticks-lo.since > timeoutTicks && lo.state.CompareAndSwap(waiting, abandoned) {
				lo.done <- struct{}{}
			}
		}
		if idle++; len(l.busy) > 0 {
			idle = 0
		}
		if idle > timeoutTicks || l.closed && len(l.busy) == 0 {
			l.monitored = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

// run is a looker's goroutine.
func (l *statWorkers) run(lo *statWorker) {
	var ups parents
	for b := range lo.requests {
		ups.now = time.Now()
		b.run(l.stat, &ups, lo)
		ups.close()
		if !lo.state.CompareAndSwap(waiting, answered) {
			l.mu.Lock()
			lo.returned = true
			delete(l.stuck, lo)
			l.mu.Unlock()
			return
		}
		lo.done <- struct{}{}
	}
}

// look looks, until nobody waits for lo any more. What is in a directory of which it
// does not know that it is firm is looked for in that one.
func (b *batch) run(look func(*request, *parents) dirStat, ups *parents, lo *statWorker) {
	way := append(make([]pathStep, 0, 16), b.above...)
	for i := range b.requests {
		b.at.Store(int32(i))
		if lo.state.Load() != waiting {
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

// hang notes that lo is not waited for any more: until it comes back, nothing is
// looked at below dir, or, if it is not the first on its mount, below the mount
// point.
func (l *statWorkers) noteStuck(lo *statWorker, dir string) {
	at := stuck{below: dir, mount: l.mountOf(dir)}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, lo)
	if lo.returned {
		return
	}
	for _, other := range l.stuck {
		if at.mount != "/" && other.mount == at.mount {
			at.below = at.mount
		}
	}
	if l.stuck == nil {
		l.stuck = make(map[*statWorker]stuck)
	}
	l.stuck[lo] = at
}

func (l *statWorkers) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, lo := range l.idle {
		close(lo.requests)
	}
	l.idle = nil
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
