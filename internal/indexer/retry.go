package indexer

import (
	"errors"
	"sync/atomic"

	"indexd/internal/indexer/commit"
	"indexd/store"
)

// retry lists directories that are still pending when nothing else is active: the store marks
// them when records contradict each other, and a cancelled job leaves those that it found. It
// also purges records covered by tombstones. Confined to Run's goroutine unless stated
// otherwise.
type retry struct {
	*scheduler
	tries map[string]int // of pending directories, by key, while there are any

	purging    atomic.Bool  // a batch is with the writer; any goroutine
	purgeBatch atomic.Int64 // records of a batch; any goroutine
}

const (
	// pendingBatch bounds how many pending directories are read at once.
	pendingBatch = 1024
	// maxTries is how often a directory that stays pending is listed: on an offline
	// volume, or a file system that contradicts itself. The next start tries again.
	maxTries = 3
	// purgeMost records are deleted in one transaction, which delays other commits by a
	// few milliseconds; at least purgeLeast if there is no room for the pages that
	// more of them change.
	purgeMost  = 2000
	purgeLeast = 32
)

func newRetry(s *scheduler) *retry {
	r := &retry{scheduler: s, tries: make(map[string]int)}
	r.purgeBatch.Store(purgeMost)
	return r
}

// reset makes directories that were given up be listed again.
func (r *retry) reset() {
	clear(r.tries)
	r.unlistable.Store(0)
}

// run starts what there is to do.
func (r *retry) run() {
	if r.st.TombstoneCount() > 0 {
		r.purge()
	}
	if r.st.PendingCount() == 0 {
		r.reset()
		return
	}
	if r.active.value() > 0 || !r.allComplete() {
		return // active work may list them
	}
	var list []pendingDir
	stuck := uint64(0)
	tried := make(map[string]int) // what remains of tries if there is nothing to list
	m := r.mounts.Load()
	err := r.st.View(func(sn *store.Snap) error {
		for key, p := range sn.Pending(nil, nil) {
			dir, ok := m.pathOf(key)
			if n := r.tries[string(key)]; !ok || n >= maxTries || r.rootOf(dir) == nil {
				if stuck++; n > 0 {
					tried[string(key)] = n
				}
				continue
			}
			r.tries[string(key)]++
			if list = append(list, pendingDir{dir, p.Subtree}); len(list) == pendingBatch {
				break
			}
		}
		return nil
	})
	if err != nil {
		r.log.Error("cannot read what is pending", "err", err)
	}
	r.listPending(0, list)
	if len(list) == 0 {
		r.tries = tried
		r.unlistable.Store(stuck)
		r.active.notify()
	}
}

// retryPending runs after every commit. Purging and single-name updates do not count as
// active work, so they can leave directories pending, or end the last one's being so, after
// all other work is done.
func (r *retry) retryPending() {
	switch {
	case r.active.value() > 0:
	case r.allSettled() || !r.allComplete():
		r.active.notify()
	default:
		r.run()
	}
}

// purge deletes some of the records covered by tombstones, after all items already queued.
func (r *retry) purge() {
	if !r.purging.CompareAndSwap(false, true) {
		return
	}
	more := false
	n := r.purgeBatch.Load()
	it := commit.Item{
		Do: func(tx *store.Tx) (err error) {
			more, err = tx.PurgeTombstones(int(n))
			return err
		},
		Done: func(err error) {
			r.purging.Store(false)
			switch {
			case errors.Is(err, store.ErrFull) && n > purgeLeast:
				r.purgeBatch.Store(max(n/4, purgeLeast))
				r.wake()
			case err == nil:
				r.purgeBatch.Store(min(2*n, purgeMost))
				if r.spaceFreed(); more {
					r.wake()
				}
			}
		},
	}
	if r.writer.Put(r.running, it) != nil {
		r.purging.Store(false)
	}
}
