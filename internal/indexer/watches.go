package indexer

import (
	"errors"
	"io/fs"
	"path"
	"syscall"
	"time"

	"indexd/internal/watch"
	"indexd/listing"
)

// watches decides which directories are watched.
type watches struct {
	*core
	src *watch.Source // nil: nothing is watched
}

// watchDir watches a directory if possible. It is called before the directory is listed or
// compared, so that later changes raise events.
//
// want identifies the directory, and changed is when it was changed last: if there are not
// enough watches, the directories that changed last have them. st is what the directory was
// like once it was watched. ok is false if it is not watched, or could not be stat'ed.
func (w *watches) watchDir(dir string, want watch.Ident, changed listing.Time) (st watch.Stat, ok bool) {
	if w.src == nil || dir == w.cfg.BarrierDir {
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

const (
	// freedPause is how long watches that became free are gathered.
	freedPause = 3 * time.Second
	// Passes for free watches take place once in passShare times freedPause at most, and
	// then with a pause that doubles up to passMost times that.
	passShare = 20
	passMost  = 16
)

// passUnwatched starts a pass over each root that is not watched completely, if there are
// free watches: it watches the directories that changed last, or finds that all are. It
// returns how long to wait before it is called again, 0 for until watches are freed.
func (l *live) passUnwatched() (wait time.Duration) {
	if l.src.Room() <= 0 {
		return 0
	}
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
			wait = max(wait, left)
			continue
		}
		if first := passShare * l.cfg.Timing.FreedPause; left < -2*pass.pause {
			pass.pause = first
		} else {
			pass.pause = min(max(2*pass.pause, first), passMost*first)
		}
		pass.at = time.Now()
		l.sweepNames(r)
	}
	return wait
}
