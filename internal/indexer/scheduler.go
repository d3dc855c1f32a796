package indexer

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/internal/mounts"
	"indexd/internal/watch"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
	"indexd/walker"
)

// scheduler has directories listed: it runs tasks, and the calls that must not be made by a
// worker or the writer.
type scheduler struct {
	*watches
	pool     *walker.Pool
	tasks    taskQueue
	inflight inflight
	active   counter // tasks and deferred calls
	epochs   epochs
	progress progress

	heartbeat *commit.Heartbeat // of Run's goroutine
	wakeup    chan struct{}     // capacity 1
	pendingMu sync.Mutex
	pending   []func() // deferred calls
	// unlistable is how many directories are pending but cannot be listed.
	unlistable atomic.Uint64

	rejected chan struct{} // capacity 1: a change was rejected at the size limit
	freed    atomic.Bool   // space was freed while core.full was set
}

// progress counts listed directories and entries since the start.
type progress struct {
	begun         time.Time
	dirs, entries atomic.Uint64
}

// deferCall has f called on Run's goroutine, where it may wait for the writer.
func (s *scheduler) deferCall(f func()) {
	s.active.add(1)
	s.pendingMu.Lock()
	s.pending = append(s.pending, f)
	s.pendingMu.Unlock()
	s.wake()
}

// wake makes Run's goroutine look for work.
func (s *scheduler) wake() { signal(s.wakeup) }

// runDeferred makes the deferred calls. Called on Run's goroutine.
func (s *scheduler) runDeferred() {
	s.pendingMu.Lock()
	calls := s.pending
	s.pending = nil
	s.pendingMu.Unlock()
	for _, f := range calls {
		f()
		s.heartbeat.Tick()
		s.active.add(-1)
	}
}

// signal puts a value into a channel of capacity 1, unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// relist lists one directory again soon, as part of an epoch's work. The caller holds a piece
// of that work that is not done.
func (s *scheduler) relist(epoch uint64, dir string) {
	s.deferTask(&task{s: s, priority: walker.Event, alone: dir, epoch: epoch})
}

// discover lists a directory that was never listed, with all below it, as part of an epoch's
// work. The caller holds a piece of that work that is not done.
func (s *scheduler) discover(epoch uint64, dir string) {
	priority := walker.Resume
	if epoch != 0 {
		priority = walker.Event
	}
	s.deferTask(&task{s: s, priority: priority, trees: []string{dir}, epoch: epoch})
}

func (s *scheduler) deferTask(t *task) {
	epoch := t.epoch
	s.epochs.add(epoch)
	s.deferCall(func() {
		_ = s.tasks.submit(t, nil, nil)
		s.epochs.done(epoch)
	})
}

// claimWatch watches a directory that is not watched and lists it again, because a shows
// that files in it changed: its own times, by which it was passed over, do not show that.
// They show changes of names, and it was watched before it was listed. It may be called on
// the writer's goroutine.
func (s *scheduler) claimWatch(epoch uint64, dir string, a *store.Applied) {
	if s.src == nil || a.ModifiedFiles == 0 || s.src.Watched(dir) {
		return
	}
	s.epochs.add(epoch)
	s.deferCall(func() {
		if _, ok := s.watchDir(dir, watch.Ident{}, listing.Time{Sec: time.Now().Unix()}); ok {
			s.relist(epoch, dir) // watch, then list
		}
		s.epochs.done(epoch)
	})
}

// A pendingDir is a directory that is still to be listed, alone or with all below it.
type pendingDir struct {
	dir     string
	subtree bool
}

// pendingIn returns at most max pending directories of a root that can be reached.
func (s *scheduler) pendingIn(r *root, max int) ([]pendingDir, error) {
	list, _, err := s.pendingFrom(r, nil, nil, max)
	return list, err
}

// pendingFrom is pendingIn for directories in dirs (none: all) or above, beginning at a
// key. If there may be more, it returns the key that they begin at.
func (s *scheduler) pendingFrom(r *root, dirs []string, from record.Key, max int) (list []pendingDir, next record.Key, err error) {
	m := s.mounts.Load()
	err = s.st.View(func(sn *store.Snap) error {
		for key, p := range sn.Pending(from, nil) {
			if len(list) == max {
				next = bytes.Clone(key)
				break
			}
			if dir, ok := m.pathOf(key); ok && mounts.Within(dir, r.path) && touches(dir, dirs) {
				list = append(list, pendingDir{dir, p.Subtree})
			}
		}
		return nil
	})
	return list, next, err
}

// listPending lists directories as part of an epoch's work.
func (s *scheduler) listPending(epoch uint64, list []pendingDir) {
	for _, p := range list {
		if p.subtree {
			s.discover(epoch, p.dir)
		} else {
			s.relist(epoch, p.dir)
		}
	}
}

// allSettled reports whether nothing is pending except what cannot be listed.
func (s *scheduler) allSettled() bool { return s.st.PendingCount() <= s.unlistable.Load() }
