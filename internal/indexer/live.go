package indexer

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"indexd/internal/indexer/commit"
	"indexd/internal/mounts"
	"indexd/internal/watch"
	"indexd/store"
	"indexd/walker"
)

// live turns the hints of a watch.Source into listings, on a goroutine of its own, to which
// its fields are confined unless stated otherwise.
type live struct {
	*passes
	room      *semaphore.Weighted         // tasks; any goroutine
	waiting   atomic.Bool                 // for room; any goroutine
	asks      chan chan struct{}          // closes a channel when all hints so far were acted on
	taken     atomic.Pointer[watch.Batch] // hints that are being acted on; any goroutine
	heartbeat *commit.Heartbeat
	busy      busyFiles
}

const (
	// liveTasks is how many tasks run because of hints. Beyond that hints gather in the
	// Source, which combines them.
	liveTasks = 128
	// liveWindow is how long hints gather after some were acted on.
	liveWindow = 10 * time.Millisecond
	// Up to fewNames names of a directory whose content alone may have changed are looked
	// at one by one; so are names of a directory of at least bigDir entries, up to one in
	// bigShare of them. Otherwise the directory is listed.
	fewNames = 8
	bigDir   = 4096
	bigShare = 64
)

func newLive(p *passes) *live {
	return &live{
		passes:    p,
		room:      semaphore.NewWeighted(liveTasks),
		asks:      make(chan chan struct{}),
		heartbeat: commit.NewHeartbeat(),
		busy:      busyFiles{files: make(map[string]*busyFile)},
	}
}

// run acts on hints until ctx ends.
func (l *live) run(ctx context.Context) {
	ready, freed := l.src.Ready(), l.src.Freed()
	window, busy, place := time.NewTimer(time.Hour), time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	for _, t := range []*time.Timer{window, busy, place} {
		t.Stop()
		defer t.Stop()
	}
	for {
		all := false
		var answer chan struct{}
		select {
		case <-ctx.Done():
			return
		case <-l.heartbeat.Asks():
			continue
		case <-window.C:
			ready = l.src.Ready()
			continue
		case <-ready:
			ready = nil
			window.Reset(liveWindow)
		case <-busy.C:
		case <-freed:
			freed = nil
			place.Reset(l.cfg.Timing.FreedPause)
			continue
		case <-place.C:
			freed = l.src.Freed()
			if wait := l.passUnwatched(); wait > 0 {
				place.Reset(wait)
			}
			continue
		case answer = <-l.asks:
			all = true
		}
		epoch := l.epochs.begin()
		if ready == nil || all {
			l.apply(ctx, epoch, l.src.Take())
		}
		l.updateBusy(ctx, epoch, all)
		l.epochs.done(epoch)
		if due, ok := l.busy.next(); ok {
			busy.Reset(time.Until(due))
		}
		if answer != nil {
			close(answer)
		}
	}
}

// caughtUp returns when the work for all hints so far has begun.
func (l *live) caughtUp(ctx context.Context) error {
	answer := make(chan struct{})
	select {
	case l.asks <- answer:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.running.Done():
		return ErrStopping
	}
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.running.Done():
		return ErrStopping
	}
}

// apply begins the work for a batch of hints.
func (l *live) apply(ctx context.Context, epoch uint64, b watch.Batch) {
	if b.Mounts {
		l.MountsChanged()
	}
	if b.Overflow {
		l.eventsLost()
	}
	l.taken.Store(&b)
	defer l.taken.Store(nil)
	walked := make(map[string]bool) // subtrees that the listing of their parent continues to
	for i := range b.Dirs {
		l.heartbeat.Tick()
		h := &b.Dirs[i]
		switch {
		case l.rootOf(h.Dir) == nil:
			l.aboveRoots(ctx, epoch, h)
		case l.isExcluded(h.Dir):
			l.unwatch(h.Dir) // by new rules
		case h.Subtree && !walked[h.Dir]:
			l.list(ctx, epoch, "", []string{h.Dir})
		case h.List:
			l.writer.NamesChanged(commit.LoneMost)
			l.list(ctx, epoch, h.Dir, nil)
		case len(h.Names) > 0:
			l.applyNames(ctx, epoch, h, walked)
		}
	}
}

// aboveRoots acts on a hint of a directory that lies above a root: the root may be another
// directory now, or missing.
func (l *live) aboveRoots(ctx context.Context, epoch uint64, h *watch.DirHint) {
	for _, r := range l.allRoots() {
		touched := (h.Subtree || h.List) && mounts.Within(r.path, h.Dir)
		for _, n := range h.Names {
			touched = touched || n.Change == watch.Named && mounts.Within(r.path, join(h.Dir, n.Name))
		}
		if touched {
			l.watchAbove(r)
			l.submit(ctx, &task{
				s: l.scheduler, priority: walker.Event, trees: []string{r.path}, solo: true, epoch: epoch,
				ended: func(stats walker.JobStats, _ error) { r.noteWalk(stats) },
			})
		}
	}
}

// applyNames begins the work for names of one directory.
func (l *live) applyNames(ctx context.Context, epoch uint64, h *watch.DirHint, walked map[string]bool) {
	var named []string
	var content []watch.NameHint
	now := time.Now()
	for _, n := range h.Names {
		switch {
		case n.Change == watch.Named:
			named = append(named, join(h.Dir, n.Name))
		case l.busy.noteChange(h.Dir, n.Name, now):
			content = append(content, n)
		}
	}
	l.writer.NamesChanged(len(named) + len(content))
	switch {
	case len(named) == 0 && len(content) <= fewNames:
		l.updateNames(ctx, epoch, h.Dir, content)
	case len(named) == 0:
		l.list(ctx, epoch, h.Dir, nil)
	case l.isBig(h.Dir, len(h.Names)):
		l.updateNames(ctx, epoch, h.Dir, h.Names)
	default:
		for _, path := range named {
			walked[path] = true
		}
		l.list(ctx, epoch, h.Dir, named)
	}
}

// isBig reports whether a directory has so many entries that it is better to look at n of
// them than to list it.
func (l *live) isBig(dir string, n int) (big bool) {
	key, _, err := l.mounts.Load().key(dir)
	if err != nil {
		return false
	}
	_ = l.st.View(func(sn *store.Snap) error {
		rec, ok, err := sn.Record(key)
		if err == nil && ok {
			count := rec.Header().Agg.Count
			big = count >= bigDir && uint64(n)*bigShare <= count
		}
		return err
	})
	return big
}

// list lists alone ("" for none) by itself, and then trees with all below them; if there is
// alone, those of trees that it turns out to have.
func (l *live) list(ctx context.Context, epoch uint64, alone string, trees []string) {
	l.submit(ctx, &task{s: l.scheduler, priority: walker.Event, alone: alone, trees: trees, solo: true, epoch: epoch})
}

func (l *live) submit(ctx context.Context, t *task) {
	l.waiting.Store(true)
	err := l.room.Acquire(ctx, 1)
	l.waiting.Store(false)
	if err != nil {
		return // stopping
	}
	ended := t.ended
	t.ended = func(stats walker.JobStats, err error) {
		l.room.Release(1)
		if ended != nil {
			ended(stats, err)
		}
	}
	if l.tasks.submit(t, nil, nil) != nil {
		l.room.Release(1) // stopping
	}
}
