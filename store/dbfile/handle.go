package dbfile

import (
	"errors"
	"os"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// handle is an open file. Compact and recovery put another one in its place; the
// old one is closed when the last snapshot of it has ended.
type handle struct {
	db       *bolt.DB
	file     *os.File  // of db
	pageSize int       // of db, in bytes
	hook     *boltHook // nil without Faults
	advice   advice
	uses     int           // guarded by handles.mu; the File itself counts as one
	closed   chan struct{} // closed when db is; made by replace
}

// handles are the open files of a File.
type handles struct {
	mu   sync.Mutex
	now  *handle // nil if closed
	open sync.WaitGroup
	errs []error // of closing
}

// take returns the current handle, which must be released. It returns ErrClosed
// after replace(nil).
func (o *handles) take() (*handle, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now == nil {
		return nil, ErrClosed
	}
	o.now.uses++
	return o.now, nil
}

// release returns a handle. The last release closes it, on a goroutine of its own
// because unmapping and deleting a large file takes a while.
func (o *handles) release(h *handle) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if h.uses--; h.uses > 0 {
		return
	}
	go func() {
		defer o.open.Done()
		defer close(h.closed)
		if err := h.db.Close(); err != nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.errs = append(o.errs, err)
		}
	}()
}

// replace makes h the current handle; nil closes.
func (o *handles) replace(h *handle) {
	o.mu.Lock()
	old := o.now
	o.now = h
	if h != nil {
		h.closed = make(chan struct{})
		h.uses++
		o.open.Add(1)
	}
	o.mu.Unlock()
	if old != nil {
		o.release(old)
	}
}

// abandon unlocks the current handle's file without closing the database.
func (o *handles) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now != nil {
		unlock(o.now.file)
		o.now = nil
	}
}

// wait returns when all handles are closed, with the errors of closing them.
func (o *handles) wait() error {
	o.open.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	return errors.Join(o.errs...)
}
