package server

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"indexd/ipc/wire"
)

// listener decides which connections net/http serves. It accepts connections as they
// come, to learn whose they are, and admits them user by user, as many as each user
// may have. The others wait here; they cost a descriptor and no goroutine.
//
// A user may have no more connections than are left, so there is always one for
// another user. Root and the daemon's own user have a small reserve on which requests
// that do not wait for anything are answered.
//
// While connections of a user wait, those of the same user that have no request in
// progress or do not read their answers are closed to make room.
type listener struct {
	net.Listener
	srv     *Server
	done    chan struct{} // closed by Close
	quit    chan struct{} // closed by stopAccepting
	ended   chan struct{} // closed when accept has returned
	admits  chan *conn    // admitted connections for Accept; as long as there are places
	failed  chan error    // the listener's own error, final
	reclaim *time.Timer   // runs while connections wait; see reclaiming
	once    sync.Once
	leave   sync.Once
	err     error // of the listener's Close

	mu         sync.Mutex
	closed     bool
	reclaiming bool               // the timer runs
	conns      map[*conn]struct{} // admitted
	users      map[uint32]*userConns
	ring       []*userConns // users with waiting connections, the next one first
	served     int          // connections in placeServed
	waiting    int
	reserved   int
	refused    int
	unhandled  int           // connections for which no handler was called yet
	handled    chan struct{} // of capacity 1: unhandled became 0
}

type userConns struct {
	uid     uint32
	served  int
	waiting []*conn
}

// place says where a connection counts.
type place uint8

const (
	placeNone place = iota
	placeWaiting
	placeServed
	placeReserve
	placeRefused // it gets a clear answer why it is not served, and no more
)

const (
	maxReserve = 8  // for root and the daemon's own user together
	maxRefused = 16 // so that refused connections cannot keep others out either

	// A client that has neither sent a request nor taken anything of its answer for
	// this long is dropped while others wait.
	unresponsive = 5 * time.Second
	// reclaimInterval is how often that is checked while connections wait.
	reclaimInterval = 100 * time.Millisecond
)

func newListener(l net.Listener, s *Server) *listener {
	reclaim := time.NewTimer(time.Hour)
	reclaim.Stop()
	return &listener{
		Listener: l,
		srv:      s,
		done:     make(chan struct{}),
		quit:     make(chan struct{}),
		ended:    make(chan struct{}),
		admits:   make(chan *conn, s.opt.MaxConns+maxReserve+maxRefused),
		failed:   make(chan error, 1),
		reclaim:  reclaim,
		handled:  make(chan struct{}, 1),
		conns:    make(map[*conn]struct{}),
		users:    make(map[uint32]*userConns),
	}
}

// accept accepts connections until the listener is closed or stops accepting. Serve
// owns its goroutine.
func (l *listener) accept() {
	defer close(l.ended)
	var logged time.Time
	for pause := time.Duration(0); ; {
		nc, err := l.Listener.Accept()
		switch {
		case err == nil:
			pause = 0
			l.add(nc)
			continue
		case !transient(err):
			select {
			case <-l.quit:
			default:
				l.failed <- err
			}
			return
		}
		// Descriptors or memory are short. Some of what is in use may be of no use.
		l.drop(func(*conn) bool { return true })
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		if time.Since(logged) > time.Minute {
			logged = time.Now()
			l.srv.log.Warn("no more connections are accepted until others end", "err", errors.Unwrap(err))
		}
		select {
		case <-time.After(pause):
		case <-l.quit:
			return
		}
	}
}

// transient reports whether a later Accept may succeed.
func transient(err error) bool {
	for _, e := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// add admits a new connection, queues it or refuses it.
func (l *listener) add(nc net.Conn) {
	peer, err := l.srv.opt.peerOf(nc)
	if err != nil {
		l.srv.log.Warn("closed a connection whose peer is unknown", "err", err)
		nc.Close()
		return
	}
	c := &conn{Conn: nc, l: l, peer: peer, unhandled: true}
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.users[peer.UID]
	if u == nil {
		u = &userConns{uid: peer.UID}
	}
	if len(u.waiting) >= l.srv.opt.MaxWaiting-l.waiting {
		c.refuse = wire.ErrUnavailable.With("uid %d has %d connections to indexd, and %d that wait for one: try again when some are closed", u.uid, u.served, len(u.waiting))
	}
	switch {
	case l.closed, c.refuse != nil && l.refused >= maxRefused:
		nc.Close()
		return
	case c.refuse != nil:
		l.refused++
		l.give(c, placeRefused)
	default:
		c.place = placeWaiting
		l.users[u.uid] = u
		if len(u.waiting) == 0 {
			l.ring = append(l.ring, u)
		}
		u.waiting = append(u.waiting, c)
		l.waiting++
		l.admit()
	}
	l.unhandled++
}

// admit admits as many waiting connections as may be served. l.mu must be held.
func (l *listener) admit() {
	for i, p := l.next(); i >= 0; i, p = l.next() {
		u := l.ring[i]
		c := u.waiting[0]
		u.waiting = slices.Delete(u.waiting, 0, 1)
		l.waiting--
		l.ring = slices.Delete(l.ring, i, i+1)
		if len(u.waiting) > 0 {
			l.ring = append(l.ring, u)
		}
		if p == placeServed {
			u.served++
			l.served++
		} else {
			l.reserved++
		}
		l.give(c, p)
	}
	l.startReclaim()
}

// startReclaim starts the timer if connections wait. l.mu must be held.
func (l *listener) startReclaim() {
	if l.waiting > 0 && !l.reclaiming {
		l.reclaiming = true
		l.reclaim.Reset(reclaimInterval)
	}
}

// next returns the index in the ring of the user whose connection may be admitted
// next, and the place that it gets; or -1. l.mu must be held.
func (l *listener) next() (int, place) {
	for i, u := range l.ring {
		if u.served < l.srv.opt.MaxConns-l.served {
			return i, placeServed
		}
		if l.reserved < maxReserve && trusted(u.uid) {
			return i, placeReserve
		}
	}
	return -1, placeNone
}

// give hands a connection to Accept. l.mu must be held.
func (l *listener) give(c *conn, p place) {
	c.place = p
	l.conns[c] = struct{}{}
	l.admits <- c
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		select {
		case c := <-l.admits:
			c.since.Store(time.Now().UnixNano())
			return c, nil
		case err := <-l.failed:
			return nil, err
		case <-l.reclaim.C:
			l.makeRoom()
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
}

// stopAccepting makes new connections wait in the kernel's queue for the next daemon,
// if the socket outlives this one. Accepted connections are still served.
func (l *listener) stopAccepting() {
	l.leave.Do(func() {
		close(l.quit)
		l.err = l.Listener.Close()
	})
}

// awaitHandled is called after stopAccepting. It returns when a handler was called
// for every accepted connection or the connection is closed, or when over or late is
// closed.
func (l *listener) awaitHandled(over, late <-chan struct{}) {
	wait := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		case <-over:
		case <-late:
		}
		return false
	}
	for ok := wait(l.ended); ok; ok = wait(l.handled) {
		l.mu.Lock()
		n := l.unhandled
		l.mu.Unlock()
		if n == 0 {
			return
		}
	}
}

