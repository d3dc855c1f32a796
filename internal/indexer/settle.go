package indexer

import (
	"errors"

	"indexd/internal/indexer/commit"
	"indexd/store"
)

// Settling is what the indexer does when nothing else is under way: what is
// still pending is listed, whoever marked it (the store does so where records
// contradict each other, a cancelled job leaves behind what it found), and what
// is dead is reaped. Confined to Run's goroutine.
type settling struct {
	tries map[string]int // of pending directories, by key, while there are any
}

const (
	// settleBatch bounds what is read of the pending set at once.
	settleBatch = 1024
	// settleTries is how often a directory is listed that stays pending: an
	// offline volume, a file system that contradicts itself. The next start
	// tries again.
	settleTries = 3
	// reapBatch is how many records one transaction deletes: it holds up no
	// commit for longer than a few milliseconds.
	reapBatch = 2000
	// reapLeast at a time where there is no room for what more of them change.
	reapLeast = 32
)

// settle starts what there is to be done of it.
func (x *Indexer) settle() {
	if x.st.DeadCount() > 0 {
		x.reap()
	}
	s := &x.settling
	if x.st.PendingCount() == 0 {
		clear(s.tries)
		x.unsettled.Store(0)
		return
	}
	if x.active.value() > 0 || !x.allComplete() {
		return // what is under way may settle it
	}
	var list []pendingDir
	stuck := uint64(0)
	tried := make(map[string]int) // what stays of tries where there is nothing left to list
	where := x.places.Load()
	err := x.st.View(func(sn *store.Snap) error {
		for key, p := range sn.Pending(nil, nil) {
			dir, ok := where.pathOf(key)
			if n := s.tries[string(key)]; !ok || n >= settleTries || x.rootOf(dir) == nil {
				if stuck++; n > 0 {
					tried[string(key)] = n
				}
				continue
			}
			s.tries[string(key)]++
			if list = append(list, pendingDir{dir, p.Subtree}); len(list) == settleBatch {
				break
			}
		}
		return nil
	})
	if err != nil {
		x.log.Error("cannot read what is pending", "err", err)
	}
	x.listPending(0, list)
	if len(list) == 0 {
		s.tries = tried
		x.unsettled.Store(stuck)
		x.active.poke()
	}
}

// settleRest is called after each commit: one that is no part of what counts as
// under way, of what reap found or of a single name, may leave something pending
// behind, or take away the last of it, when all else has ended.
func (x *Indexer) settleRest() {
	switch {
	case x.active.value() > 0:
	case x.settled() || !x.allComplete():
		x.active.poke()
	default:
		x.settle()
	}
}

// settled reports whether nothing is pending but what cannot be listed.
func (x *Indexer) settled() bool { return x.st.PendingCount() <= x.unsettled.Load() }

// reap deletes some of what is dead, behind whatever else is to be written.
func (x *Indexer) reap() {
	if !x.reaping.CompareAndSwap(false, true) {
		return
	}
	more := false
	n := x.reapMost.Load()
	it := commit.Item{
		Do: func(tx *store.Tx) (err error) {
			more, err = tx.Reap(int(n))
			return err
		},
		Done: func(err error) {
			x.reaping.Store(false)
			switch {
			case errors.Is(err, store.ErrFull) && n > reapLeast:
				x.reapMost.Store(max(n/4, reapLeast))
				x.nudge()
			case err == nil:
				x.reapMost.Store(min(2*n, reapBatch))
				if x.spaceFreed(); more {
					x.nudge()
				}
			}
		},
	}
	if x.writer.Put(x.running, it) != nil {
		x.reaping.Store(false)
	}
}
