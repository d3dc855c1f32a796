package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// turns lets each uid have a number of requests at once; those over it queue,
// and are never refused. What is held at once is bounded for all uids together
// too, and a uid may take no more than is left: so one alone gets its whole
// number, and however many there are, the next one finds something. Who waits is
// served uid by uid in turn; of one uid those first who come for the first time,
// so that a short question does not wait for all the long ones before it.
//
// A request has its turn only while it works: not while it waits for its
// reader, for a job or for a barrier. So neither slow readers nor waiters keep
// others out.
type turns struct {
	perUID, total int
	trusted       func(uid uint32) bool // to whom total does not apply; nil: nobody

	mu    sync.Mutex
	taken int
	uids  map[uint32]*uidTurns // of those that have any, or wait
	ring  []*uidTurns          // those that wait, the next one first
}

type uidTurns struct {
	uid    uint32
	taken  int
	served int             // that waited
	first  []chan struct{} // closed when the turn is its waiter's
	again  []chan struct{} // of those who had one before
}

// every is how many that come for the first time go before one that comes again.
const every = 4

func newTurns(perUID, total int, trusted func(uint32) bool) *turns {
	return &turns{perUID: perUID, total: total, trusted: trusted, uids: make(map[uint32]*uidTurns)}
}

// take waits for a turn; its error is ctx's cause.
func (t *turns) take(ctx context.Context, uid uint32, again bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.mu.Lock()
	u := t.uids[uid]
	if u == nil {
		u = &uidTurns{uid: uid}
		t.uids[uid] = u
	}
	if t.may(u) && len(u.first)+len(u.again) == 0 {
		u.taken++
		t.taken++
		t.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	queue := &u.first
	if again {
		queue = &u.again
	}
	if len(u.first)+len(u.again) == 0 {
		t.ring = append(t.ring, u)
	}
	*queue = append(*queue, mine)
	t.grant() // another uid's share may have kept this one out, not its own
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(*queue, mine); i >= 0 {
		*queue = slices.Delete(*queue, i, i+1)
		t.left(u)
	} else {
		t.end(u) // it came at the same moment
	}
	return context.Cause(ctx)
}

// may reports whether u may have one more. It needs mu.
func (t *turns) may(u *uidTurns) bool {
	return u.taken < t.perUID && (u.taken < t.total-t.taken || t.trusted != nil && t.trusted(u.uid))
}

// give ends a turn.
func (t *turns) give(uid uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(t.uids[uid])
}

// end takes one from u and gives it to whose turn it is. It needs mu.
func (t *turns) end(u *uidTurns) {
	u.taken--
	t.taken--
	t.grant()
	if u.taken == 0 && len(u.first)+len(u.again) == 0 {
		delete(t.uids, u.uid)
	}
}

// left is called when one of u has left its queue. It needs mu.
func (t *turns) left(u *uidTurns) {
	if len(u.first)+len(u.again) > 0 {
		return
	}
	t.ring = slices.DeleteFunc(t.ring, func(o *uidTurns) bool { return o == u })
	if u.taken == 0 {
		delete(t.uids, u.uid)
	}
}

// grant gives as many turns as there are, uid by uid. It needs mu.
func (t *turns) grant() {
	for i := 0; i < len(t.ring); {
		u := t.ring[i]
		if !t.may(u) {
			i++
			continue
		}
		u.served++
		queue := &u.first
		if len(u.first) == 0 || len(u.again) > 0 && u.served%every == 0 {
			queue = &u.again
		}
		u.taken++
		t.taken++
		close((*queue)[0])
		*queue = slices.Delete(*queue, 0, 1)
		t.ring = slices.Delete(t.ring, i, i+1)
		if len(u.first)+len(u.again) > 0 {
			t.ring = append(t.ring, u)
		}
		i = 0
	}
}

// waiting is how many requests are in the queues.
func (t *turns) waiting() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.ring {
		n += len(u.first) + len(u.again)
	}
	return n
}

// held is how many turns are taken.
func (t *turns) held() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken
}

// wanted reports whether others of the uid, or where there is no more for
// anybody, any others, wait for what it holds.
func (t *turns) wanted(uid uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.ring {
		if u.uid == uid || t.taken >= t.total {
			return true
		}
	}
	return false
}

// turn is one request's; it is used by one goroutine.
type turn struct {
	of   *turns
	uid  uint32
	held bool
	had  bool // once before

	// stop ends the request when it has worked for limit in all; 0: never.
	limit time.Duration
	stop  func()
	since time.Time
	timer *time.Timer
}

func (t *turn) take(ctx context.Context) error {
	if t.held {
		return nil
	}
	if err := t.of.take(ctx, t.uid, t.had); err != nil {
		return err
	}
	t.held, t.had = true, true
	if t.stop != nil {
		t.since = time.Now()
		t.timer = time.AfterFunc(t.limit, t.stop)
	}
	return nil
}

func (t *turn) give() {
	if !t.held {
		return
	}
	t.held = false
	if t.stop != nil {
		t.timer.Stop()
		t.limit = max(t.limit-time.Since(t.since), time.Millisecond)
	}
	t.of.give(t.uid)
}

// pass lets others go first who wait for a turn.
func (t *turn) pass(ctx context.Context) error {
	if !t.held || t.of.waiting() == 0 {
		return nil
	}
	t.give()
	return t.take(ctx)
}

// takeSoon is take for at most d; false: there was no turn.
func (t *turn) takeSoon(ctx context.Context, d time.Duration) (ok bool, err error) {
	if t.held {
		return true, nil
	}
	wait, cancel := context.WithTimeoutCause(ctx, d, errNotSoon)
	defer cancel()
	if err = t.take(wait); err == errNotSoon {
		return false, nil
	}
	return err == nil, err
}

var errNotSoon = errors.New("no turn soon")

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
