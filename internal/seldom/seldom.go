// Package seldom keeps a log short of what may happen again and again. A log may lie
// in the very tree that is watched, where each line is one change more.
package seldom

import (
	"sync"
	"time"
)

// Pause is how long lines of one kind are apart at least.
const Pause = time.Minute

// Line is one kind of line. The first is said at once; what comes within Pause of one
// is counted, and said in one more line at its end. The zero value is ready; its
// methods may be called from any goroutine. No timer runs when nothing happens.
type Line struct {
	mu      sync.Mutex
	n       int // how often it happened since the last line
	say     func(times int)
	timer   *time.Timer // runs for Pause behind a line, else nil
	stopped bool
}

// Say calls say, now or later, with how often it was to be called since the last line:
// of several calls within Pause the last one's. It must not call the Line. After
// Stop nothing is said.
func (l *Line) Say(say func(times int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	l.say = say
	if l.timer == nil && !l.stopped {
		l.flush()
		l.timer = time.AfterFunc(Pause, l.again)
	}
}

// again says what came within Pause of the last line.
func (l *Line) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopped:
	case l.n == 0:
		l.timer = nil
	default:
		l.flush()
		l.timer.Reset(Pause)
	}
}

func (l *Line) flush() {
	l.say(l.n)
	l.n, l.say = 0, nil
}

// Stop says at once what is left to be said.
func (l *Line) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	l.stopped = true
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.n > 0 {
		l.flush()
	}
}
