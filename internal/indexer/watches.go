package indexer

import (
	"errors"
	"io/fs"
	"path"
	"syscall"
	"time"

	"indexd/internal/watch"
	"indexd/listing"
	"indexd/store"
)

// watchDir sees to it that events of a directory are known from now on, if that
// can be had. To be called before the directory is looked at.
//
// want is what is going to be looked at, and changed when that was changed last:
// where there are not watches enough, those that changed last have them. What it
// was like once it was watched is returned; false: it is not, or was not asked.
func (x *Indexer) watchDir(dir string, want watch.Ident, changed listing.Time) (st watch.Stat, ok bool) {
	if x.src == nil || dir == x.cfg.Cookies {
		return st, false
	}
	pl, ok := x.places.Load().find(dir)
	if !ok {
		return st, false
	}
	if watch.Local(pl.mount.FSType) {
		when, now := changed.Std(), time.Now()
		if when.After(now) {
			when = now
		}
		st, err := x.src.Watch(dir, want, when)
		switch {
		case err == nil:
			return st, true
		case errors.Is(err, watch.ErrMoved), errors.Is(err, watch.ErrClosed), errors.Is(err, syscall.EACCES),
			errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
			return st, false // it is not there, or cannot be listed either
		case errors.Is(err, watch.ErrBudget):
			x.waiting.add(dir, when.Unix())
		}
	}
	x.gaveUp(dir)
	return st, false
}

// gaveUp notes that a directory is not watched, or not any more.
func (x *Indexer) gaveUp(dir string) {
	if r := x.rootOf(dir); r != nil {
		r.unwatched.Add(1)
	}
}

// watchAbove watches the directories above a root, as far as they are there, so
// that it is known when the root goes, comes, or is another.
func (x *Indexer) watchAbove(r *root) {
	if x.src == nil {
		return
	}
	table := x.places.Load().table
	for dir := r.path; dir != "/"; {
		dir = path.Dir(dir)
		if m := table.Containing(dir); m != nil && watch.Local(m.FSType) {
			_, _ = x.src.Watch(dir, watch.Ident{}, watch.Pinned) // as far as it can be had
		}
	}
}

// unwatch ends the watching of a directory and all below it.
func (x *Indexer) unwatch(dir string) {
	if x.src != nil {
		x.src.UnwatchTree(dir)
	}
}

// attract has a directory watched that is not, since its listing shows that files
// in it changed: its own times, by which it was passed over, do not tell of that.
// What a shows in names they do tell of, and it was watched before it was listed.
// It may be called on the writer's goroutine.
func (x *Indexer) attract(epoch uint64, dir string, a *store.Applied) {
	if x.src == nil || a.ModifiedFiles == 0 || x.src.Watched(dir) {
		return
	}
	x.epochs.add(epoch)
	x.later(func() {
		now := time.Now()
		if _, ok := x.watchDir(dir, watch.Ident{}, listing.Time{Sec: now.Unix()}); ok {
			x.dirtyIn(epoch, dir) // watch, then list
		}
		x.epochs.done(epoch)
	})
}

// isLive reports whether every directory of a root is watched, as far as it can
// be read.
func (x *Indexer) isLive(r *root) bool {
	return x.src != nil && !r.partly.Load() && r.unwatched.Load() == 0
}