// markHandled is called when a handler is called for a connection.
func (l *listener) markHandled(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.markHandledLocked(c)
}

func (l *listener) markHandledLocked(c *conn) {
	if !c.unhandled {
		return
	}
	c.unhandled = false
	if l.unhandled--; l.unhandled == 0 {
		select {
		case l.handled <- struct{}{}:
		default:
		}
	}
}

// remove is called once for each admitted connection that is closed.
func (l *listener) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	l.markHandledLocked(c)
	switch c.place {
	case placeServed:
		l.served--
		u := l.users[c.peer.UID]
		if u.served--; u.served == 0 && len(u.waiting) == 0 {
			delete(l.users, u.uid)
		}
	case placeReserve:
		l.reserved--
	case placeRefused:
		l.refused--
	}
	c.place = placeNone
	l.admit()
}

// makeRoom drops unresponsive connections of the users that have waiting ones; if
// such a user has no connection itself, of the user that has the most.
func (l *listener) makeRoom() {
	wanted := make(map[uint32]int)
	l.mu.Lock()
	for _, u := range l.ring {
		uid := u.uid
		if u.served == 0 {
			for _, o := range l.users {
				if o.served > l.users[uid].served {
					uid = o.uid
				}
			}
		}
		wanted[uid] += len(u.waiting)
	}
	l.reclaiming = false
	l.startReclaim()
	l.mu.Unlock()
	l.drop(func(c *conn) bool {
		wanted[c.peer.UID]--
		return wanted[c.peer.UID] >= 0
	})
}

// drop drops the unresponsive connections that which selects, the longest
// unresponsive first: those without a request in progress, and those whose reader
// takes nothing.
func (l *listener) drop(which func(*conn) bool) {
	type idle struct {
		c  *conn
		ns int64 // how long it has been unresponsive
	}
	now := time.Now().UnixNano()
	var list []idle
	l.mu.Lock()
	for c := range l.conns {
		since := c.since.Load()
		if c.busy.Load() {
			since = c.blocked.Load()
		}
		// A request that has arrived and that we have not read is our delay.
		if d := now - since; c.place != placeRefused && since > 0 && d >= int64(l.srv.opt.unresponsive) && (c.busy.Load() || c.unread() == 0) {
			list = append(list, idle{c, d})
		}
	}
	l.mu.Unlock()
	slices.SortFunc(list, func(a, b idle) int { return cmp.Compare(b.ns, a.ns) })
	for _, i := range list {
		if which(i.c) {
			i.c.drop()
		}
	}
}

// crowded reports whether connections are scarce.
func (l *listener) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting > 0 || l.served > l.srv.opt.MaxConns/4
}

// Close implements net.Listener; it may be called more than once. It closes waiting
// connections.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.stopAccepting()
		close(l.done)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closed = true
		l.reclaim.Stop()
		for _, u := range l.ring {
			for _, c := range u.waiting {
				c.Conn.Close()
			}
		}
		l.ring, l.waiting = nil, 0
		for {
			select {
			case c := <-l.admits:
				c.Conn.Close()
				continue
			default:
			}
			break
		}
	})
	return l.err
}

// counts returns the numbers of admitted and of waiting connections.
func (l *listener) counts() (admitted, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns), l.waiting
}

// closeIdle closes every connection without a request in progress, and gives the
// others Options.Grace for what they are writing.
func (l *listener) closeIdle() {
	l.mu.Lock()
	var idle []*conn
	for c := range l.conns {
		if c.busy.Load() {
			c.Conn.SetWriteDeadline(time.Now().Add(l.srv.opt.Grace))
		} else {
			idle = append(idle, c)
		}
	}
	l.mu.Unlock()
	for _, c := range idle {
		c.Conn.Close()
	}
}

// connLimits fits the numbers of served and waiting connections to the limit of open
// files. An answer may need a file of its own, and the rest of the daemon some too.
func connLimits(served, waiting, files int) (int, int) {
	const others = 128
	left := max(files-others, files/2)
	return max(min(served, left/4), 2), max(min(waiting, left/2), 2)
}

// openFiles returns how many files this process may have open.
func openFiles() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || r.Cur > 1<<30 {
		return 1 << 30
	}
	return int(r.Cur)
}
