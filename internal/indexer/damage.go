package indexer

import (
	"sync"
	"sync/atomic"
	"time"

	"indexd/store"
	"indexd/store/record"
	"indexd/walker"
)

// verification is the check of the database for damage: once after a start, and whenever a
// damaged listing was met. Damaged listings are listed again. Any other damage ends the
// process, see store.Store.Damaged.
type verification struct {
	pending atomic.Bool // answers may be wrong

	mu    sync.Mutex
	busy  bool
	again bool // requested while busy
}

// RequestVerify is called by whoever met a damaged listing. Until the whole database was
// checked and what is damaged was listed again, every root is reported as stale.
func (x *Indexer) RequestVerify() {
	x.st.RequestVerify()
	x.startVerify()
}

// VerifyPending reports whether a check is to be done or under way: after a start, or after
// RequestVerify.
func (x *Indexer) VerifyPending() bool { return x.verification.pending.Load() }

// startVerify starts the check, or has the one under way repeated.
func (x *Indexer) startVerify() {
	v := &x.verification
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pending.Store(true)
	if v.again = v.busy; !v.busy && x.running.Err() == nil {
		v.busy = true
		x.active.add(1)
		x.deferCall(func() { x.background.Go(x.verifyDatabase) })
	}
}

func (x *Indexer) verifyDatabase() {
	defer x.active.add(-1)
	v := &x.verification
	for busy := true; busy; {
		ok := x.verifyOnce()
		v.mu.Lock()
		busy = v.again && x.running.Err() == nil
		v.pending.Store(!ok || busy)
		v.busy, v.again = busy, false
		v.mu.Unlock()
	}
	x.active.notify()
}

// verifyOnce reports whether the database is in order again.
func (x *Indexer) verifyOnce() bool {
	begun := time.Now()
	var damaged []record.Key
	err := walker.AtIdlePriority(func() (err error) {
		damaged, err = x.st.Verify(x.running)
		return err
	})
	if err == nil && len(damaged) > 0 {
		x.log.Warn("listings in the database are damaged; listing them again", "directories", len(damaged))
		err = x.writer.Update(x.running, func(tx *store.Tx) error {
			for _, key := range damaged {
				if err := tx.PutPending(key, store.Pending{Stamp: x.Stamp()}); err != nil {
					return err
				}
			}
			return nil
		})
		for _, r := range x.allRoots() {
			if err == nil && r.record().Complete { // else the first index lists what is pending
				err = x.listAllPending(x.running, r, nil)
			}
		}
	}
	switch {
	case x.running.Err() != nil:
		return false
	case err != nil:
		x.log.Error("cannot check the database for damage", "err", err)
		return false
	}
	x.log.Debug("checked the database for damage", "took", time.Since(begun).Round(time.Millisecond))
	return true
}
