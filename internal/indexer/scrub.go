package indexer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"indexd/store"
	"indexd/walker"
)

// scrubbing is the search of a database for damage: once after a start, and when
// something damaged was met. What is found is listed again.
type scrubbing struct {
	doubt atomic.Bool // what is stored may be other than what was

	mu    sync.Mutex
	busy  bool
	again bool // it is to be done once more
	met   bool // something damaged was, since it was begun last
}

// scrubRounds is how often a database is searched until nothing is found.
const scrubRounds = 4

// Distrust says that something damaged was met in the database. Until all of it
// was looked at, its pages too, and what is damaged was listed again, every root is
// said to be reconciled.
func (x *Indexer) Distrust() { x.search(true) }

// search begins a search, after a start or because something damaged was met.
func (x *Indexer) search(met bool) {
	s := &x.scrubbing
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubt.Store(true)
	s.met = s.met || met
	if s.again = s.busy; !s.busy && x.running.Err() == nil {
		s.busy = true
		x.active.add(1)
		x.deferCall(func() { x.background.Go(x.scrub) })
	}
}

// Distrusted reports whether Distrust was called, or this is a start, and not all
// was looked at since.
func (x *Indexer) Distrusted() bool { return x.scrubbing.doubt.Load() }

func (x *Indexer) scrub() {
	defer x.active.add(-1)
	s := &x.scrubbing
	for {
		s.mu.Lock()
		met := s.met
		s.met = false
		s.mu.Unlock()
		if met {
			x.st.Suspect()
		}
		ok := x.scrubOnce()
		s.mu.Lock()
		s.doubt.Store(!ok || s.again)
		s.busy = s.again && x.running.Err() == nil
		s.again = false
		busy := s.busy
		s.mu.Unlock()
		if !busy {
			x.active.notify()
			return
		}
	}
}

// scrubOnce searches until nothing is found; false: it did not come to that.
func (x *Indexer) scrubOnce() bool {
	begun := time.Now()
	apply := func(fn func(*store.Tx) error) error { return x.writer.Update(x.running, fn) }
	for range scrubRounds {
		found, err := 0, error(nil)
		walker.AtIdlePriority(func() bool {
			found, err = x.st.Scrub(x.running, apply, func() error { return context.Cause(x.running) })
			return true
		})
		switch {
		case x.running.Err() != nil:
			return false
		case err != nil:
			x.log.Error("cannot look for damage in the database", "err", err)
			return false
		case found == 0:
			x.log.Debug("looked for damage in the database", "took", time.Since(begun).Round(time.Millisecond))
			return true
		}
		x.log.Warn("the database was damaged; what was is listed again", "found", found)
		for _, r := range x.allRoots() {
			if !r.record().Complete {
				continue // what is pending is listed as the first index goes on
			}
			if err := x.listAllPending(x.running, r, nil); err != nil {
				x.log.Error("cannot list again what was damaged", "root", r.path, "err", err)
				return false
			}
		}
	}
	x.log.Error("the database is damaged in a way that listing again does not mend")
	return false
}
