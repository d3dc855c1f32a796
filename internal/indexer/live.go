package indexer

import (
	"context"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"indexd/internal/indexer/commit"
	"indexd/internal/mounts"
	"indexd/internal/watch"
	"indexd/store"
	"indexd/walker"
)

// live turns the hints of a watch.Source into listings. It has a goroutine of
// its own, to which everything in it is confined but asks.
type live struct {
	x         *Indexer
	src       *watch.Source
	room      *semaphore.Weighted         // tasks under way
	asks      chan chan struct{}          // who wants all hints so far to be acted on
	taken     atomic.Pointer[watch.Batch] // of which the work is being begun
	heartbeat *commit.Heartbeat
	waiting   atomic.Bool // for room
	backoff   backoff
	lacking   bool // there may be directories to be watched that only a pass over all finds
}

const (
	// liveTasks is how many tasks hints have under way; beyond that they gather
	// in the Source, where they become fewer.
	liveTasks = 128
	// liveWindow is for how long hints gather after some were acted on.
	liveWindow = 10 * time.Millisecond
	// fewNames of a directory whose content alone may have changed are each
	// asked for; so are those of a directory of at least bigDir entries, up to
	// one in bigShare of them. Else it is listed.
	fewNames = 8
	bigDir   = 4096
	bigShare = 64
)

func newLive(x *Indexer, src *watch.Source) *live {
	return &live{
		x: x, src: src,
		room:      semaphore.NewWeighted(liveTasks),
		asks:      make(chan chan struct{}),
		heartbeat: commit.NewHeartbeat(),
		backoff:   backoff{files: make(map[string]*busyFile)},
	}
}

// run acts on hints until ctx ends.
func (l *live) run(ctx context.Context) {
	ready, freed := l.src.Ready(), l.src.Freed()
	window, later, place := time.NewTimer(time.Hour), time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	for _, t := range []*time.Timer{window, later, place} {
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
		case <-later.C:
		case <-freed:
			freed = nil // who was refused one a moment ago may not be waiting yet
			place.Reset(l.x.cfg.gather)
			continue
		case <-place.C:
			freed = l.src.Freed()
			epoch := l.x.epochs.begin()
			if wait := l.placeFreed(epoch); wait > 0 {
				place.Reset(wait)
			}
			l.x.epochs.done(epoch)
			continue
		case answer = <-l.asks:
			all = true
		}
		epoch := l.x.epochs.begin()
		if ready == nil || all {
			l.apply(ctx, epoch, l.src.Take())
		}
		l.putOff(ctx, epoch, all)
		l.x.epochs.done(epoch)
		if due, ok := l.backoff.next(); ok {
			later.Reset(time.Until(due))
		}
		if answer != nil {
			close(answer)
		}
	}
}

// caughtUp returns when the work for all hints so far has been begun.
func (l *live) caughtUp(ctx context.Context) error {
	answer := make(chan struct{})
	select {
	case l.asks <- answer:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.x.running.Done():
		return ErrStopping
	}
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.x.running.Done():
		return ErrStopping
	}
}

// apply begins the work for a batch of hints.
func (l *live) apply(ctx context.Context, epoch uint64, b watch.Batch) {
	if b.Mounts {
		l.x.MountsChanged()
	}
	if b.Overflow {
		l.x.eventsLost()
	}
	l.taken.Store(&b)
	defer l.taken.Store(nil)
	walked := make(map[string]bool) // subtrees that a listing of their parent goes on to
	for i := range b.Dirs {
		l.heartbeat.Tick()
		h := &b.Dirs[i]
		switch {
		case l.x.rootOf(h.Dir) == nil:
			l.aboveRoots(ctx, epoch, h)
		case l.x.isExcluded(h.Dir):
			l.x.unwatch(h.Dir) // by rules that are new
		case h.Subtree && !walked[h.Dir]:
			l.task(ctx, epoch, "", []string{h.Dir})
		case h.List:
			l.x.writer.NamesChanged(commit.LoneMost)
			l.task(ctx, epoch, h.Dir, nil)
		case len(h.Names) > 0:
			l.hint(ctx, epoch, h, walked)
		}
	}
}

// aboveRoots is for hints of directories that lie in no root but above one: the
// root may be another directory now, or none.
func (l *live) aboveRoots(ctx context.Context, epoch uint64, h *watch.DirHint) {
	for _, r := range l.x.allRoots() {
		touched := (h.Subtree || h.List) && mounts.Within(r.path, h.Dir)
		for _, n := range h.Names {
			touched = touched || n.Change == watch.Named && mounts.Within(r.path, join(h.Dir, n.Name))
		}
		if touched {
			l.x.watchAbove(r)
			l.submit(ctx, &task{
				x: l.x, priority: walker.Event, trees: []string{r.path}, solo: true, epoch: epoch,
				ended: func(stats walker.JobStats, _ error) { r.looked(stats) },
			})
		}
	}
}

