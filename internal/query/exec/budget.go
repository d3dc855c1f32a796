package exec

import (
	"sync/atomic"
	"time"
)

// budget tells a loop when to stop. A turn costs a few nanoseconds. It is for one goroutine.
type budget struct {
	done      <-chan struct{}
	deadline  time.Time // zero means none
	stop      *atomic.Bool
	work      int
	units     int  // work between two checks
	cancelled bool // done was seen
}

func newBudget(a *answer, deadline time.Time, stop *atomic.Bool) budget {
	return budget{done: a.ctx.Done(), deadline: deadline, stop: stop, units: a.r.tune.units}
}

// due adds units of work and reports whether it is time to stop because the context is done,
// stop is set, or the deadline has passed.
func (t *budget) due(units int) bool {
	if t.work += units; t.work < t.units {
		return false
	}
	t.work = 0
	return t.gone() || t.stop.Load() || !t.deadline.IsZero() && !time.Now().Before(t.deadline)
}

// shorten moves the deadline to d from now, unless it is earlier.
func (t *budget) shorten(d time.Duration) {
	if soon := time.Now().Add(d); t.deadline.IsZero() || soon.Before(t.deadline) {
		t.deadline = soon
	}
}

// gone reports whether the context is done.
func (t *budget) gone() bool {
	select {
	case <-t.done:
		t.cancelled = true
	default:
	}
	return t.cancelled
}
