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

// listener takes connections as they come, to know whose they are, and gives
// them to net/http uid by uid in turn, as many as each may have; the others
// wait. They cost a descriptor and no goroutine.
//
// A uid may have no more connections than are left: so there is always one for
// another uid. Root and the daemon's own uid have a few beyond that, on which a
// request is answered that does not wait for anything.
//
// Where connections of a uid wait, those of its own that have no request in
// work, or do not read their answers, are closed to make room.
type listener struct {
	net.Listener
	srv   *Server
	done  chan struct{} // closed by Close
	quit  chan struct{} // closed by retire
	wake  chan struct{} // of one: there may be something for Accept
	took  chan struct{} // of one: Accept has returned something
	ended chan struct{} // closed when accept has returned
	once  sync.Once
	leave sync.Once
	err   error // of the listener's Close

	mu      sync.Mutex
	failed  error // the listener's own, final
	closed  bool
	conns   map[*conn]struct{} // given to net/http
	urgent  []*conn            // to be given to it at once
	uids    map[uint32]*uidConns
	ring    []*uidConns // those that have some waiting, the next one first
	open    int         // of conns, those placed in the open
	waiting int
	spare   int           // of conns, those beyond their uid's share
	refused int           // of conns and urgent, those of peers that are not served
	fresh   int           // of all, those that no handler was called for yet
	begun   chan struct{} // of one: fresh came to 0
}

type uidConns struct {
	uid     uint32
	open    int
	waiting []*conn
}

// place is where a connection counts.
type place uint8

const (
	nowhere place = iota
	inWaiting
	inOpen
	inSpare
	inRefused
)

const (
	// maxRefused bounds the connections that get no more than a clear answer
	// why not: all of them together cannot keep others out.
	maxRefused = 16
	// maxSpare is for root and the daemon's own uid.
	maxSpare = 8

	// Where others wait, a client is dropped that has neither sent a request nor
	// taken anything of an answer for so long; who waits is looked after so
	// often.
	patience  = 5 * time.Second
	lookAfter = 100 * time.Millisecond
)

func newListener(l net.Listener, s *Server) *listener {
	return &listener{
		Listener: l,
		srv:      s,
		done:     make(chan struct{}),
		quit:     make(chan struct{}),
		begun:    make(chan struct{}, 1),
		wake:     make(chan struct{}, 1),
		took:     make(chan struct{}, 1),
		ended:    make(chan struct{}),
		conns:    make(map[*conn]struct{}),
		uids:     make(map[uint32]*uidConns),
	}
}

// accept takes connections until the listener is closed, or retires. Its goroutine is
// Serve's.
func (l *listener) accept() {
	defer close(l.ended)
	var said time.Time
	for pause := time.Duration(0); ; {
		nc, err := l.Listener.Accept()
		switch {
		case err == nil:
			pause = 0
			l.take(nc)
			if !l.handedOver() {
				return
			}
		case short(err):
			// What is in use has to be given back first; some of it is of no use.
			l.reclaimAll()
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if time.Since(said) > time.Minute {
				said = time.Now()
				l.srv.log.Warn("connections cannot be taken until others end", "err", errors.Unwrap(err))
			}
			select {
			case <-time.After(pause):
			case <-l.quit:
				return
			}
		case l.retires():
			return
		default:
			l.mu.Lock()
			l.failed = err
			l.mu.Unlock()
			l.look()
			return
		}
	}
}

