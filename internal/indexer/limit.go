package indexer

import (
	"errors"

	"indexd/store"
)

// A reserve says how much of the room below the size limit an item must leave free.
// Even what makes the index smaller is written elsewhere in the file first, so
// additions may not use up all of it.
type reserve uint8

const (
	removal  reserve = iota // may use all room: what shrinks the index, and the daemon's own records
	change                  // leaves half of the store's reserve
	addition                // leaves all of the store's reserve
)

// bytes is how much room is left free, of the store's reserve.
func (r reserve) bytes(store int64) int64 { return store * int64(r) / int64(addition) }

// reserveFor returns what an applied listing has to leave free.
func reserveFor(a *store.Applied) reserve {
	switch {
	case a.Added > a.Removed:
		return addition
	case a.Removed > a.Added:
		return removal
	}
	return change
}

// leaves returns what an item has to leave free, once it was done.
func (it *item) leaves() reserve {
	if it.reserve == nil {
		return removal
	}
	return it.reserve()
}

// leaves returns what a commit of the batch has to leave free: the most that an item of
// it has to.
func (w *writer) leaves() (most reserve) {
	for i := range w.batch {
		most = max(most, w.batch[i].leaves())
	}
	return most
}

// minBatch keeps removals at the limit from being committed one by one.
const minBatch = 32 << 10

// maxBatch returns how many bytes are committed at once. Close to the limit that is
// less, so that a batch that does not fit takes little else with it.
func (w *writer) maxBatch() int {
	most := w.queue / 2
	if room, limited := w.st.Room(); limited {
		most = min(most, max(int(room-w.st.Reserve())/8, minBatch))
	}
	return most
}

// commitWithinLimit is tryCommit, but items that do not fit below the size limit are
// dropped with store.ErrFull: those that have to leave the most free, and if all may use
// all of the room, the second half of the batch.
func (w *writer) commitWithinLimit() error {
	for {
		err := w.tryCommit()
		if !errors.Is(err, store.ErrFull) {
			return err
		}
		most, half := w.leaves(), len(w.batch)/2
		for i := len(w.batch) - 1; i >= 0; i-- {
			if w.batch[i].leaves() == most && (most > removal || i >= half) {
				w.drop(i, err)
			}
		}
	}
}
