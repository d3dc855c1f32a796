// Package logthrottle limits how often one kind of event is logged. Without it, a log
// file inside the watched tree would feed itself: each line written is another change
// to report.
package logthrottle

import (
	"sync"
	"time"
)

// Interval is the minimum time between two log lines of one Logger.
const Interval = time.Minute

// Logger logs one kind of event. The first event is logged at once. Events within
// Interval of a line are counted and logged as one more line when the interval ends.
// The zero value is ready to use, its methods may be called from any goroutine, and it
// runs no timer while nothing happens.
type Logger struct {
	mu      sync.Mutex
	n       int // events since the last line
	log     func(times int)
	timer   *time.Timer // runs for Interval after a line, else nil
	stopped bool
}

// Log records one event and calls log, now or when the interval ends, with the number
// of events since the last line. Of several events within one interval, the last log
// function is called. log must not call the Logger. After Stop, Log does nothing.
func (l *Logger) Log(log func(times int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	l.log = log
	if l.timer == nil && !l.stopped {
		l.flush()
		l.timer = time.AfterFunc(Interval, l.intervalEnded)
	}
}

// intervalEnded logs the events counted since the last line.
func (l *Logger) intervalEnded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopped:
	case l.n == 0:
		l.timer = nil
	default:
		l.flush()
		l.timer.Reset(Interval)
	}
}

func (l *Logger) flush() {
	l.log(l.n)
	l.n, l.log = 0, nil
}

// Stop logs at once what has been counted and not yet logged.
func (l *Logger) Stop() {
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
