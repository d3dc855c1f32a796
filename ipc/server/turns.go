package server

import (
	"context"
	"sync"
)

// turns lets each uid have a number of requests in work at once; those over it
// queue, first come first served. A request has its turn only while it works:
// not while it waits for its reader, for a job or for a barrier. So neither
// slow readers nor waiters keep others out.
type turns struct {
	max int

	mu   sync.Mutex
	uids map[uint32]*uidTurns // of those that have any
}

type uidTurns struct {
	taken int
	queue []chan struct{} // closed when the turn is its waiter's
}

func newTurns(max int) *turns { return &turns{max: max, uids: make(map[uint32]*uidTurns)} }

// take waits for a turn; its error is ctx's cause.
func (t *turns) take(ctx context.Context, uid uint32) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.mu.Lock()
	u := t.uids[uid]
	if u == nil {
		u = &uidTurns{}
		t.uids[uid] = u
	}
	if u.taken < t.max {
		u.taken++
		t.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	u.queue = append(u.queue, mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	for i, c := range u.queue {
		if c == mine {
			u.queue = append(u.queue[:i], u.queue[i+1:]...)
			t.mu.Unlock()
			return context.Cause(ctx)
		}
	}
	t.mu.Unlock()
	t.give(uid) // it came at the same moment
	return context.Cause(ctx)
}

// give ends a turn.
func (t *turns) give(uid uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.uids[uid]
	if len(u.queue) > 0 {
		close(u.queue[0])
		u.queue[0] = nil
		u.queue = u.queue[1:]
		return
	}
	if u.taken--; u.taken == 0 {
		delete(t.uids, uid)
	}
}

// waiting is how many requests are in the queues.
func (t *turns) waiting() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.uids {
		n += len(u.queue)
	}
	return n
}

// turn is one request's; it is used by one goroutine.
type turn struct {
	of   *turns
	uid  uint32
	held bool
}

func (t *turn) take(ctx context.Context) error {
	if t.held {
		return nil
	}
	err := t.of.take(ctx, t.uid)
	t.held = err == nil
	return err
}

func (t *turn) give() {
	if t.held {
		t.held = false
		t.of.give(t.uid)
	}
}

type turnKey struct{}

// Waiting gives the turn of the request whose context ctx is to others while a
// Daemon's method waits for something that is not work of its own, such as a
// barrier. It must call resume before it goes on, on the same goroutine; the
// error is ctx's cause.
func Waiting(ctx context.Context) (resume func() error) {
	t, ok := ctx.Value(turnKey{}).(*turn)
	if !ok || !t.held {
		return func() error { return nil }
	}
	t.give()
	return func() error { return t.take(ctx) }
}
