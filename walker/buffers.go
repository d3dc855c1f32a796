package walker

import (
	"sync"

	"indexd/listing"
)

// spares are large slices of entries, of 112 bytes each, shared by listers so
// that not every one keeps its own after a large directory; the garbage
// collector takes what is not used.
type bufferPool struct{ pool sync.Pool }

// get returns an empty slice with room for at least n entries.
func (s *bufferPool) get(n int) []listing.Entry {
	if e, _ := s.pool.Get().(*[]listing.Entry); e != nil && cap(*e) >= n {
		return (*e)[:0]
	}
	return make([]listing.Entry, 0, n)
}

// put takes a slice back. Its entries are cleared, so that they keep no
// names.
func (s *bufferPool) put(e []listing.Entry) {
	e = e[:cap(e)]
	clear(e)
	s.pool.Put(&e)
}
