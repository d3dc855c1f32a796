package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// fairSemaphore bounds how many requests are worked on at once, per user and for all
// users together. A request over a bound queues; it is never rejected. A user may
// hold no more than are left, so a single user gets all of perUser, and however many
// users there are, the next one still finds something.
//
// Users are served in turn. Of one user, requests that come for the first time go
// before those that have had a slot before, so that a short question does not wait
// for all the long ones.
//
// A request holds a slot only while it works, not while it waits for its reader, a
// job or a barrier, so neither slow readers nor waiters keep others out.
type fairSemaphore struct {
	perUser, total int
	trusted        func(uid uint32) bool // users to whom total does not apply; may be nil

	mu    sync.Mutex
	taken int
	users map[uint32]*userSlots // users that hold a slot or wait for one
	ring  []*userSlots          // users that wait, the next one first
}

type userSlots struct {
	uid    uint32
	taken  int
	served int             // of those that waited
	first  []chan struct{} // waiters that come for the first time; closed to grant
	again  []chan struct{} // waiters that have held a slot before
}

func (u *userSlots) waiting() int { return len(u.first) + len(u.again) }

// firstPerAgain is how many requests that come for the first time are served for one
// that comes again.
const firstPerAgain = 4

func newFairSemaphore(perUser, total int, trusted func(uint32) bool) *fairSemaphore {
	return &fairSemaphore{perUser: perUser, total: total, trusted: trusted, users: make(map[uint32]*userSlots)}
}

// acquire waits for a slot. Its error is ctx's cause.
func (f *fairSemaphore) acquire(ctx context.Context, uid uint32, again bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f.mu.Lock()
	u := f.users[uid]
	if u == nil {
		u = &userSlots{uid: uid}
		f.users[uid] = u
	}
	if f.free(u) && u.waiting() == 0 {
		u.taken++
		f.taken++
		f.mu.Unlock()
		return nil
	}
	granted := make(chan struct{})
	queue := &u.first
	if again {
		queue = &u.again
	}
	if u.waiting() == 0 {
		f.ring = append(f.ring, u)
	}
	*queue = append(*queue, granted)
	f.grant() // this user may have waited only because of another one's share
	f.mu.Unlock()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(*queue, granted); i >= 0 {
		*queue = slices.Delete(*queue, i, i+1)
		if u.waiting() == 0 {
			f.ring = slices.DeleteFunc(f.ring, func(o *userSlots) bool { return o == u })
		}
		f.forget(u)
	} else {
		f.put(u) // it was granted at the same moment
	}
	return context.Cause(ctx)
}

// free reports whether u may have one more slot. f.mu must be held.
func (f *fairSemaphore) free(u *userSlots) bool {
	return u.taken < f.perUser && (u.taken < f.total-f.taken || f.trusted != nil && f.trusted(u.uid))
}

// release gives a slot back.
func (f *fairSemaphore) release(uid uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(f.users[uid])
}

// put takes a slot from u and grants it to the next waiter. f.mu must be held.
func (f *fairSemaphore) put(u *userSlots) {
	u.taken--
	f.taken--
	f.grant()
	f.forget(u)
}

// forget removes u if it neither holds a slot nor waits. f.mu must be held.
func (f *fairSemaphore) forget(u *userSlots) {
	if u.taken == 0 && u.waiting() == 0 {
		delete(f.users, u.uid)
	}
}

// grant gives away all free slots, user by user. f.mu must be held.
func (f *fairSemaphore) grant() {
	for i := 0; i < len(f.ring); {
		u := f.ring[i]
		if !f.free(u) {
			i++
			continue
		}
		u.served++
		queue := &u.first
		if len(u.first) == 0 || len(u.again) > 0 && u.served%firstPerAgain == 0 {
			queue = &u.again
		}
		u.taken++
		f.taken++
		close((*queue)[0])
		*queue = slices.Delete(*queue, 0, 1)
		f.ring = slices.Delete(f.ring, i, i+1)
		if u.waiting() > 0 {
			f.ring = append(f.ring, u)
		}
		i = 0
	}
}

// waiting returns the number of queued requests.
func (f *fairSemaphore) waiting() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.ring {
		n += u.waiting()
	}
	return n
}

// held returns the number of slots in use.
func (f *fairSemaphore) held() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.taken
}

// wanted reports whether anyone waits for a slot that uid holds: another request of
// the same user, or, when all slots are in use, any request.
func (f *fairSemaphore) wanted(uid uint32) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.ring {
		if u.uid == uid || f.taken >= f.total {
			return true
		}
	}
	return false
}

// slot is one request's hold on a fairSemaphore, used by the request's goroutine.
type slot struct {
	of   *fairSemaphore
	uid  uint32
	held bool
	had  bool // it was held before

	// limit is how long the slot may be held in all before expire is called; expire
	// may be nil.
	limit  time.Duration
	expire func()
	since  time.Time
	timer  *time.Timer
}

// acquire does nothing if the slot is held.
func (s *slot) acquire(ctx context.Context) error {
	if s.held {
		return nil
	}
	if err := s.of.acquire(ctx, s.uid, s.had); err != nil {
		return err
	}
	s.held, s.had = true, true
	if s.expire != nil {
		s.since = time.Now()
		s.timer = time.AfterFunc(s.limit, s.expire)
	}
	return nil
}

// release does nothing if the slot is not held.
func (s *slot) release() {
	if !s.held {
		return
	}
	s.held = false
	if s.expire != nil {
		s.timer.Stop()
		s.limit = max(s.limit-time.Since(s.since), time.Millisecond)
	}
	s.of.release(s.uid)
}

// yield lets waiting requests go first.
func (s *slot) yield(ctx context.Context) error {
	if !s.held || s.of.waiting() == 0 {
		return nil
	}
	s.release()
	return s.acquire(ctx)
}

// acquireWithin is acquire that gives up after d; ok is false if it did.
func (s *slot) acquireWithin(ctx context.Context, d time.Duration) (ok bool, err error) {
	if s.held {
		return true, nil
	}
	wait, cancel := context.WithTimeoutCause(ctx, d, errNoSlot)
	defer cancel()
	if err = s.acquire(wait); err == errNoSlot {
		return false, nil
	}
	return err == nil, err
}

var errNoSlot = errors.New("no slot in time")

type slotKey struct{}

// Waiting releases the slot of the request that ctx belongs to, while a Daemon's
// method waits for something other than its own work, such as a barrier. The method
// must call resume on the same goroutine before it continues. The error is ctx's
// cause.
func Waiting(ctx context.Context) (resume func() error) {
	s, ok := ctx.Value(slotKey{}).(*slot)
	if !ok || !s.held {
		return func() error { return nil }
	}
	s.release()
	return func() error { return s.acquire(ctx) }
}
