package indexer

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"indexd/store"
	"indexd/store/dbfile"
)

// compactor compacts the database when much of its file is unused, and when its file was
// removed, to write it anew. Confined to Run's goroutine, except for what it starts.
type compactor struct {
	*scheduler
	min    int64         // size of the file in bytes below which nothing is done
	pause  time.Duration // between two checks
	timer  *time.Timer
	armed  bool
	next   time.Time // no check before
	notFor time.Time // no compaction at the size limit before
	result chan error
	busy   bool
	noRoom atomic.Pointer[dbfile.NoRoomError] // why a compaction is put off; nil: none is

	nextFile time.Time // no check of the file's name before
	fileGone bool      // at the last check
}

const (
	// A check costs as much as the changes since the last one: store.Store.Slack.
	compactPause = 20 * time.Second
	compactMin   = 2 << 20
	// compactShare: the database is compacted when a fourth of the file is free, or unused
	// in pages that changes have left half empty. So a database grows to four thirds of
	// its size, and copying it costs the changes that made a fourth of it useless about
	// three times their bytes.
	compactShare = 4
	// compactLimitShare: close to the size limit, a twentieth is enough.
	compactLimitShare = 20
	// compactRetry is the pause after a failure, compactNoRoom if the disk has no room for
	// the copy, which is cheap to find out.
	compactRetry  = 15 * time.Minute
	compactNoRoom = time.Minute
	// fileCheckPause: checking the file's name takes one system call, after a commit or
	// when a sweep may be due.
	fileCheckPause = time.Minute
)

func newCompactor(s *scheduler) *compactor {
	c := &compactor{scheduler: s, min: compactMin, pause: compactPause}
	if s.cfg.Eager {
		c.min, c.pause = 0, 10*time.Millisecond
	}
	c.timer, c.result = time.NewTimer(0), make(chan error, 1)
	c.timer.Stop()
	return c
}

// changed is called after commits.
func (c *compactor) changed() {
	if !c.armed {
		c.armed = true
		c.timer.Reset(max(time.Until(c.next), 0))
	}
}

// wait puts off the next check for at least so long.
func (c *compactor) wait(d time.Duration) {
	c.next = time.Now().Add(d)
	c.notFor = c.next
	c.armed = false // the timer may be set to an earlier moment
	c.changed()
}

// compactIfDue starts a compaction if it pays.
func (c *compactor) compactIfDue() {
	c.armed = false
	c.next = time.Now().Add(c.pause)
	if c.busy || c.writer.InBulk() {
		c.changed()
		return
	}
	if c.fileGone {
		c.compact()
		return
	}
	slack, size, err := c.st.Slack()
	if err != nil {
		c.log.Error("cannot tell how much of the database is unused", "err", err)
		return
	}
	share := int64(compactShare)
	if room, limited := c.st.Room(); limited && room < 2*c.st.Reserve() {
		share = compactLimitShare
	}
	if size >= c.min && slack >= size/share {
		c.compact()
	}
}

// compactForRoom starts a compaction at the size limit if a twentieth of the database is
// unused, unless one has failed a short while ago.
func (c *compactor) compactForRoom() {
	if c.busy || time.Now().Before(c.notFor) {
		return
	}
	if slack, size, err := c.st.Slack(); err == nil && slack >= size/compactLimitShare {
		c.compact()
	}
}

// compact starts a compaction. There must be none in progress.
func (c *compactor) compact() {
	c.busy = true
	begun := time.Now()
	_, was, _ := c.st.Slack()
	gone := c.fileGone
	c.background.Go(func() {
		var err error
		if gone { // perhaps with its directory
			err = os.MkdirAll(filepath.Dir(c.st.Path()), 0o700)
		}
		if err == nil {
			err = c.st.Compact(c.running)
		}
		if err == nil {
			_, now, _ := c.st.Slack()
			c.log.Info("compacted the database", "was", was, "is", now, "took", time.Since(begun).Round(time.Millisecond))
		}
		c.result <- err
	})
}

// compacted is called with the result of a compaction.
func (c *compactor) compacted(err error) {
	c.busy = false
	was := c.noRoom.Swap(nil)
	retry := compactRetry
	if c.fileGone {
		retry = compactNoRoom
	}
	var room *dbfile.NoRoomError
	switch {
	case err == nil:
		c.spaceFreed()
		c.nextFile = time.Time{}
		c.checkFile()
	case c.running.Err() != nil:
	case errors.As(err, &room):
		c.noRoom.Store(room)
		if was == nil {
			c.log.Info("the database is compacted when there is room for the copy", "need", room.Need, "free", room.Free)
		}
		c.wait(compactNoRoom)
	default:
		c.log.Warn("the database was not compacted", "err", err, "retry", retry)
		c.wait(retry)
	}
}

// checkFile checks whether the database's file is in its place. If it was removed, it is
// written anew.
func (c *compactor) checkFile() {
	now := time.Now()
	if now.Before(c.nextFile) || c.busy {
		return
	}
	c.nextFile = now.Add(c.cfg.Timing.FileCheck)
	err, why := c.st.Named(), ""
	switch {
	case errors.Is(err, store.ErrGone):
		why = "the database's file was removed; it is being written anew"
	case errors.Is(err, store.ErrReplaced):
		why = "another file has replaced the database's, and what is indexed now is lost when indexd ends; restart indexd to use that file, or move it away"
	case err != nil: // it cannot be told now
		return
	}
	c.fileGone = errors.Is(err, store.ErrGone)
	was := ""
	if fault := c.fileFault.Load(); fault != nil {
		was = *fault
	}
	if why != was {
		if why == "" {
			c.fileFault.Store(nil)
			c.log.Info("the database's file is in its place again", "db", c.st.Path())
		} else {
			c.fileFault.Store(&why)
			c.log.Error(why, "db", c.st.Path())
		}
		c.reportDegraded()
	}
	if c.fileGone {
		c.wait(0)
	}
}
