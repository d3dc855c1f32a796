package exec

import (
	"sync/atomic"
	"time"
)

// ticker tells a loop when to stop, for a few nanoseconds a turn. It is for one
// goroutine.
type ticker struct {
	done      <-chan struct{}
	deadline  time.Time // zero: none
	stop      *atomic.Bool
	work      int
	units     int  // of work after which it looks up
	cancelled bool // done was seen
}

func newTicker(a *answer, deadline time.Time, stop *atomic.Bool) ticker {
	return ticker{done: a.ctx.Done(), deadline: deadline, stop: stop, units: a.r.tune.units}
}

// due adds units of work and reports whether it is time to stop: the context is
// done, someone set stop, or the deadline has passed.
func (t *ticker) due(units int) bool {
	if t.work += units; t.work < t.units {
		return false
	}
	t.work = 0
	return t.gone() || t.stop.Load() || !t.deadline.IsZero() && !time.Now().Before(t.deadline)
}

// gone reports whether the context is done.
func (t *ticker) gone() bool {
	select {
	case <-t.done:
		t.cancelled = true
	default:
	}
	return t.cancelled
}
