package store

import (
	"errors"
	"os"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// handle is an open file. Compact puts another in its place, and the old one is
// closed when the last snapshot of it has ended.
type handle struct {
	db       *bolt.DB
	file     *os.File  // db's
	pageSize int       // of db, in bytes
	hook     *boltHook // nil without Faults
	advice   advice
	uses     int           // of handles.mu; the Store's own is one
	closed   chan struct{} // closed when db is; made by replace
}

// handles are what of a Store's files is open.
type handles struct {
	mu   sync.Mutex
	now  *handle // nil: closed
	open sync.WaitGroup
	errs []error // of closing
}

// take returns the present handle, which is to be released; ErrClosed after
// replace(nil).
func (o *handles) take() (*handle, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now == nil {
		return nil, ErrClosed
	}
	o.now.uses++
	return o.now, nil
}

// release gives a handle back. Who is last closes it, on a goroutine of its own:
// to unmap and delete a large file takes a while.
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

// replace makes h the present handle; nil: none.
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

// abandon lets go of the present handle without closing it.
func (o *handles) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now != nil {
		letGo(o.now.file)
		o.now = nil
	}
}

// wait returns when all are closed, with what went wrong.
func (o *handles) wait() error {
	o.open.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	return errors.Join(o.errs...)
}
