package access

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"indexd/internal/mounts"
)

const (
	// patience is how long somebody waits for a look. A disk that was asleep takes
	// longer; what is there is then hidden until it has answered.
	patience = time.Second
	// maxStuck is how many looks may not have come back; with so many, nothing that
	// is not known is looked at.
	maxStuck = 64
	// patienceRounds is how often in that time it is looked whether it has come.
	patienceRounds = 4
)

// lookers are goroutines that make system calls which may never return. Each is
// given one directory at a time.
type lookers struct {
	look     func(dir string, known *stat) stat // the system's, or a test's
	patience time.Duration
	mountOf  func(dir string) string // the mount point that it lies on

	mu      sync.Mutex
	idle    []*looker
	busy    map[*looker]struct{} // those that somebody waits for
	stuck   map[*looker]stuck    // those that are waited for no more
	watched bool                 // there is a monitor
	rounds  int                  // that monitors have done
	closed  bool
}

type looker struct {
	asks  chan question // closed when it is to end
	tells chan stat     // holds one
	state atomic.Int32

	// Under lookers.mu:
	since int  // monitor's round in which it was taken
	back  bool // from where nobody waited for it any more
}

// stuck is where a look does not come back from.
type stuck struct {
	below string // nothing is looked at there
	mount string
}

type question struct {
	dir   string
	known *stat
}

// The states of a looker.
const (
	asked     = iota // somebody waits
	answered         // it has told, or is about to
	abandoned        // nobody waits any more, or not for long
)

// ask has dir looked at. false: it did not answer, and the stat is not to be kept.
func (l *lookers) ask(dir string, known *stat) (stat, bool) {
	lo := l.take(dir)
	if lo == nil {
		return stat{none: true}, false
	}
	lo.asks <- question{dir, known}
	st := <-lo.tells
	if lo.state.Load() == abandoned {
		l.hang(lo, dir)
		return stat{none: true}, false
	}
	l.give(lo)
	return st, true
}

// take returns a looker; nil: dir is not to be looked at now.
func (l *lookers) take(dir string) *looker {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.stuck) > 0 {
		if len(l.stuck) >= maxStuck {
			return nil
		}
		for _, s := range l.stuck {
			if mounts.Within(dir, s.below) {
				return nil
			}
		}
	}
	if l.closed {
		return nil
	}
	var lo *looker
	if n := len(l.idle); n > 0 {
		lo = l.idle[n-1]
		l.idle = l.idle[:n-1]
	} else {
		lo = &looker{asks: make(chan question), tells: make(chan stat, 1)}
		go l.run(lo)
	}
	lo.state.Store(asked)
	lo.since = l.rounds
	if l.busy == nil {
		l.busy = make(map[*looker]struct{})
	}
	l.busy[lo] = struct{}{}
	if !l.watched {
		l.watched = true
		go l.monitor()
	}
	return lo
}

// give takes a looker back.
func (l *lookers) give(lo *looker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, lo)
	if l.closed || len(l.idle) >= 2*runtime.GOMAXPROCS(0) {
		close(lo.asks)
		return
	}
	l.idle = append(l.idle, lo)
}

// monitor ends the waiting for looks that take too long: a timer for each would
// take as long as the look. It ends when for some time there was none.
func (l *lookers) monitor() {
	tick := time.NewTicker(l.patience / patienceRounds)
	defer tick.Stop()
	for idle := 0; ; {
		<-tick.C
		l.mu.Lock()
		l.rounds++
		for lo := range l.busy {
			if l.rounds-lo.since > patienceRounds && lo.state.CompareAndSwap(asked, abandoned) {
				lo.tells <- stat{none: true}
			}
		}
		if idle++; len(l.busy) > 0 {
			idle = 0
		}
		if idle > patienceRounds || l.closed && len(l.busy) == 0 {
			l.watched = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

// run is a looker's goroutine.
func (l *lookers) run(lo *looker) {
	for q := range lo.asks {
		st := l.look(q.dir, q.known)
		if !lo.state.CompareAndSwap(asked, answered) {
			l.mu.Lock()
			lo.back = true
			delete(l.stuck, lo)
			l.mu.Unlock()
			return
		}
		lo.tells <- st
	}
}

// hang notes that lo is not waited for any more: until it comes back, nothing is
// looked at below dir, or, if it is not the first on its mount, below the mount
// point.
func (l *lookers) hang(lo *looker, dir string) {
	at := stuck{below: dir, mount: l.mountOf(dir)}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, lo)
	if lo.back {
		return
	}
	for _, other := range l.stuck {
		if at.mount != "/" && other.mount == at.mount {
			at.below = at.mount
		}
	}
	if l.stuck == nil {
		l.stuck = make(map[*looker]stuck)
	}
	l.stuck[lo] = at
}

func (l *lookers) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, lo := range l.idle {
		close(lo.asks)
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
