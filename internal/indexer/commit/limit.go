package commit

import (
	"errors"

	"indexd/store"
)

// Reserve says how much of the room below the size limit an item must leave free. Even a
// removal is written elsewhere in the file before it frees anything, so additions may not
// use up all of the room.
type Reserve uint8

// The reserves, from small to large.
const (
	Removal  Reserve = iota // may use all room: what shrinks the index, and the daemon's own records
	Change                  // leaves half of store.Store.Reserve
	Addition                // leaves all of store.Store.Reserve
)

// ReserveFor returns the Reserve of an applied listing.
func ReserveFor(a *store.Applied) Reserve {
	switch {
	case a.Added > a.Removed:
		return Addition
	case a.Removed > a.Added:
		return Removal
	}
	return Change
}

// bytes returns how many bytes are left free, of the store's reserve.
func (r Reserve) bytes(store int64) int64 { return store * int64(r) / int64(Addition) }

func (it *Item) reserve() Reserve {
	if it.Reserve == nil {
		return Removal
	}
	return it.Reserve()
}

// reserve returns what a commit of the batch must leave free: the most that one of its
// items must.
func (w *Writer) reserve() (most Reserve) {
	for i := range w.batch {
		most = max(most, w.batch[i].reserve())
	}
	return most
}

// minBatch keeps removals at the limit from being committed one by one.
const minBatch = 32 << 10

// maxBatch returns how many bytes are committed at once. Close to the limit that is less,
// so that a batch that does not fit takes little else with it.
func (w *Writer) maxBatch() int {
	most := w.queue / 2
	if room, limited := w.st.Room(); limited {
		most = min(most, max(int(room-w.st.Reserve())/8, minBatch))
	}
	return most
}

// commitWithinLimit is tryCommit, except that it drops items that do not fit below the
// size limit: those that must leave the most free, and if all of them are removals, the
// second half of the batch.
func (w *Writer) commitWithinLimit() error {
	for {
		err := w.tryCommit()
		if !errors.Is(err, store.ErrFull) {
			return err
		}
		most, half := w.reserve(), len(w.batch)/2
		for i := len(w.batch) - 1; i >= 0; i-- {
			if w.batch[i].reserve() == most && (most > Removal || i >= half) {
				w.drop(i, err)
			}
		}
	}
}
