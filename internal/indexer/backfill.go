package indexer

import (
	"errors"
	"slices"
	"time"

	"indexd/store"
)

// backfill makes up for changes that were rejected because the database had reached its
// size limit. Roots with rejected changes are compared with the file system again, as after
// lost events: 2 s after space was freed, and otherwise with exponential backoff up to 5
// minutes. Confined to Run's goroutine.
type backfill struct {
	*passes
	retry *retry

	first time.Duration // pause before the first pass
	pause time.Duration // before the next one
	timer *time.Timer
	due   time.Time // when timer fires; zero: it does not run
}

const (
	backfillFirst = 2 * time.Second
	// backfillMost times the first pause, about five minutes, is the longest pause.
	backfillMost = 150
	// backfillShare keeps passes below a twentieth of the time, as far as the longest
	// pause permits, if space is freed all the time.
	backfillShare = 20
)

func newBackfill(p *passes, r *retry) *backfill {
	b := &backfill{passes: p, retry: r, first: p.cfg.Timing.Backfill}
	b.pause = b.first
	b.timer = time.NewTimer(b.first)
	b.timer.Stop()
	return b
}

// written is called when the writer is done with a change of r, which may be nil. If the
// change did not fit below the size limit, r is degraded until a pass has made up for it.
func (s *scheduler) written(r *root, a *store.Applied, err error) {
	switch {
	case err == nil && a.Removed > a.Added:
		s.spaceFreed()
	case errors.Is(err, store.ErrFull) && r != nil:
		r.mu.Lock()
		r.rejected++
		if a.Added <= a.Removed {
			r.lostAt = time.Now() // the times of directories do not show it
		}
		r.mu.Unlock()
		if !s.full.Swap(true) {
			s.log.Error("the database has reached its size limit; names are missing until there is room for them")
			s.reportDegraded()
		}
		signal(s.rejected)
	}
}

// spaceFreed makes the next backfill come soon. Any goroutine may call it.
func (s *scheduler) spaceFreed() {
	if s.full.Load() && !s.freed.Swap(true) {
		s.wake()
	}
}

// needsPass reports whether a change of a root was rejected since the last pass began.
func (r *root) needsPass() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rejected != r.covered
}

// isShort reports whether a change of a root was rejected that is not in the index yet.
func (r *root) isShort() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rejected != r.backfilled
}

// arm sets the timer unless it fires earlier.
func (b *backfill) arm() {
	if due := time.Now().Add(b.pause); b.due.IsZero() || due.Before(b.due) {
		b.due = due
		b.timer.Reset(b.pause)
	}
}

// start starts a pass over each root with rejected changes, unless one is in progress.
func (b *backfill) start() {
	b.due = time.Time{}
	if !b.full.Load() {
		return
	}
	b.pause = min(2*b.pause, backfillMost*b.first)
	b.arm()
	b.retry.reset()
	rules := b.rules.Load().Fingerprint()
	for _, r := range b.allRoots() {
		r.mu.Lock()
		needed := r.rejected != r.covered && r.busy != indexing && r.busy != reconciling
		known := r.stored.Complete && r.stored.Rules == rules
		r.again = r.again || needed && known
		r.mu.Unlock()
		switch {
		case needed && known:
			b.startDue(r)
		case needed:
			b.startRoot(r)
		}
	}
}

// check schedules the next pass if space was freed, and ends the degraded state once
// nothing is missing.
func (b *backfill) check() {
	freed := b.freed.Swap(false)
	if !b.full.Load() {
		return
	}
	if freed {
		b.pause = min(max(b.first, backfillShare*b.took), backfillMost*b.first)
		b.arm()
	}
	if !b.allSettled() || slices.ContainsFunc(b.allRoots(), (*root).needsPass) {
		return
	}
	b.full.Store(false)
	if slices.ContainsFunc(b.allRoots(), (*root).needsPass) { // since a moment ago
		b.full.Store(true)
		return
	}
	for _, r := range b.allRoots() {
		r.mu.Lock()
		r.backfilled = r.covered
		r.mu.Unlock()
	}
	b.pause = b.first
	b.log.Info("the database has room again; no name is missing")
	b.reportDegraded()
	for _, r := range b.allRoots() {
		b.startDue(r) // sizes and times
	}
}
