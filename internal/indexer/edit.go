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

// edits are looks at single names, in any directories, on their way to the
// writer, which commits them together.
type edits struct {
	items []commit.Item
	after []func()        // what follows once they are with the writer
	held  map[string]bool // directories whose flight is theirs until then
}

// ownTime is the change of a directory in which names came or went.
const ownTime watch.Change = watch.Named + 1

// names asks for single names of a directory, and has what they show written.
func (l *live) names(ctx context.Context, epoch uint64, dir string, names []watch.NameHint) {
	var e edits
	l.edit(ctx, &e, epoch, dir, names)
	l.put(&e, epoch)
}

// putOff looks at the busy files that are due, or at all that changed.
func (l *live) putOff(ctx context.Context, epoch uint64, all bool) {
	var e edits
	l.backoff.take(time.Now(), all, func(dir, name string) {
		l.edit(ctx, &e, epoch, dir, []watch.NameHint{{Name: name}})
	})
	l.put(&e, epoch)
}

// put hands edits to the writer.
func (l *live) put(e *edits, epoch uint64) {
	x := l.x
	for i := range e.items {
		if i == len(e.items)-1 {
			e.items[i].When = commit.Soon // those before it wait for no more than it
		}
		if x.writer.Put(x.ctx, e.items[i]) != nil {
			x.epochs.done(epoch) // stopping
		}
	}
	for dir := range e.held {
		x.flights.end(dir)
	}
	for _, f := range e.after {
		f()
	}
}

// edit looks at single names of a directory, or, where that is being listed
// already, has it listed again.
func (l *live) edit(ctx context.Context, e *edits, epoch uint64, dir string, names []watch.NameHint) {
	x := l.x
	if len(names) == 0 {
		return
	}
	if !e.held[dir] {
		if !x.flights.try(dir) {
			// Behind the listing under way; and behind what e holds, since this may wait
			// for the end of a task that wants it.
			e.after = append(e.after, func() { l.task(ctx, epoch, dir, nil) })
			return
		}
		if e.held == nil {
			e.held = make(map[string]bool, 2)
		}
		e.held[dir] = true
	}
	stamp := x.stamp()
	key, err := x.keyOf(dir, 0)
	if err != nil {
		return // on no file system that is indexed now
	}
	s := &sight{
		task: &task{x: x, epoch: epoch}, alone: dir, dir: dir,
		rules: x.rules.Load(), mounts: x.places.Load().inside[dir],
	}
	come := false // or gone: then the directory's own time is another
	for _, n := range names {
		if l.name(e, epoch, s, key, stamp, n) != nil {
			x.dirtyIn(epoch, dir) // its listing says what there is to say
			return
		}
		come = come || n.Change == watch.Named
	}
	if up := path.Dir(dir); come && !x.isRoot(dir) && up != dir {
		l.edit(ctx, e, epoch, up, []watch.NameHint{{Name: path.Base(dir), Change: ownTime}})
	}
}

// name is edit for one of them.
func (l *live) name(e *edits, epoch uint64, s *sight, key record.Key, stamp uint64, n watch.NameHint) error {
	x := l.x
	var now *listing.Entry
	descend := false
	switch found, err := walker.Stat(s.dir, n.Name); {
	case err == nil:
		if s.keep(&found) {
			now = &found
		}
	case errors.Is(err, fs.ErrNotExist):
		var where *fs.PathError
		if errors.As(err, &where) && where.Op == "open" {
			return err // the directory
		}
	default:
		return err
	}
	if now != nil && now.Type() == listing.Dir {
		descend = s.descend(now)
	}
	one := &sight{task: s.task, alone: s.dir, dir: s.dir}
	r := x.rootOf(s.dir)
	var applied store.Applied
	x.epochs.add(epoch)
	e.items = append(e.items, commit.Item{
		Bytes: 512 + len(n.Name), Held: r.counter(),
		Do: func(tx *store.Tx) (err error) {
			applied, err = tx.ApplyName(key, stamp, n.Name, now, descend)
			return err
		},
		Reserve: func() commit.Reserve { return commit.ReserveFor(&applied) },
		Done: func(err error) {
			x.written(r, &applied, err)
			one.committed(&applied, err)
			x.epochs.done(epoch)
		},
	})
	child := join(s.dir, n.Name)
	switch {
	case now == nil || now.Type() != listing.Dir || !descend:
	case n.Change == ownTime:
	case n.Change == watch.Named:
		e.after = append(e.after, func() { x.discoveredIn(epoch, child) })
	default: // its owner or mode, on which hangs what can be read of it
		e.after = append(e.after, func() { x.dirtyIn(epoch, child) })
	}
	return nil
}
