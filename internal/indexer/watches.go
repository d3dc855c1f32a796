package indexer

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"indexd/internal/watch"
	"indexd/listing"
)

// watches decides which directories are watched.
type watches struct {
	*core
	src       *watch.Source // nil: nothing is watched
	unwatched watchQueue
}

// watchDir watches a directory if possible. It is called before the directory is listed or
// compared, so that later changes raise events.
//
// want identifies the directory, and changed is when it was changed last: if there are not
// enough watches, the directories that changed last have them. st is what the directory was
// like once it was watched. ok is false if it is not watched, or was not looked at.
func (w *watches) watchDir(dir string, want watch.Ident, changed listing.Time) (st watch.Stat, ok bool) {
	if w.src == nil || dir == w.cfg.Cookies {
		return st, false
	}
	v, ok := w.mounts.Load().find(dir)
	if !ok {
		return st, false
	}
	if watch.Local(v.mount.FSType) {
		when, now := changed.Std(), time.Now()
		if when.After(now) {
			when = now
		}
		st, err := w.src.Watch(dir, want, when)
		switch {
		case err == nil:
			return st, true
		case errors.Is(err, watch.ErrMoved), errors.Is(err, watch.ErrClosed), errors.Is(err, syscall.EACCES),
			errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
			return st, false // it is not there, or cannot be listed either
		case errors.Is(err, watch.ErrBudget):
			w.unwatched.add(dir, when.Unix())
		}
	}
	w.noteUnwatched(dir)
	return st, false
}

// noteUnwatched notes that a directory is not watched, or not any more.
func (w *watches) noteUnwatched(dir string) {
	if r := w.rootOf(dir); r != nil {
		r.unwatched.Add(1)
	}
}

// evicted is called when a directory, which changed last at that time, lost its watch to
// another one.
func (w *watches) evicted(dir string, changed time.Time) {
	w.noteUnwatched(dir)
	w.unwatched.add(dir, changed.Unix())
}

// watchAbove watches the directories above a root, as far as they exist, so that it is
// known when the root disappears, appears or is replaced.
func (w *watches) watchAbove(r *root) {
	if w.src == nil {
		return
	}
	table := w.mounts.Load().table
	for dir := r.path; dir != "/"; {
		dir = path.Dir(dir)
		if m := table.Containing(dir); m != nil && watch.Local(m.FSType) {
			_, _ = w.src.Watch(dir, watch.Ident{}, watch.Pinned) // best effort
		}
	}
}

// unwatch stops watching a directory and all below it.
func (w *watches) unwatch(dir string) {
	if w.src != nil {
		w.src.UnwatchTree(dir)
	}
}

// isLive reports whether every directory of a root that can be read is watched.
func (w *watches) isLive(r *root) bool {
	return w.src != nil && !r.partlyWatched.Load() && r.unwatched.Load() == 0
}

// A watchQueue has directories that would be watched if there were enough watches, in the
// order of their last changes. Its methods may be called from any goroutine and do not
// block.
type watchQueue struct {
	max int // directories remembered; up to twice as many for a while

	mu    sync.Mutex
	dirs  map[string]int64 // when something in a directory changed last, in seconds
	floor int64            // directories that changed no later are not remembered
	more  bool             // there may be directories that are not remembered
}

const (
	// watchQueueMax directories are remembered. The others are found by passes over all
	// directories: one in queuePassShare times freedPause at most, and then with a pause
	// that doubles up to queuePassMost times that.
	watchQueueMax  = 4096
	queuePassShare = 20
	queuePassMost  = 16
	// freedPause is how long watches that became free are gathered. Then up to
	// freedBatch of them are placed at once.
	freedPause = 3 * time.Second
	freedBatch = 256
)

// add adds a directory.
func (q *watchQueue) add(dir string, changed int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, known := q.dirs[dir]; !known && q.more && changed <= q.floor {
		return
	}
	if q.dirs == nil {
		q.dirs = make(map[string]int64)
	}
	if q.dirs[dir] = changed; len(q.dirs) > 2*q.max {
		for _, dir := range q.latest()[q.max:] {
			q.floor = max(q.floor, q.dirs[dir])
			delete(q.dirs, dir)
		}
		q.more = true
	}
}

// latest returns all directories that are remembered, those that changed last first.
func (q *watchQueue) latest() []string {
	list := make([]string, 0, len(q.dirs))
	for dir := range q.dirs {
		list = append(list, dir)
	}
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(cmp.Compare(q.dirs[b], q.dirs[a]), cmp.Compare(a, b))
	})
	return list
}

// An unwatchedDir is a directory that would be watched.
type unwatchedDir struct {
	dir     string
	changed int64
}

// take removes the n directories that changed last. left reports whether others are
// remembered; unknown whether none are left but there may be some that are not remembered.
func (q *watchQueue) take(n int) (list []unwatchedDir, left, unknown bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.dirs) > 0 {
		for _, dir := range q.latest()[:min(n, len(q.dirs))] {
			list = append(list, unwatchedDir{dir, q.dirs[dir]})
			delete(q.dirs, dir)
		}
	}
	if left = len(q.dirs) > 0; !left {
		unknown = q.more
		q.floor, q.more = 0, false
	}
	return list, left, unknown
}

// placeFreed gives free watches to directories of the queue and lists those. It returns how
// long to wait before it is called again, 0 for until watches are freed.
func (l *live) placeFreed(epoch uint64) time.Duration {
	room := min(l.src.Room(), freedBatch)
	if room <= 0 {
		return 0
	}
	list, left, unknown := l.unwatched.take(room)
	for _, u := range list {
		l.heartbeat.Tick()
		if l.isExcluded(u.dir) || l.src.Watched(u.dir) {
			continue
		}
		if _, _, hidden := l.mounts.Load().barrier(u.dir, l.rootOf(u.dir).path); hidden {
			continue
		}
		if _, ok := l.watchDir(u.dir, watch.Ident{}, listing.Time{Sec: u.changed}); ok {
			l.relist(epoch, u.dir) // watch, then list
		}
	}
	if left {
		return min(l.cfg.Timing.FreedPause, time.Second)
	}
	if l.needPass = l.needPass || unknown || len(list) > 0; l.needPass {
		return l.passUnwatched()
	}
	return 0
}

// passUnwatched starts a pass over each root that is not watched completely, as far as is
// known: it finds directories that were not remembered, or that there are none. It returns
// how long to wait before it is called again, 0 if it need not be.
func (l *live) passUnwatched() (wait time.Duration) {
	l.needPass = false
	for _, r := range l.allRoots() {
		if l.isLive(r) || !r.record().Complete {
			continue
		}
		pass := &r.watchPass
		left := pass.pause - time.Since(pass.at)
		if left <= 0 && r.doing() != "" {
			left = l.cfg.Timing.FreedPause
		}
		if left > 0 {
			l.needPass, wait = true, max(wait, left)
			continue
		}
		if first := queuePassShare * l.cfg.Timing.FreedPause; left < -2*pass.pause {
			pass.pause = first
		} else {
			pass.pause = min(max(2*pass.pause, first), queuePassMost*first)
		}
		pass.at = time.Now()
		l.sweepNames(r)
	}
	return wait
}
