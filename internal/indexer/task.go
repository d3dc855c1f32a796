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

// A task is one walk: it lists a directory alone, subtrees whole, or both, the first before
// the second. Jobs, as users see them, consist of tasks, and so does the indexer's own work.
// A task that has not begun may serve several users.
type task struct {
	s        *scheduler
	priority walker.Priority

	// While the task runs, alone and trees belong to the worker that lists alone; see
	// climb.
	alone string   // listed first, by itself; "" for none
	trees []string // listed with all below them; if there is alone, those of its children that it turns out to have

	key taskKey // made from alone and trees as they were submitted

	// ended is called on the writer's goroutine when everything that was found is
	// committed, or with the reason why it is not. It must not block.
	ended func(walker.JobStats, error)

	home *root // in which it lists; nil: in none. Set by count

	solo   bool // it neither is joined nor waits for another task
	urgent bool // its end is committed at once

	aloneEntries int64 // found in alone; valid when the walk has ended

	epoch uint64 // that it is a piece of work of; guarded by mu once submitted

	mu    sync.Mutex
	walk  *walker.Job // nil until started
	begun bool        // nobody may join any more
	users []jobs.User
}

// start hands the task to the pool.
func (t *task) start() error {
	spec := walker.Spec{
		Dirs:     t.trees,
		Priority: t.priority,
		Visit:    t.visit,
		Admit:    t.admit,
		Done:     t.done,
	}
	if t.s.src != nil {
		spec.Opened = t.opened
	}
	if t.alone != "" {
		spec.Dirs = []string{t.alone}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	walk, err := t.s.pool.Submit(t.s.ctx, spec)
	if err != nil {
		return err
	}
	t.walk = walk
	return nil
}

// admit is called on a worker before each directory is opened.
func (t *task) admit(dir string) bool {
	t.mu.Lock()
	t.begun = true
	walk := t.walk
	t.mu.Unlock()
	return t.s.inflight.begin(dir, walk)
}

// opened is called on a worker before the names of a directory are read.
func (t *task) opened(dir string, dev uint64, st *listing.Stat) {
	want := watch.Ident{Dev: dev, Ino: st.Ino}
	if !st.Btime.IsZero() {
		want.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	t.s.watchDir(dir, want, st.Mtime)
}

// count counts the task as active, uncount ends that.
func (t *task) count() {
	dir := t.alone
	if dir == "" && len(t.trees) > 0 {
		dir = t.trees[0]
	}
	t.home = t.s.rootOf(dir)
	t.home.addUnwritten(1)
	t.s.active.add(1)
	t.s.epochs.add(t.epoch)
}

func (t *task) uncount() {
	t.home.addUnwritten(-1)
	t.s.epochs.done(t.currentEpoch())
	t.s.active.add(-1)
}

func (t *task) currentEpoch() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.epoch
}

// join adds a user, unless the task has begun: what was listed before somebody asked is no
// answer.
func (t *task) join(u jobs.User, attach func(*task), epoch uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun {
		return false
	}
	if attach != nil {
		attach(t)
	}
	if u != nil {
		t.users = append(t.users, u)
	}
	if epoch != 0 && (t.epoch == 0 || epoch < t.epoch) { // part of an older epoch's work too
		was := t.epoch
		t.s.epochs.add(epoch)
		t.epoch = epoch
		t.s.epochs.done(was)
	}
	return true
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
		t.s.tasks.drop(t)
	}
}

// walking returns the walk, nil if the task was not started.
func (t *task) walking() *walker.Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.walk
}

func (t *task) eachUser(f func(jobs.User)) {
	t.mu.Lock()
	users := t.users // only join changes it in place, by appending
	t.mu.Unlock()
	for _, u := range users {
		f(u)
	}
}

// done is called by the pool when the walk has ended. The end follows the listings to the
// writer, so that whoever waits for the task finds them in the store.
func (t *task) done(stats walker.JobStats, err error) {
	finish := func(commitErr error) {
		if err == nil {
			err = commitErr
		}
		t.finish(stats, err)
	}
	it := commit.Item{When: commit.Soon, Do: func(*store.Tx) error { return nil }, Done: finish}
	if t.urgent {
		it.When = commit.Now
	}
	t.eachUser(func(jobs.User) { it.When = commit.Now })
	if putErr := t.s.writer.Put(t.s.ctx, it); putErr != nil {
		finish(putErr)
	}
}

// finish reports the end to everybody.
func (t *task) finish(stats walker.JobStats, err error) {
	t.s.tasks.ended(t)
	if t.ended != nil {
		t.ended(stats, err)
	}
	if t.alone != "" && stats.Dirs > 0 { // it was listed only for the path's own entry
		stats.Dirs--
		stats.Entries -= t.aloneEntries
	}
	t.eachUser(func(u jobs.User) { u.TaskEnded(t, stats, err) })
	t.uncount()
}
