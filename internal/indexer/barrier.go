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

// barrier waits until the index includes all changes so far.
type barrier struct {
	*passes
	live *live // nil: nothing is watched
}

// sync returns when every change made below dirs (none: all roots) before the call is in
// the index, or with ctx's error.
func (b *barrier) sync(ctx context.Context, dirs []string) error {
	if b.src == nil {
		return b.rescanned(ctx, dirs)
	}
	var roots []*root
	for _, r := range b.allRoots() {
		if touches(r.path, dirs) {
			roots = append(roots, r)
		}
	}
	for _, r := range roots {
		if err := b.active.wait(ctx, func(int) bool { return r.record().Complete || b.away(r) }); err != nil {
			return err
		}
	}
	defer b.writer.Hurry()() // also for what the barrier leads to
	if err := b.caughtUp(ctx); err != nil {
		return err
	}
	for _, r := range roots {
		// A reconcile after lost events, which may have to wait for a sweep to end.
		err := b.active.wait(ctx, func(int) bool { return b.away(r) || r.doing() != reconciling && !b.urgent(r) })
		switch {
		case err != nil:
		case b.unsure(r):
			err = b.rescanned(ctx, []string{r.path})
		case !b.isLive(r):
			err = b.relistUnwatched(ctx, r, dirs)
		}
		if err == nil {
			err = b.listAllPending(ctx, r, dirs)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// caughtUp returns when every change that events told of before the call is in the index,
// at once if nothing is watched, or with ctx's error.
func (b *barrier) caughtUp(ctx context.Context) error {
	if b.src == nil {
		return b.writer.Flush(ctx)
	}
	defer b.writer.Hurry()()
	if err := b.writer.Flush(ctx); err != nil {
		return err
	}
	for lost := b.src.Status().Overflows; ; {
		if _, err := b.src.Barrier(ctx); err != nil {
			return err
		}
		if err := b.live.caughtUp(ctx); err != nil {
			return err
		}
		if err := b.epochs.wait(ctx); err != nil {
			return err
		}
		now := b.src.Status().Overflows
		if now == lost {
			return nil
		}
		lost = now
	}
}

// rescanned lists dirs (none: all roots) again with all below them, and waits.
func (b *barrier) rescanned(ctx context.Context, dirs []string) error {
	if len(dirs) == 0 {
		dirs = b.Roots()
	}
	j := jobs.New(dirs)
	b.startJob(j, walker.Asked, nil)
	err := j.Follow(ctx, func(jobs.Event) error { return nil })
	if err != nil {
		j.Cancel()
	}
	return err
}

// relistUnwatched lists those directories of a root again that lie in dirs (none: all) and
// are not watched, and waits for all that is found.
func (b *barrier) relistUnwatched(ctx context.Context, r *root, dirs []string) error {
	group := newRelistGroup(b.scheduler, walker.Asked)
	group.epoch = b.epochs.begin()
	err := b.eachPage(r, func(page []storedDir) error {
		for i := range page {
			dir := page[i].dir
			in := len(dirs) == 0
			for _, d := range dirs {
				in = in || mounts.Within(dir, d)
			}
			if in && !b.src.Watched(dir) {
				if err := group.relist(ctx, dir); err != nil {
					return err
				}
			}
		}
		return context.Cause(ctx)
	})
	err = errors.Join(err, group.wait(ctx))
	b.epochs.done(group.epoch)
	if err != nil {
		return err
	}
	return b.epochs.wait(ctx)
}

// pendingRounds limits the rounds of listAllPending: in a storm each may find more.
const pendingRounds = 10

// listAllPending lists the pending directories of a root that lie in dirs (none: all) or
// above, without waiting, as retry does, until nothing else is active. First it finds
// directories that no listing names any more: a tombstone spares records that are newer, even
// if they only say that a directory cannot be opened.
func (b *barrier) listAllPending(ctx context.Context, r *root, dirs []string) error {
	for range pendingRounds {
		if err := b.purgeSurvivors(ctx, r); err != nil {
			return err
		}
		found := false
		for from := record.Key(nil); ; {
			pending, next, err := b.pendingFrom(r, dirs, from, pendingBatch)
			if err != nil {
				return err
			}
			epoch := b.epochs.begin()
			b.listPending(epoch, pending)
			b.epochs.done(epoch)
			if len(pending) > 0 {
				found = true
				if err := b.epochs.wait(ctx); err != nil {
					return err
				}
			}
			if from = next; from == nil {
				break
			}
		}
		if !found && !b.hasSurvivors(r) {
			return nil
		}
	}
	return nil
}

// hasSurvivors reports whether something in a root survived a tombstone.
func (b *barrier) hasSurvivors(r *root) (found bool) {
	m := b.mounts.Load()
	_ = b.st.View(func(sn *store.Snap) error {
		for key := range sn.Survivors() {
			if dir, ok := m.pathOf(key); ok && mounts.Within(dir, r.path) {
				found = true
				break
			}
		}
		return nil
	})
	return found
}

// purgeSurvivors purges tombstones as long as something in a root survived one and there is
// something to purge.
func (b *barrier) purgeSurvivors(ctx context.Context, r *root) error {
	for more := true; more && b.hasSurvivors(r); {
		err := b.writer.Update(ctx, func(tx *store.Tx) (err error) {
			more, err = tx.PurgeTombstones(purgeMost)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
