package indexer

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"indexd/store"
)

// compacting sees to it that the database gives back what it does not use.
// Confined to Run's goroutine, but for what it starts.
type compacting struct {
	min    int64         // size of the file in bytes below which nothing is done
	pause  time.Duration // between two looks
	timer  *time.Timer
	armed  bool
	next   time.Time // no look before
	notFor time.Time // no compaction for want of room before
	result chan error
	busy   bool
	putOff atomic.Pointer[store.NoRoomError] // why it waits; nil: it does not
}

const (
	// A look costs what the changes since the last one did: store.Store.Slack.
	compactPause = 20 * time.Second
	compactMin   = 2 << 20
	// compactShare: compacted when a fourth of the file is free, or lies unused
	// in pages that changes have left half empty. A database grows to four
	// thirds of its size then, and copying it costs the changes that made a
	// fourth of it useless about three times their bytes.
	compactShare = 4
	// compactRoomShare: where the size limit is near it is done for a twentieth.
	compactRoomShare = 20
	// compactRetry is how long to wait after a failure, compactRoom where the disk
	// has no room for the copy, which costs nothing to ask.
	compactRetry = 15 * time.Minute
	compactRoom  = time.Minute
)

// init makes c ready; eager: however small the database is, and without a pause.
func (c *compacting) init(eager bool) {
	c.min, c.pause = compactMin, compactPause
	if eager {
		c.min, c.pause = 0, 10*time.Millisecond
	}
	c.timer, c.result = time.NewTimer(0), make(chan error, 1)
	c.timer.Stop()
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
	if c.busy || x.writer.InBulk() {
		c.changed()
		return
	}
	if x.naming.gone {
		x.compact()
		return
	}
	slack, size, err := x.st.Slack()
	if err != nil {
		x.log.Error("cannot tell how full the database is", "err", err)
		return
	}
	share := int64(compactShare)
	if room, limited := x.st.Room(); limited && room < 2*x.st.Reserve() {
		share = compactRoomShare
	}
	if size < c.min || slack < size/share {
		return
	}
	x.compact()
}

// compactForRoom starts a compaction where the database is as large as it may
// become, and a twentieth of it is unused; not soon after another that failed.
func (x *Indexer) compactForRoom() {
	c := &x.compacting
	if c.busy || time.Now().Before(c.notFor) {
		return
	}
	if slack, size, err := x.st.Slack(); err == nil && slack >= size/compactRoomShare {
		x.compact()
	}
}

// compact starts a compaction; there is none under way.
func (x *Indexer) compact() {
	x.compacting.busy = true
	begun := time.Now()
	_, was, _ := x.st.Slack()
	gone := x.naming.gone
	x.goes.Go(func() {
		var err error
		if gone { // perhaps with its directory
			err = os.MkdirAll(filepath.Dir(x.st.Path()), 0o700)
		}
		if err == nil {
			err = x.st.Compact(x.running)
		}
		if err == nil {
			_, now, _ := x.st.Slack()
			x.log.Info("compacted the database", "was", was, "is", now, "took", time.Since(begun).Round(time.Millisecond))
		}
		x.compacting.result <- err
	})
}

// compacted takes note of how a compaction ended.
func (x *Indexer) compacted(err error) {
	c := &x.compacting
	c.busy = false
	was := c.putOff.Swap(nil)
	retry := compactRetry
	if x.naming.gone {
		retry = compactRoom
	}
	var room *store.NoRoomError
	switch {
	case err == nil:
		x.spaceFreed()
		x.naming.next = time.Time{}
		x.lookForFile()
	case x.running.Err() != nil:
	case errors.As(err, &room):
		c.putOff.Store(room)
		if was == nil {
			x.log.Info("the database is not compacted before there is room for it", "need", room.Need, "free", room.Free)
		}
		c.wait(compactRoom)
	default:
		x.log.Warn("the database was not compacted", "err", err, "again in", retry)
		c.wait(retry)
	}
}

// wait puts the next look off for so long at least.
func (c *compacting) wait(d time.Duration) {
	c.next = time.Now().Add(d)
	c.notFor = c.next
	c.armed = false // what has changed since may have set the timer to a moment before
	c.changed()
}
