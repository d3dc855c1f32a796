package indexer

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/internal/watch"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
	"indexd/walker"
)

// nameUpdates are updates of single names, in any directories, on their way to the writer,
// which commits them together.
type nameUpdates struct {
	items []commit.Item
	after []func()        // called once the items are with the writer
	held  map[string]bool // directories that are in flight until then
}

// ownTime is the change of a directory in which names came or went.
const ownTime watch.Change = watch.Named + 1

// updateNames looks at single names of a directory and writes what they show.
func (l *live) updateNames(ctx context.Context, epoch uint64, dir string, names []watch.NameHint) {
	var u nameUpdates
	l.update(ctx, &u, epoch, dir, names)
	l.put(&u, epoch)
}

// updateBusy looks at the busy files that are due, or at all that changed.
func (l *live) updateBusy(ctx context.Context, epoch uint64, all bool) {
	var u nameUpdates
	l.busy.take(time.Now(), all, func(dir, name string) {
		l.update(ctx, &u, epoch, dir, []watch.NameHint{{Name: name}})
	})
	l.put(&u, epoch)
}

// put hands updates to the writer.
func (l *live) put(u *nameUpdates, epoch uint64) {
	for i := range u.items {
		if i == len(u.items)-1 {
			u.items[i].When = commit.Soon // also for those before it
		}
		if l.writer.Put(l.ctx, u.items[i]) != nil {
			l.epochs.done(epoch) // stopping
		}
	}
	for dir := range u.held {
		l.inflight.end(dir)
	}
	for _, f := range u.after {
		f()
	}
}

// update looks at single names of a directory. If the directory is being listed, it is
// listed again instead.
func (l *live) update(ctx context.Context, u *nameUpdates, epoch uint64, dir string, names []watch.NameHint) {
	if len(names) == 0 {
		return
	}
	if !u.held[dir] {
		if !l.inflight.tryBegin(dir) {
			// After the listing in flight, and after what u holds, because this may wait
			// for the end of a task that needs one of those directories.
			u.after = append(u.after, func() { l.list(ctx, epoch, dir, nil) })
			return
		}
		if u.held == nil {
			u.held = make(map[string]bool, 2)
		}
		u.held[dir] = true
	}
	stamp := l.Stamp()
	key, err := l.keyOf(dir, 0)
	if err != nil {
		return // on no file system that is indexed now
	}
	plan := (&task{s: l.scheduler, epoch: epoch}).plan(dir)
	named := false // names came or went, which changes the directory's own times
	for _, n := range names {
		if l.updateName(u, epoch, plan, key, stamp, n) != nil {
			l.relist(epoch, dir)
			return
		}
		named = named || n.Change == watch.Named
	}
	if up := path.Dir(dir); named && !l.isRoot(dir) && up != dir {
		l.update(ctx, u, epoch, up, []watch.NameHint{{Name: path.Base(dir), Change: ownTime}})
	}
}

// updateName is update for one name. After an error the directory has to be listed.
func (l *live) updateName(u *nameUpdates, epoch uint64, plan *listingPlan, key record.Key, stamp uint64, n watch.NameHint) error {
	var now *listing.Entry
	descend := false
	switch found, err := walker.Stat(plan.dir, n.Name); {
	case err == nil:
		if plan.keep(&found) {
			now = &found
		}
	case errors.Is(err, fs.ErrNotExist):
		var where *fs.PathError
		if errors.As(err, &where) && where.Op == "open" {
			return err // the directory does not exist
		}
	default:
		return err
	}
	if now != nil && now.Type() == listing.Dir {
		descend = plan.descend(now)
	}
	one := &listingPlan{task: plan.task, alone: plan.dir, dir: plan.dir}
	r := l.rootOf(plan.dir)
	var applied store.Applied
	l.epochs.add(epoch)
	u.items = append(u.items, commit.Item{
		Bytes: 512 + len(n.Name), Held: r.unwrittenCounter(),
		Do: func(tx *store.Tx) (err error) {
			applied, err = tx.ApplyName(key, stamp, n.Name, now, descend)
			return err
		},
		Reserve: func() commit.Reserve { return commit.ReserveFor(&applied) },
		Done: func(err error) {
			l.written(r, &applied, err)
			one.committed(&applied, err)
			l.epochs.done(epoch)
		},
	})
	child := join(plan.dir, n.Name)
	switch {
	case now == nil || now.Type() != listing.Dir || !descend:
	case n.Change == ownTime:
	case n.Change == watch.Named:
		u.after = append(u.after, func() { l.discover(epoch, child) })
	default: // its owner or mode, which decides whether it can be read
		u.after = append(u.after, func() { l.relist(epoch, child) })
	}
	return nil
}
