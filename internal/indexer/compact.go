package indexer

import "time"

// compacting sees to it that the database gives back what it does not use.
// Confined to Run's goroutine, but for what it starts.
type compacting struct {
	min    int64         // size of the file in bytes below which nothing is done
	pause  time.Duration // between two looks
	timer  *time.Timer
	armed  bool
	next   time.Time // no look before
	result chan error
	busy   bool
}

const (
	// A look costs what the changes since the last one did: store.Store.Slack.
	compactPause = 20 * time.Second
	compactMin   = 8 << 20
	// compactShare: compacted when a fourth of the file is free, or lies unused
	// in pages that changes have left half empty. A database grows to four
	// thirds of its size then, and copying it costs the changes that made a
	// fourth of it useless about three times their bytes.
	compactShare = 4
	// compactRetry is how long to wait after a failure: most often the disk had
	// no room for the copy.
	compactRetry = 15 * time.Minute
)

func newCompacting(eager bool) compacting {
	c := compacting{min: compactMin, pause: compactPause, timer: time.NewTimer(0), result: make(chan error, 1)}
	c.timer.Stop()
	if eager {
		c.min, c.pause = 0, 10*time.Millisecond
	}
	return c
}

// changed says that something was committed.
func (c *compacting) changed() {
	if !c.armed {
		c.armed = true
		c.timer.Reset(max(time.Until(c.next), 0))
	}
}

// compactIfDue starts a compaction where it pays.
func (x *Indexer) compactIfDue() {
	c := &x.compacting
	c.armed = false
	c.next = time.Now().Add(c.pause)
	if c.busy || x.writer.bulk.Load() > 0 {
		c.changed()
		return
	}
	slack, size, err := x.st.Slack()
	if err != nil {
		x.log.Error("cannot tell how full the database is", "err", err)
		return
	}
	if size < c.min || slack < size/compactShare {
		return
	}
	c.busy = true
	begun := time.Now()
	x.goes.Go(func() {
		err := x.st.Compact(x.running)
		if err == nil {
			_, now, _ := x.st.Slack()
			x.log.Info("compacted the database", "was", size, "is", now, "took", time.Since(begun).Round(time.Millisecond))
		}
		c.result <- err
	})
}

// compacted takes note of how a compaction ended.
func (x *Indexer) compacted(err error) {
	c := &x.compacting
	c.busy = false
	if err != nil && x.running.Err() == nil {
		x.log.Warn("the database was not compacted", "err", err, "again in", compactRetry)
		c.next = time.Now().Add(compactRetry)
		c.changed()
	}
}
