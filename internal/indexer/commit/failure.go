package commit

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"indexd/store"
)

// failure is the reason why nothing can be written: the disk is full, or fails. Changes
// are held meanwhile: 8 MiB of items with the writer, then by those who wait in Put.
type failure struct {
	log    *slog.Logger
	notify func() // called after each change; may be nil, must not block

	why   atomic.Pointer[string] // nil: there is none
	since time.Time              // confined to the writer's goroutine
}

// reason returns the reason, "" for none. It may be called from any goroutine.
func (f *failure) reason() string {
	if why := f.why.Load(); why != nil {
		return *why
	}
	return ""
}

// set notes an error. It is logged if the reason is another than before.
func (f *failure) set(err error) {
	why, before := describe(err), f.reason()
	if why == before {
		return
	}
	if before == "" {
		f.since = time.Now()
	}
	f.why.Store(&why)
	f.log.Error("the index cannot be written; queries are answered from what it has, and writing is retried", "why", why, "err", err)
	if f.notify != nil {
		f.notify()
	}
}

// clear notes that the index can be written.
func (f *failure) clear() {
	if f.reason() == "" {
		return
	}
	f.why.Store(nil)
	f.log.Info("the index can be written again", "after", time.Since(f.since).Round(time.Second))
	if f.notify != nil {
		f.notify()
	}
}

// describe says what failed, in the same words wherever the same error is met.
func describe(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, store.ErrLocked):
		return "another process has the database open"
	case errors.As(err, &errno):
		return "the database cannot be written: " + errno.Error()
	}
	return "the database cannot be written: " + err.Error()
}

// transient reports whether an error is the system's and may pass, rather than about what
// was to be written.
func transient(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) || errors.Is(err, store.ErrFull)
}
