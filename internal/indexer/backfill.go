package indexer

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"indexd/store"
)

// backfill makes up for changes that were rejected because the database had reached its
// size limit. Roots with rejected changes are compared with the file system again, as
// after lost events: 2 s after space was freed, and otherwise with exponential backoff up
// to 5 minutes. Confined to Run's goroutine unless stated otherwise.
type backfill struct {
	full     atomic.Bool   // a rejected change is not in the index yet; any goroutine
	freed    atomic.Bool   // space was freed; any goroutine
	rejected chan struct{} // capacity 1: a change was rejected

	first time.Duration // pause before the first pass
	pause time.Duration // before the next one
	took  time.Duration // by the last pass over a root
	timer *time.Timer
	due   time.Time // when timer fires; zero: it does not run
}

const (
	backfillFirst = 2 * time.Second
	// backfillMost times the first pause, about five minutes, is the longest pause.
	backfillMost = 150
	// backfillShare keeps passes below a twentieth of the time, as far as
	// backfillMost allows, where space is freed all the time.
	backfillShare = 20
)

func (b *backfill) init(first time.Duration) {
	if first == 0 {
		first = backfillFirst
	}
	b.first, b.pause = first, first
	b.rejected = make(chan struct{}, 1)
	b.timer = time.NewTimer(first)
	b.timer.Stop()
}

// arm sets the timer unless it fires earlier.
func (b *backfill) arm() {
	if due := time.Now().Add(b.pause); b.due.IsZero() || due.Before(b.due) {
		b.due = due
		b.timer.Reset(b.pause)
	}
}

// reason says why names are missing, "" if none are. Any goroutine may call it.
func (b *backfill) reason() string {
	if b.full.Load() {
		return "the database is as large as it may become (max-size)"
	}
	return ""
}

// written is called when the writer is done with a change of root r. If it did not fit
// below the size limit, r is degraded until a pass has made up for it.
func (x *Indexer) written(r *root, a *store.Applied, err error) {
	switch {
	case err == nil && a.Removed > a.Added:
		x.spaceFreed()
	case errors.Is(err, store.ErrFull) && r != nil:
		r.mu.Lock()
		r.rejected++
		if a.Added <= a.Removed {
			r.lostAt = time.Now() // the times of directories do not show it
		}
		r.mu.Unlock()
		if !x.backfill.full.Swap(true) {
			x.log.Error("the database has reached its size limit; names are missing until there is room for them")
			x.tellDegraded()
		}
		signal(x.backfill.rejected)
	}
}

// spaceFreed makes the next backfill come soon. Any goroutine may call it.
func (x *Indexer) spaceFreed() {
	if x.backfill.full.Load() && !x.backfill.freed.Swap(true) {
		x.nudge()
	}
}

// changesRejected is called after changes were rejected.
func (x *Indexer) changesRejected() {
	x.backfill.arm()
	x.compactForRoom()
}

// startBackfill starts a pass over each root with rejected changes, unless one is under way.
func (x *Indexer) startBackfill() {
	b := &x.backfill
	b.due = time.Time{}
	if !b.full.Load() {
		return
	}
	b.pause = min(2*b.pause, backfillMost*b.first)
	b.arm()
	clear(x.settling.tries)
	x.unsettled.Store(0)
	rules := x.rules.Load().Fingerprint()
	for _, r := range x.allRoots() {
		r.mu.Lock()
		begin := r.rejected != r.covered && r.busy != indexing && r.busy != reconciling
		known := r.stored.Complete && r.stored.Rules == rules
		r.again = r.again || begin && known
		r.mu.Unlock()
		switch {
		case begin && known:
			x.lookAgain(r)
		case begin:
			x.startRoot(r)
		}
	}
}

// checkBackfill schedules the next pass if space was freed, and ends the degraded state
// once nothing is missing.
func (x *Indexer) checkBackfill() {
	b := &x.backfill
	freed := b.freed.Swap(false)
	if !b.full.Load() {
		return
	}
	if freed {
		b.pause = min(max(b.first, backfillShare*b.took), backfillMost*b.first)
		b.arm()
	}
	if !x.settled() || slices.ContainsFunc(x.allRoots(), (*root).needsPass) {
		return
	}
	b.full.Store(false)
	for _, r := range x.allRoots() {
		if r.needsPass() { // since a moment ago; no change rejected from here on is missed
			b.full.Store(true)
			return
		}
	}
	for _, r := range x.allRoots() {
		r.mu.Lock()
		r.backfilled = r.covered
		r.mu.Unlock()
	}
	b.pause = b.first
	x.log.Info("the database has room again; no name is missing")
	x.tellDegraded()
	for _, r := range x.allRoots() {
		x.lookAgain(r) // at sizes and times
	}
}

// A passStart is the moment at which a pass over a whole root begins.
type passStart struct {
	at       time.Time
	rules    string // fingerprint
	rejected uint64 // changes rejected so far
}

func (x *Indexer) startPass(r *root) passStart {
	r.mu.Lock()
	defer r.mu.Unlock()
	return passStart{time.Now(), x.rules.Load().Fingerprint(), r.rejected}
}

// covers reports whether a pass over the whole root that began at p missed nothing,
// which makes up for changes rejected before it. A pass is incomplete if a change was
// rejected meanwhile.
func (r *root) covers(p passStart) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rejected != p.rejected {
		return false
	}
	r.covered = p.rejected
	return true
}

// needsPass reports whether a change of a root was rejected since the last pass began.
func (r *root) needsPass() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rejected != r.covered
}

// short reports whether a change of a root was rejected that is not in the index yet.
func (r *root) short() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rejected != r.backfilled
}
