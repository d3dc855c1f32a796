package indexer

import (
	"sync"

	"indexd/internal/indexer/commit"
	"indexd/internal/indexer/jobs"
	"indexd/internal/watch"
	"indexd/listing"
	"indexd/store"
	"indexd/walker"
)

// A task is one walk: a directory listed by itself, subtrees listed whole, or
// both, the first before the second. What people see as jobs is made of tasks;
// so is what the indexer finds for itself to do. A task that has not begun may
// serve several jobs at once.
type task struct {
	x        *Indexer
	priority walker.Priority

	// While it runs these are the worker's that lists alone; see climb.
	alone string   // listed by itself, first; "" for none
	trees []string // listed with all below them; behind alone, those of its children that it turns out to have

	key taskKey // of the two, as they were submitted

	// ended is called when everything that was found is committed, or with why
	// it is not; on the writer's goroutine, so it must not block.
	ended func(walker.JobStats, error)

	home *root // in which it looks; nil: in none. Set by count

	urgent bool // its end is committed at once
	solo   bool // nobody else's: it is neither joined nor waits for another

	aloneEntries int64 // found in alone; valid when the walk has ended

	epoch uint64 // of which it is a piece of work; under mu once submitted

	mu    sync.Mutex
	walk  *walker.Job // nil until started
	begun bool        // a worker took it up: nobody may join any more
	users []jobs.User
}

// start hands the task to the pool. It has been counted as active, until finish.
func (t *task) start() error {
	spec := walker.Spec{
		Dirs:     t.trees,
		Priority: t.priority,
		Visit:    t.visit,
		Admit:    t.admit,
		Done:     t.done,
	}
	if t.x.src != nil {
		spec.Opened = t.opened
	}
	if t.alone != "" {
		spec.Dirs = []string{t.alone}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	walk, err := t.x.pool.Submit(t.x.ctx, spec)
	if err != nil {
		return err
	}
	t.walk = walk
	return nil
}

// admit is asked on a worker before each directory is opened.
func (t *task) admit(dir string) bool {
	t.mu.Lock()
	t.begun = true
	walk := t.walk
	t.mu.Unlock()
	return t.x.flights.begin(dir, walk)
}

// opened is called on a worker before the names of a directory are read.
func (t *task) opened(dir string, dev uint64, st *listing.Stat) {
	want := watch.Ident{Dev: dev, Ino: st.Ino}
	if !st.Btime.IsZero() {
		want.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	t.x.watchDir(dir, want, st.Mtime)
}

// count makes the task one of those under way; uncount ends that.
func (t *task) count() {
	dir := t.alone
	if dir == "" && len(t.trees) > 0 {
		dir = t.trees[0]
	}
	t.home = t.x.rootOf(dir)
	t.home.hold(1)
	t.x.active.add(1)
	t.x.epochs.add(t.epoch)
}

func (t *task) uncount() {
	t.home.hold(-1)
	t.x.epochs.done(t.epochNow())
	t.x.active.add(-1)
}

func (t *task) epochNow() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.epoch
}

// inherit makes the task part of an older epoch's work too. Called under mu.
func (t *task) inherit(epoch uint64) {
	if epoch == 0 || t.epoch != 0 && t.epoch <= epoch {
		return
	}
	was := t.epoch
	t.x.epochs.add(epoch)
	t.epoch = epoch
	t.x.epochs.done(was)
}

// Stats implements jobs.Task.
func (t *task) Stats() (walker.JobStats, bool) {
	t.mu.Lock()
	walk, begun := t.walk, t.begun
	t.mu.Unlock()
	if walk == nil {
		return walker.JobStats{}, false
	}
	return walk.Stats(), begun
}

// Leave implements jobs.Task.
func (t *task) Leave(u jobs.User) {
	t.mu.Lock()
	kept := make([]jobs.User, 0, len(t.users))
	for _, other := range t.users {
		if other != u {
			kept = append(kept, other)
		}
	}
	last := len(kept) == 0 && len(t.users) > 0
	t.users = kept
	t.begun = t.begun || last // nobody may join what is being cancelled
	t.mu.Unlock()
	if last {
		t.x.queue.drop(t)
	}
}

// walking returns the walk, nil where the task was not started.
func (t *task) walking() *walker.Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.walk
}

func (t *task) each(f func(jobs.User)) {
	t.mu.Lock()
	users := t.users // never changed in place but by join, which appends
	t.mu.Unlock()
	for _, u := range users {
		f(u)
	}
}

// done is called by the pool when the walk has ended. It follows what the walk
// found on the way to the store, so that who waits for the task finds in the
// store what it listed.
func (t *task) done(stats walker.JobStats, err error) {
	finish := func(commitErr error) {
		if err == nil {
			err = commitErr
		}
		t.finish(stats, err)
	}
	it := commit.Item{When: commit.Soon, Do: func(*store.Tx) error { return nil }, Done: finish}
	t.mu.Lock()
	if t.urgent || len(t.users) > 0 {
		it.When = commit.Now
	}
	t.mu.Unlock()
	if putErr := t.x.writer.Put(t.x.ctx, it); putErr != nil {
		finish(putErr)
	}
}

// finish tells everybody.
func (t *task) finish(stats walker.JobStats, err error) {
	t.x.queue.ended(t)
	if t.ended != nil {
		t.ended(stats, err)
	}
	if t.alone != "" && stats.Dirs > 0 { // it was listed only for the path's own entry
		stats.Dirs--
		stats.Entries -= t.aloneEntries
	}
	t.each(func(u jobs.User) { u.TaskEnded(t, stats, err) })
	t.uncount()
}
