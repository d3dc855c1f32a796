package indexer

import (
	"cmp"
	"errors"
	"sync/atomic"
	"time"

	"indexd/store"
)

// naming sees to it that the database has a file by its name: somebody may remove it,
// or put another in its place, while it is open. Confined to Run's goroutine, but for
// why.
type naming struct {
	pause time.Duration // between two looks
	next  time.Time     // no look before
	gone  bool          // there was no file at the last look
	why   atomic.Pointer[string]
}

// namePause: a look is one system call, and is made when something was committed, or
// a sweep looks whether it is due.
const namePause = time.Minute

// now says what is wrong with the file's name, "" for nothing. From any goroutine.
func (n *naming) now() string {
	if why := n.why.Load(); why != nil {
		return *why
	}
	return ""
}

// lookForFile looks whether the database's file is where it should be, and has it
// written there anew where it was removed.
func (x *Indexer) lookForFile() {
	n := &x.naming
	if now := time.Now(); now.Before(n.next) || x.compacting.busy {
		return
	} else {
		n.next = now.Add(n.pause)
	}
	err, why := x.st.Named(), ""
	switch {
	case errors.Is(err, store.ErrGone):
		why = "the database's file was removed; it is written anew"
	case errors.Is(err, store.ErrReplaced):
		why = "another file has taken the place of the database's, and what is indexed now is lost when indexd ends; restart indexd to go on with that one, or move it away"
	case err != nil: // it cannot be told now
		return
	}
	n.gone = errors.Is(err, store.ErrGone)
	was := n.now()
	switch {
	case why == "" && was != "":
		n.why.Store(nil)
		x.log.Info("the database's file is in its place again", "db", x.st.Path())
	case why != was:
		n.why.Store(&why)
		x.log.Error(why, "db", x.st.Path())
	}
	if why != was {
		x.tellDegraded()
	}
	if n.gone {
		x.compacting.wait(0)
	}
}

// degraded says what is wrong with the database, "" for nothing. From any goroutine.
func (x *Indexer) degraded() string {
	return cmp.Or(x.writer.Failure(), x.backfill.reason(), x.naming.now())
}

func (x *Indexer) tellDegraded() {
	if x.cfg.Degraded != nil {
		x.cfg.Degraded(x.degraded())
	}
}