// hint begins the work for names of one directory.
func (l *live) hint(ctx context.Context, epoch uint64, h *watch.DirHint, walked map[string]bool) {
	var named []string
	var content []watch.NameHint
	now := time.Now()
	for _, n := range h.Names {
		switch {
		case n.Change == watch.Named:
			named = append(named, join(h.Dir, n.Name))
		case l.backoff.changed(h.Dir, n.Name, now):
			content = append(content, n)
		}
	}
	l.x.writer.NamesChanged(len(named) + len(content))
	switch {
	case len(named) == 0 && len(content) <= fewNames:
		l.names(ctx, epoch, h.Dir, content)
	case len(named) == 0:
		l.task(ctx, epoch, h.Dir, nil)
	case l.isBig(h.Dir, len(h.Names)):
		l.names(ctx, epoch, h.Dir, h.Names)
	default:
		for _, path := range named {
			walked[path] = true
		}
		l.task(ctx, epoch, h.Dir, named)
	}
}

// isBig reports whether a directory has so many entries that it is better to
// ask for n of them than to list it.
func (l *live) isBig(dir string, n int) (big bool) {
	key, _, err := l.x.places.Load().key(dir)
	if err != nil {
		return false
	}
	_ = l.x.st.View(func(sn *store.Snap) error {
		rec, ok, err := sn.Record(key)
		if err == nil && ok {
			count := rec.Header().Agg.Count
			big = count >= bigDir && uint64(n)*bigShare <= count
		}
		return err
	})
	return big
}

// task has alone ("" for none) listed by itself, and then trees with all below
// them; where alone is given, those of trees that it turns out to have.
func (l *live) task(ctx context.Context, epoch uint64, alone string, trees []string) {
	l.submit(ctx, &task{x: l.x, priority: walker.Event, alone: alone, trees: trees, solo: true, epoch: epoch})
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
	if l.x.queue.submit(t, nil, nil) != nil {
		l.room.Release(1) // stopping
	}
}

// Excluded reports whether changes of a path are of no interest: for
// watch.Options. The directory that it lies in is indexed, or is above a root.
func (x *Indexer) Excluded(p string) bool {
	if x.isOwn(p) {
		return true
	}
	set := x.rules.Load()
	if set == nil {
		return false
	}
	if !slices.ContainsFunc(x.allRoots(), func(r *root) bool { return mounts.Within(p, r.path) || mounts.Within(r.path, p) }) {
		return true // beside a root
	}
	_, no := set.Child(path.Dir(p), p[strings.LastIndexByte(p, '/')+1:], false)
	return no
}

// isExcluded reports whether a rule leaves out a directory below a root.
func (x *Indexer) isExcluded(dir string) bool {
	r := x.rootOf(dir)
	if r == nil {
		return true
	}
	_, no := x.rules.Load().Below(r.path, dir)
	return no
}

// eventsLost has everything looked at: names by the times of their directories,
// soon, and the rest at a pace, or as soon as somebody asks for it to be true.
func (x *Indexer) eventsLost() {
	now := time.Now()
	for _, r := range x.allRoots() {
		r.mu.Lock()
		r.lostAt = now
		r.again = true
		r.mu.Unlock()
		epoch := x.epochs.begin()
		x.later(func() {
			x.lookAgain(r)
			x.epochs.done(epoch)
		})
	}
}

// lookAgain begins what became due for a root while something else was done for it:
// that all is listed by other rules, the reconcile that eventsLost asked for, or else
// the verification without which sizes and times are not sure.
func (x *Indexer) lookAgain(r *root) {
	rules := x.ruled(r)
	r.mu.Lock()
	idle := r.busy == "" && r.stored.Complete
	again := idle && rules && r.again
	if again {
		r.again = false
	}
	r.mu.Unlock()
	switch {
	case idle && !rules:
		x.relist(r)
	case again:
		x.reconcile(r)
	case idle && x.unsure(r):
		x.verify(r)
	}
}

// ruled reports whether a root was listed by the rules that are valid, as far as it
// can be.
func (x *Indexer) ruled(r *root) bool {
	rules := x.rules.Load().Fingerprint()
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.stored.Complete || r.stored.Rules == rules || r.gone != "" || r.rejected != r.covered
}
