package indexer

import (
	"context"
	"errors"

	"indexd/internal/indexer/jobs"
	"indexd/internal/mounts"
	"indexd/store"
	"indexd/store/record"
	"indexd/walker"
)

// Sync returns when every change that was made below dirs (none: all roots)
// before the call is in the index, or with ctx's error.
func (x *Indexer) Sync(ctx context.Context, dirs []string) error {
	if err := x.active.wait(ctx, func(int) bool { return !x.scrubbing.doubt.Load() }); err != nil {
		return err
	}
	if x.src == nil {
		return x.rescanned(ctx, dirs)
	}
	for _, r := range x.allRoots() {
		if !touches(r.path, dirs) {
			continue
		}
		if err := x.active.wait(ctx, func(int) bool { return r.record().Complete || x.away(r) }); err != nil {
			return err
		}
	}
	// What is found behind the barrier is waited for as well.
	defer x.writer.Hurry()()
	if err := x.caughtUp(ctx); err != nil {
		return err
	}
	for _, r := range x.allRoots() {
		if !touches(r.path, dirs) {
			continue
		}
		// What an overflow began, or is to begin as soon as a sweep makes way.
		err := x.active.wait(ctx, func(int) bool { return x.away(r) || r.doing() != reconciling && !x.wanted(r) })
		switch {
		case err != nil:
		case x.unsure(r):
			err = x.rescanned(ctx, []string{r.path})
		case !x.isLive(r):
			err = x.lookAtUnwatched(ctx, r, dirs)
		}
		if err == nil {
			err = x.settleNow(ctx, r, dirs)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// caughtUp returns when every change that the watches told of before the call is
// in the index, at once without watches, or with ctx's error.
func (x *Indexer) caughtUp(ctx context.Context) error {
	if x.src == nil {
		return x.writer.Flush(ctx)
	}
	defer x.writer.Hurry()()
	if err := x.writer.Flush(ctx); err != nil {
		return err
	}
	lost := x.src.Status().Overflows
	for {
		if _, err := x.src.Barrier(ctx); err != nil {
			return err
		}
		if err := x.live.caughtUp(ctx); err != nil {
			return err
		}
		if err := x.epochs.wait(ctx); err != nil {
			return err
		}
		now := x.src.Status().Overflows
		if now == lost {
			break
		}
		lost = now
	}
	return nil
}

// unsure reports whether sizes, times and owners in a root that is watched may
// have changed unseen: before this process began, or when events were lost.
func (x *Indexer) unsure(r *root) bool {
	if x.src == nil {
		return false // it is no surer at any other time
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.lostAt
	if since.IsZero() {
		since = x.born
	}
	return r.gone == "" && r.stored.Metadata.Before(since)
}

// lost reports whether events were lost since all of a root was listed.
func (r *root) lost() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored.Metadata.Before(r.lostAt)
}

// rescanned has dirs (none: all roots) listed again with all below them, and waits.
func (x *Indexer) rescanned(ctx context.Context, dirs []string) error {
	if len(dirs) == 0 {
		dirs = x.Roots()
	}
	j := jobs.New(dirs)
	x.start(j, walker.Asked, nil)
	err := j.Follow(ctx, func(jobs.Event) error { return nil })
	if err != nil {
		j.Cancel()
	}
	return err
}

// lookAtUnwatched has those directories of a root listed again that lie in dirs
// (none: all) and are not watched, and waits for all that is found.
func (x *Indexer) lookAtUnwatched(ctx context.Context, r *root, dirs []string) error {
	again := newCrew(x, walker.Asked, crewSize)
	again.epoch = x.epochs.begin()
	err := x.eachPage(r, func(page []suspect) error {
		for i := range page {
			dir := page[i].dir
			in := len(dirs) == 0
			for _, d := range dirs {
				in = in || mounts.Within(dir, d)
			}
			if in && !x.src.Watched(dir) {
				if err := again.list(ctx, dir); err != nil {
					return err
				}
			}
		}
		return context.Cause(ctx)
	})
	err = errors.Join(err, again.wait(ctx))
	x.epochs.done(again.epoch)
	if err != nil {
		return err
	}
	return x.epochs.wait(ctx)
}

// settleNow lists what became pending in a root on the way, in dirs (none: all) or
// above, without waiting, as settle does, for a moment when nothing else is under way. First it has those
// found that no listing names any more: the deletion of a subtree spares what is
// newer in it, be it only the news that it cannot be opened.
func (x *Indexer) settleNow(ctx context.Context, r *root, dirs []string) error {
	for range settleRounds {
		if err := x.reapSpared(ctx, r); err != nil {
			return err
		}
		found := false
		for from := record.Key(nil); ; {
			pending, next, err := x.pendingFrom(r, dirs, from, settleBatch)
			if err != nil {
				return err
			}
			epoch := x.epochs.begin()
			x.listPending(epoch, pending)
			x.epochs.done(epoch)
			if len(pending) > 0 {
				found = true
				if err := x.epochs.wait(ctx); err != nil {
					return err
				}
			}
			if from = next; from == nil {
				break
			}
		}
		if !found && !x.spared(r) {
			return nil
		}
	}
	return nil
}

// settleRounds bounds how often what is found leads to more: in a storm it always
// may.
const settleRounds = 10

// spared reports whether something in a root is dead but for what lives on in it.
func (x *Indexer) spared(r *root) (found bool) {
	where := x.places.Load()
	_ = x.st.View(func(sn *store.Snap) error {
		for key := range sn.Spared() {
			if dir, ok := where.pathOf(key); ok && mounts.Within(dir, r.path) {
				found = true
				break
			}
		}
		return nil
	})
	return found
}

// reapSpared reaps as far as it can be done now, while there is something spared
// in a root.
func (x *Indexer) reapSpared(ctx context.Context, r *root) error {
	for more := true; more && x.spared(r); {
		err := x.writer.Update(ctx, func(tx *store.Tx) (err error) {
			more, err = tx.Reap(reapBatch)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
