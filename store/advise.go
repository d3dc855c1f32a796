package store

import (
	"sync"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// advice counts who reads a mapping in order.
type advice struct {
	mu sync.Mutex
	n  int
}

// Sequential says that much of the database is about to be read in order, until
// done is called, which must be before the snapshot ends. bbolt has told the
// kernel that the mapping is read at random, so that what is not in the page
// cache comes page by page: the names of 8 million entries took 7 s so, and with
// this 0.4 s. Point lookups beside it read more than they need meanwhile.
func (sn *Snap) Sequential() (done func()) { return sn.h.sequential(sn.tx) }

// sequential is Sequential for a transaction that is no snapshot too.
func (h *handle) sequential(tx *bolt.Tx) (done func()) {
	a := &h.advice
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n++; a.n == 1 {
		h.advise(tx, unix.MADV_NORMAL)
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.n--; a.n == 0 {
			h.advise(tx, unix.MADV_RANDOM)
		}
	}
}

// advise is by address, as bbolt gives it; no error matters. The mapping stays
// while a transaction is held, and a new one begins as MADV_RANDOM again.
func (h *handle) advise(tx *bolt.Tx, how int) {
	unix.Syscall(unix.SYS_MADVISE, h.db.Info().Data, uintptr(tx.Size()), uintptr(how))
}