// short reports whether an error of accept will pass.
func short(err error) bool {
	for _, e := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// handedOver waits until Accept has returned what it can: what waits after that
// waits for others to end, and not for a goroutine's turn. It is false once the
// listener retires or is closed.
func (l *listener) handedOver() bool {
	for {
		l.mu.Lock()
		i, _ := l.turn()
		more := i >= 0 || len(l.urgent) > 0
		l.mu.Unlock()
		if !more {
			return true
		}
		select {
		case <-l.took:
		case <-l.quit:
			return false
		case <-l.done:
			return false
		}
	}
}

// take puts a connection where it waits for Accept.
func (l *listener) take(nc net.Conn) {
	peer, err := l.srv.opt.peerOf(nc)
	if err != nil {
		l.srv.log.Warn("connection from nobody", "err", err)
		nc.Close()
		return
	}
	c := &conn{Conn: nc, l: l, peer: peer}
	c.since.Store(time.Now().UnixNano())
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.uids[peer.UID]
	if u == nil {
		u = &uidConns{uid: peer.UID}
	}
	switch {
	case l.closed:
		nc.Close()
		return
	case len(u.waiting) >= l.srv.opt.MaxWaiting-l.waiting:
		c.refuse = wire.ErrUnavailable.With("uid %d has %d connections to indexd, and %d that wait for one: try again when some are closed", u.uid, u.open, len(u.waiting))
	}
	if c.refuse != nil && l.refused >= maxRefused {
		nc.Close()
		return
	}
	c.fresh = true
	l.fresh++
	if c.refuse != nil {
		l.refused++
		c.place = inRefused
		l.urgent = append(l.urgent, c)
	} else {
		c.place = inWaiting
		l.uids[peer.UID] = u
		if len(u.waiting) == 0 {
			l.ring = append(l.ring, u)
		}
		u.waiting = append(u.waiting, c)
		l.waiting++
	}
	l.look()
}

// retire has no more connections taken: those that come wait in the kernel's
// queue for the next daemon, if the socket outlives this one. Those that were
// taken are given out.
func (l *listener) retire() {
	l.leave.Do(func() {
		close(l.quit)
		l.err = l.Listener.Close()
	})
}

func (l *listener) retires() bool {
	select {
	case <-l.quit:
		return true
	default:
		return false
	}
}

// drain returns when, after retire, a handler was called for every connection
// that was taken, or it is closed; or when over or late is.
func (l *listener) drain(over, late <-chan struct{}) {
	more := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		case <-over:
		case <-late:
		}
		return false
	}
	for ok := more(l.ended); ok; ok = more(l.begun) {
		l.mu.Lock()
		n := l.fresh
		l.mu.Unlock()
		if n == 0 {
			return
		}
	}
}

// served is called when a handler is called for a connection.
func (l *listener) served(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale(c)
}

// stale says that a connection is not fresh any more. It needs mu.
func (l *listener) stale(c *conn) {
	if !c.fresh {
		return
	}
	c.fresh = false
	if l.fresh--; l.fresh == 0 {
		select {
		case l.begun <- struct{}{}:
		default:
		}
	}
}

