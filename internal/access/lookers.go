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
)

// lookers are goroutines that make system calls which may never return. Each is
// given one directory at a time.
type lookers struct {
	look     func(dir string, known *stat) stat // the system's, or a test's
	patience time.Duration
	mountOf  func(dir string) string // the mount point that it lies on

	mu     sync.Mutex
	idle   []*looker
	closed bool
	stuck  map[*looker]stuck // those that are waited for no more
}

type looker struct {
	asks  chan question // closed when it is to end
	tells chan stat     // holds one
	timer *time.Timer
	state atomic.Int32
	back  bool // from where nobody waited for it any more; under lookers.mu
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
	abandoned        // nobody waits any more
)

// ask has dir looked at. false: it did not answer, and the stat is not to be kept.
func (l *lookers) ask(dir string, known *stat) (stat, bool) {
	lo := l.take(dir)
	if lo == nil {
		return stat{none: true}, false
	}
	lo.state.Store(asked)
	lo.timer.Reset(l.patience)
	lo.asks <- question{dir, known}
	var st stat
	select {
	case st = <-lo.tells:
	case <-lo.timer.C:
		if lo.state.CompareAndSwap(asked, abandoned) {
			l.hang(lo, dir)
			return stat{none: true}, false
		}
		st = <-lo.tells
	}
	lo.timer.Stop()
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
	if n := len(l.idle); n > 0 {
		lo := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return lo
	}
	lo := &looker{asks: make(chan question), tells: make(chan stat, 1), timer: time.NewTimer(time.Hour)}
	go l.run(lo)
	return lo
}

// give takes a looker back.
func (l *lookers) give(lo *looker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.idle) >= 2*runtime.GOMAXPROCS(0) {
		close(lo.asks)
		return
	}
	l.idle = append(l.idle, lo)
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
