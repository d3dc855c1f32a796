package indexer

import (
	"sync"

	"indexd/internal/indexer/jobs"
	"indexd/walker"
)

// queue holds the tasks under way, so that whoever wants listed what a task is
// about to list joins it, and that the same is never walked twice at once: 10,000
// rescans of one directory are two walks, one that is under way and one for all
// who asked since it began.
type queue struct {
	mu sync.Mutex
	m  map[taskKey]*slot
}

// slot is what there is to do for one key.
type slot struct {
	running *task
	waiting *task // starts when running has ended; nil: none
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

// submit starts t, now or when the same task under way has ended, or lets u join
// one that has not begun. attach, if not nil, is called with the one that it is
// going to be, before it can end. u may be nil: then nobody is told.
func (q *queue) submit(t *task, u jobs.User, attach func(*task)) error {
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
	// Where the waiting one was left by all its users it is beyond joining, but
	// not yet gone: t takes its place.
	if s != nil {
		s.waiting, t = t, s.waiting
		t.uncount()
		return nil
	}
	if err := t.start(); err != nil {
		t.uncount()
		return err
	}
	q.m[key] = &slot{running: t}
	return nil
}

// ended takes a task out and starts the one that waits for its end.
func (q *queue) ended(t *task) {
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
	if err := next.start(); err != nil { // the daemon stops
		delete(q.m, t.key)
		next.x.later(func() { next.finish(walker.JobStats{}, err) })
	}
}

// drop takes out a task that nobody wants any more: one that waits goes, one
// that was started is cancelled.
func (q *queue) drop(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s := q.m[t.key]; s != nil && s.waiting == t {
		s.waiting = nil
		t.uncount()
	} else if walk := t.walking(); walk != nil {
		walk.Cancel()
	}
}

// join makes u one of the task's users, unless it has begun: what was listed
// before somebody asked is no answer to them.
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
	t.inherit(epoch)
	return true
}