// look has Accept look again. It needs nothing.
func (l *listener) look() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		c, err := l.next(), l.failed
		wait := l.waiting > 0
		l.mu.Unlock()
		if c != nil {
			select {
			case l.took <- struct{}{}:
			default:
			}
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		var tick <-chan time.Time
		if wait {
			tick = time.After(lookAfter)
		}
		select {
		case <-l.wake:
		case <-tick:
			l.reclaim()
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
}

// next is the connection whose turn it is; nil: none may be had now. It needs mu.
func (l *listener) next() *conn {
	if len(l.urgent) > 0 {
		c := l.urgent[0]
		l.urgent = slices.Delete(l.urgent, 0, 1)
		l.conns[c] = struct{}{}
		return c
	}
	i, p := l.turn()
	if i < 0 {
		return nil
	}
	u := l.ring[i]
	c := u.waiting[0]
	u.waiting = slices.Delete(u.waiting, 0, 1)
	l.waiting--
	l.ring = slices.Delete(l.ring, i, i+1)
	if len(u.waiting) > 0 {
		l.ring = append(l.ring, u)
	}
	if c.place = p; p == inOpen {
		u.open++
		l.open++
	} else {
		l.spare++
	}
	c.since.Store(time.Now().UnixNano())
	l.conns[c] = struct{}{}
	return c
}

// turn says of whom in the ring a connection may be had now, and where it counts
// then; -1: of nobody. It needs mu.
func (l *listener) turn() (int, place) {
	for i, u := range l.ring {
		if u.open < l.srv.opt.MaxConns-l.open {
			return i, inOpen
		}
		if l.spare < maxSpare && trusted(u.uid) {
			return i, inSpare
		}
	}
	return -1, nowhere
}

// gone is called once for each connection that is closed.
func (l *listener) gone(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	l.stale(c)
	switch c.place {
	case inOpen:
		l.open--
		u := l.uids[c.peer.UID]
		if u.open--; u.open == 0 && len(u.waiting) == 0 {
			delete(l.uids, u.uid)
		}
	case inSpare:
		l.spare--
	case inRefused:
		l.refused--
	}
	c.place = nowhere
	if l.waiting > 0 {
		l.look()
	}
}

// reclaim closes connections of the uids of which some wait; where such a uid has
// none itself, of the one that has the most.
func (l *listener) reclaim() {
	wanted := make(map[uint32]int)
	l.mu.Lock()
	for _, u := range l.ring {
		uid := u.uid
		if u.open == 0 {
			for _, o := range l.uids {
				if o.open > l.uids[uid].open {
					uid = o.uid
				}
			}
		}
		wanted[uid] += len(u.waiting)
	}
	useless := l.useless(func(c *conn) bool { return wanted[c.peer.UID] > 0 })
	l.mu.Unlock()
	for _, c := range useless {
		if wanted[c.peer.UID]--; wanted[c.peer.UID] >= 0 {
			c.drop()
		}
	}
}

// reclaimAll closes all that are of no use.
func (l *listener) reclaimAll() {
	l.mu.Lock()
	useless := l.useless(func(*conn) bool { return true })
	l.mu.Unlock()
	for _, c := range useless {
		c.drop()
	}
}

// useless are those connections among which that have no request in work or
// whose reader takes nothing, the most useless first. It needs mu.
func (l *listener) useless(among func(*conn) bool) []*conn {
	now := time.Now().UnixNano()
	list := make([]*conn, 0, len(l.conns))
	age := make(map[*conn]int64)
	for c := range l.conns {
		if c.place == inRefused || !among(c) {
			continue
		}
		since := c.since.Load()
		if c.busy.Load() {
			since = c.blocked.Load()
		}
		// What we have not read yet is our delay, not its.
		if old := now - since; since > 0 && old >= int64(l.srv.opt.patience) && (c.busy.Load() || c.unread() == 0) {
			age[c] = old
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *conn) int { return cmp.Compare(age[b], age[a]) })
	return list
}

// crowded reports whether connections are scarce.
func (l *listener) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting > 0 || l.open > l.srv.opt.MaxConns/4
}

// Close implements net.Listener; it may be called more than once. Connections
// that wait are closed.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.retire()
		close(l.done)
		l.mu.Lock()
		l.closed = true
		for _, u := range l.ring {
			for _, c := range u.waiting {
				c.Conn.Close()
			}
		}
		for _, c := range l.urgent {
			c.Conn.Close()
		}
		l.refused -= len(l.urgent)
		l.ring, l.urgent, l.waiting = nil, nil, 0
		l.mu.Unlock()
	})
	return l.err
}

// held is how many connections there are, and how many of them wait.
func (l *listener) held() (open, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns), l.waiting
}

// hurry closes every connection that has no request in work, and gives the
// others no more than Options.Grace for what they are writing.
func (l *listener) hurry() {
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

// descriptors fits the numbers of connections to how many files may be open: an
// answer may need a file for its sorting, and the rest of the daemon some too.
func descriptors(conns, waiting, files int) (int, int) {
	const others = 128
	left := max(files-others, files/2)
	return max(min(conns, left/4), 2), max(min(waiting, left/2), 2)
}

// openFiles is how many files this process may have open.
func openFiles() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || r.Cur > 1<<30 {
		return 1 << 30
	}
	return int(r.Cur)
}
