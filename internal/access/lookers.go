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
	patience = time.Second
	// maxStuck is how many looks may not have come back; with so many, nothing that
	// is not known is looked at.
	maxStuck = 64
	// patienceRounds is how often in that time it is looked whether it has come.
	patienceRounds = 4
)

// lookers are goroutines that make system calls which may never return. Each is
// given one batch at a time.
type lookers struct {
	look     func(*question, *parents) stat // the system's, or a test's
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
	asks  chan *batch   // closed when it is to end
	tells chan struct{} // holds one
	state atomic.Int32

	// Under lookers.mu:
	batch *batch
	at    int32 // where in it monitor has seen it last
	since int   // monitor's round in which that was, or in which it was taken
	back  bool  // from where nobody waited for it any more
}

// batch is a number of questions, and what was told, which is for who asks once it
// was told, and else for the looker. To give each from one goroutine to another
// takes half as long as to look.
type batch struct {
	way []stepTo   // what is known of the directories above the first, from the root on
	ask []question // in the order of paths
	got []stat     // as many
	at  atomic.Int32
}

// stepTo is a directory above another.
type stepTo struct {
	dir  string // "" is the root
	firm bool   // perms.firm, of all above too
}

// stuck is where a look does not come back from.
type stuck struct {
	below string // nothing is looked at there
	mount string
}

// The states of a looker.
const (
	asked     = iota // somebody waits
	answered         // it has told, or is about to
	abandoned        // nobody waits any more, or not for long
)

// do has all of b looked at, but for what is below where nothing is, which is
// dropped. false: it did not answer, or the first was dropped; b is not the
// caller's any more then.
func (l *lookers) do(b *batch) bool {
	lo := l.take(b)
	if lo == nil {
		return false
	}
	lo.asks <- b
	<-lo.tells
	if lo.state.Load() == abandoned {
		l.hang(lo, b.ask[b.at.Load()].dir)
		return false
	}
	l.give(lo)
	return true
}

// take returns a looker; nil: the first of b is not to be looked at now.
func (l *lookers) take(b *batch) *looker {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.stuck) > 0 {
		if len(l.stuck) >= maxStuck {
			return nil
		}
		hangs := func(q question) bool {
			for _, s := range l.stuck {
				if mounts.Within(q.dir, s.below) {
					return true
				}
			}
			return false
		}
		if hangs(b.ask[0]) {
			return nil
		}
		b.ask = slices.DeleteFunc(b.ask, hangs)
	}
	if l.closed {
		return nil
	}
	b.at.Store(0)
	b.got = slices.Grow(b.got[:0], len(b.ask))[:len(b.ask)]
	var lo *looker
	if n := len(l.idle); n > 0 {
		lo = l.idle[n-1]
		l.idle = l.idle[:n-1]
	} else {
		lo = &looker{asks: make(chan *batch), tells: make(chan struct{}, 1)}
		go l.run(lo)
	}
	lo.state.Store(asked)
	lo.batch, lo.at, lo.since = b, 0, l.rounds
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
	lo.batch = nil
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
			if at := lo.batch.at.Load(); at != lo.at {
				lo.at, lo.since = at, l.rounds
			}
			if l.rounds-lo.since > patienceRounds && lo.state.CompareAndSwap(asked, abandoned) {
				lo.tells <- struct{}{}
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
	var ups parents
	for b := range lo.asks {
		ups.now = time.Now()
		b.look(l.look, &ups, lo)
		ups.close()
		if !lo.state.CompareAndSwap(asked, answered) {
			l.mu.Lock()
			lo.back = true
			delete(l.stuck, lo)
			l.mu.Unlock()
			return
		}
		lo.tells <- struct{}{}
	}
}

// look looks, until nobody waits for lo any more. What is in a directory of which it
// does not know that it is firm is looked for in that one.
func (b *batch) look(look func(*question, *parents) stat, ups *parents, lo *looker) {
	way := append(make([]stepTo, 0, 16), b.way...)
	for i := range b.ask {
		b.at.Store(int32(i))
		if lo.state.Load() != asked {
			return
		}
		q := &b.ask[i]
		n := len(way)
		for n > 0 && !within(q.dir, way[n-1].dir) {
			n--
		}
		way = way[:n]
		q.linked = q.dir != "/" && (n == 0 || !way[n-1].firm || strings.IndexByte(q.dir[len(way[n-1].dir)+1:], '/') >= 0)
		st := look(q, ups)
		if b.got[i] = st; !st.none {
			way = append(way, stepTo{strings.TrimSuffix(q.dir, "/"), !q.linked && st.firm()})
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
