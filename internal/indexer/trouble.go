package indexer

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"indexd/internal/mounts"
	"indexd/store"
)

// trouble is why nothing can be written now: the disk is full, or fails. What
// changes meanwhile is held: 8 MiB of listings with the writer, then in workers
// that wait for it, then as hints, which become fewer and coarser, "all below
// here", the more there are.
type trouble struct {
	log  *slog.Logger
	told func() // of every change; nil: nobody. Must not block

	why   atomic.Pointer[string] // nil: all is well
	since time.Time              // confined to the writer's goroutine
}

// now says what is wrong, "" for nothing. From any goroutine.
func (t *trouble) now() string {
	if why := t.why.Load(); why != nil {
		return *why
	}
	return ""
}

// begins notes an error; it is said when it is news.
func (t *trouble) begins(err error) {
	why := reason(err)
	was := t.now()
	if why == was {
		return
	}
	if was == "" {
		t.since = time.Now()
	}
	t.why.Store(&why)
	t.log.Error("the index cannot be written; queries are answered from what it has, and it is tried again until it can", "why", why, "err", err)
	if t.told != nil {
		t.told()
	}
}

// ends notes that all is well.
func (t *trouble) ends() {
	if t.now() == "" {
		return
	}
	t.why.Store(nil)
	t.log.Info("the index can be written again", "after", time.Since(t.since).Round(time.Second))
	if t.told != nil {
		t.told()
	}
}

// reason is what a person is told of an error, the same for the same trouble
// wherever it is met.
func reason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, store.ErrLocked):
		return "another process has the database open"
	case errors.As(err, &errno):
		return "the database cannot be written: " + errno.Error()
	}
	return "the database cannot be written: " + err.Error()
}

// passing reports whether an error is the system's, of the moment, and says
// nothing of what was to be done.
func passing(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) || errors.Is(err, store.ErrFull)
}

// unwritten reports whether anything of a root, and of dirs (none: all of it), may
// have changed that is not in the index because that cannot be written.
func (x *Indexer) unwritten(r *root, dirs []string) bool {
	if r.held.Load() > 0 {
		return true
	}
	if x.live == nil {
		return false
	}
	concerns := func(dir string) bool {
		return (mounts.Within(dir, r.path) || mounts.Within(r.path, dir)) && touches(dir, dirs)
	}
	if b := x.live.taken.Load(); b != nil {
		for i := range b.Dirs {
			if concerns(b.Dirs[i].Dir) {
				return true
			}
		}
	}
	return x.src.Pending(concerns)
}
