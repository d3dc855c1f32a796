package indexer

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"indexd/internal/indexer/jobs"
	"indexd/walker"
)

// taskQueue holds the active tasks, so that whoever wants what a task is about to list
// joins it, and the same is never walked twice at once: 10,000 rescans of one directory are
// two walks, one in progress and one for all who asked since it began.
type taskQueue struct {
	mu sync.Mutex
	m  map[taskKey]*taskSlot
}

// A taskSlot has the tasks of one key.
type taskSlot struct {
	running *task
	waiting *task // started when running has ended; nil: none
}

type taskKey struct {
	alone, tree string
	priority    walker.Priority
	solo        *task
}

func (t *task) makeKey() taskKey {
	k := taskKey{alone: t.alone, priority: t.priority}
	if t.solo {
		k.solo = t
	}
	if len(t.trees) > 0 {
		k.tree = t.trees[0]
	}
	return k
}

// submit starts t, now or when the running task of the same key has ended, or makes u join
// a task that has not begun. attach, if not nil, is called with the task that u gets before
// it can end. u may be nil.
func (q *taskQueue) submit(t *task, u jobs.User, attach func(*task)) error {
	key := t.makeKey()
	q.mu.Lock()
	defer q.mu.Unlock()
	t.key = key
	s := q.m[key]
	if s != nil && (s.waiting != nil && s.waiting.join(u, attach, t.epoch) || s.running.join(u, attach, t.epoch)) {
		return nil
	}
	if attach != nil {
		attach(t)
	}
	if u != nil {
		t.users = []jobs.User{u}
	}
	t.count()
	if s != nil && s.waiting == nil {
		s.waiting = t
		return nil
	}
	// A waiting task that all its users have left can no longer be joined, but is not yet
	// removed: t takes its place.
	if s != nil {
		s.waiting, t = t, s.waiting
		t.uncount()
		return nil
	}
	if err := t.start(); err != nil {
		t.uncount()
		return err
	}
	if q.m == nil {
		q.m = make(map[taskKey]*taskSlot)
	}
	q.m[key] = &taskSlot{running: t}
	return nil
}

// ended removes a task and starts the one that waits for its end.
func (q *taskQueue) ended(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.m[t.key]
	if s == nil || s.running != t {
		return
	}
	next := s.waiting
	if next == nil {
		delete(q.m, t.key)
		return
	}
	s.running, s.waiting = next, nil
	if err := next.start(); err != nil { // the daemon is stopping
		delete(q.m, t.key)
		next.s.deferCall(func() { next.finish(walker.JobStats{}, err) })
	}
}

// drop removes a task that nobody wants any more, or cancels it if it was started.
func (q *taskQueue) drop(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s := q.m[t.key]; s != nil && s.waiting == t {
		s.waiting = nil
		t.uncount()
	} else if walk := t.walking(); walk != nil {
		walk.Cancel()
	}
}

// relistMax is how many directories a relistGroup lists at once.
const relistMax = 256

// A relistGroup lists single directories again for somebody who waits for all of them. It
// may be used several times.
type relistGroup struct {
	s        *scheduler
	priority walker.Priority
	epoch    uint64 // that it is work of
	room     *semaphore.Weighted

	mu  sync.Mutex
	err error // the first
}

func newRelistGroup(s *scheduler, priority walker.Priority) *relistGroup {
	return &relistGroup{s: s, priority: priority, room: semaphore.NewWeighted(relistMax)}
}

// relist lists dir again. It waits while too many directories are being listed.
func (g *relistGroup) relist(ctx context.Context, dir string) error {
	if err := g.room.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	t := &task{s: g.s, priority: g.priority, alone: dir, epoch: g.epoch}
	if err := g.s.tasks.submit(t, g, nil); err != nil {
		g.TaskEnded(t, walker.JobStats{}, err)
	}
	return nil
}

// wait returns when everything is committed, or with the first error that prevented it. An
// unreadable directory is no error.
func (g *relistGroup) wait(ctx context.Context) error {
	if err := g.room.Acquire(ctx, relistMax); err != nil {
		return context.Cause(ctx)
	}
	g.room.Release(relistMax)
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// DirListed implements jobs.User.
func (g *relistGroup) DirListed(int, string, int) {}

// TaskEnded implements jobs.User.
func (g *relistGroup) TaskEnded(_ jobs.Task, _ walker.JobStats, err error) {
	g.mu.Lock()
	if g.err == nil {
		g.err = err
	}
	g.mu.Unlock()
	g.room.Release(1)
}

// Relist lists single directories again and returns when that is committed, or with ctx's
// error. A directory that cannot be read is no error.
func (s *scheduler) Relist(ctx context.Context, dirs []string) error {
	g := newRelistGroup(s, walker.Asked)
	for _, dir := range dirs {
		if err := g.relist(ctx, dir); err != nil {
			return err
		}
	}
	return g.wait(ctx)
}
