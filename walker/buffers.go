package walker

import (
	"sync"

	"indexd/listing"
)

// bufferPool shares large slices of entries (112 bytes each) among listers, so that not
// every lister keeps one after a large directory. The garbage collector frees unused
// ones.
type bufferPool struct{ pool sync.Pool }

// get returns an empty slice with room for at least n entries.
func (s *bufferPool) get(n int) []listing.Entry {
	if e, _ := s.pool.Get().(*[]listing.Entry); e != nil && cap(*e) >= n {
		return (*e)[:0]
	}
	return make([]listing.Entry, 0, n)
}

// put returns a slice to the pool. Its entries are cleared, so that they keep no names
// alive.
func (s *bufferPool) put(e []listing.Entry) {
	e = e[:cap(e)]
	clear(e)
	s.pool.Put(&e)
}
