package indexer

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"indexd/internal/indexer/jobs"
	"indexd/walker"
)

// crewSize is how many directories a crew in a hurry has listed at once.
const crewSize = 256

// A crew is a number of single directories, size at once, that somebody has
// listed again and waits for, once or several times.
type crew struct {
	x        *Indexer
	priority walker.Priority
	size     int64
	room     *semaphore.Weighted
	epoch    uint64 // of which it is work

	mu  sync.Mutex
	err error // the first
}

func newCrew(x *Indexer, priority walker.Priority, size int64) *crew {
	return &crew{x: x, priority: priority, size: size, room: semaphore.NewWeighted(size)}
}

// list has dir listed again. It waits while too many are under way.
func (c *crew) list(ctx context.Context, dir string) error {
	if err := c.room.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	t := &task{x: c.x, priority: c.priority, alone: dir, epoch: c.epoch}
	if err := c.x.queue.submit(t, c, nil); err != nil {
		c.TaskEnded(t, walker.JobStats{}, err)
	}
	return nil
}

// wait returns when everything listed is committed, or with the first error
// that kept something from it. An unreadable directory is none.
func (c *crew) wait(ctx context.Context) error {
	if err := c.room.Acquire(ctx, c.size); err != nil {
		return context.Cause(ctx)
	}
	c.room.Release(c.size)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *crew) DirListed(int, string, int) {}

func (c *crew) TaskEnded(_ jobs.Task, _ walker.JobStats, err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.room.Release(1)
}
