package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/access"
	"indexd/ipc"
)

// listener caps the connections of a listener: while there are max of them it
// does not accept, so that new ones wait in the kernel's queue.
type listener struct {
	net.Listener
	srv   *Server
	slots chan struct{} // one in it for each connection
	done  chan struct{} // closed by Close
	once  sync.Once
	err   error

	mu    sync.Mutex
	conns map[*conn]struct{}
}

func newListener(l net.Listener, s *Server) *listener {
	return &listener{
		Listener: l,
		srv:      s,
		slots:    make(chan struct{}, s.opt.MaxConns),
		done:     make(chan struct{}),
		conns:    make(map[*conn]struct{}),
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.done:
			return nil, net.ErrClosed
		}
		nc, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			return nil, err
		}
		if c := l.admit(nc); c != nil {
			return c, nil
		}
		nc.Close()
		<-l.slots
	}
}

// admit returns nil for a connection that is not to be answered at all.
func (l *listener) admit(nc net.Conn) *conn {
	peer, err := peerOf(nc)
	if err != nil {
		l.srv.log.Warn("connection from nobody", "err", err)
		return nil
	}
	c := &conn{Conn: nc, l: l, peer: peer}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	return c
}

// Close implements net.Listener; it may be called more than once.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.err = l.Listener.Close()
	})
	return l.err
}

// open is how many connections there are.
func (l *listener) open() int { return len(l.slots) }

// hurry closes every connection that has no request in work, and gives the
// others no more than Options.Grace for what they are writing.
func (l *listener) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if c.busy.Load() {
			c.Conn.SetWriteDeadline(time.Now().Add(l.srv.opt.Grace))
		} else {
			c.Conn.Close()
		}
	}
}

// conn gives each write its own deadline and knows its peer.
type conn struct {
	net.Conn
	l    *listener
	peer Peer
	busy atomic.Bool // a handler runs
	once sync.Once
}

// Write implements net.Conn. A reader that does not take p within the write
// timeout is dropped.
func (c *conn) Write(p []byte) (int, error) {
	timeout := c.l.srv.opt.WriteTimeout
	if c.l.srv.working.Err() != nil {
		timeout = min(timeout, c.l.srv.opt.Grace)
	}
	if err := c.Conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	if own := ownError(p, c.l.srv.opt.Version); own != nil {
		if _, err := c.Conn.Write(own); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	n, err := c.Conn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.l.srv.stats.dropped.Add(1)
		c.l.srv.log.Info("dropped a client that does not read its answer", "uid", c.peer.UID, "pid", c.peer.PID)
		c.Close()
	}
	return n, err
}

// CloseWrite lets net/http end a connection whose peer is still sending.
func (c *conn) CloseWrite() error {
	if u, ok := c.Conn.(*net.UnixConn); ok {
		return u.CloseWrite()
	}
	return c.Conn.Close()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.l.mu.Lock()
		delete(c.l.conns, c)
		c.l.mu.Unlock()
		<-c.l.slots
	})
	return err
}

// ownError returns what to write in place of p, where p is an answer that
// net/http gives of itself to a request that it cannot read; else nil.
func ownError(p []byte, version string) []byte {
	const mark = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
	if !bytes.HasPrefix(p, []byte("HTTP/1.1 ")) || len(p) > 1024 {
		return nil
	}
	i := bytes.Index(p, []byte(mark))
	if i < len("HTTP/1.1 400") || bytes.Contains(p, []byte(ipc.HeaderProtocol)) {
		return nil
	}
	status, err := strconv.Atoi(string(p[9:12]))
	if err != nil {
		return nil
	}
	kind := ipc.ErrBadRequest
	if status == http.StatusRequestHeaderFieldsTooLarge {
		kind = ipc.ErrTooLarge
	}
	problem := kind.With("%s", p[i+len(mark):])
	problem.Status = status
	body, err := json.Marshal(problem)
	if err != nil {
		return nil
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\n%s: %d\r\n%s: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		status, http.StatusText(status), ipc.HeaderProtocol, ipc.Protocol, ipc.HeaderVersion, version, ipc.TypeProblem, len(body)+1, body)
}

// peerOf asks the kernel who is at the other end.
func peerOf(nc net.Conn) (Peer, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return Peer{}, fmt.Errorf("%T has no peer", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Ucred
	var who access.Who
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		if cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); credErr == nil {
			who, credErr = access.Peer(int(fd))
		}
	}); err != nil {
		return Peer{}, err
	}
	if credErr != nil {
		return Peer{}, credErr
	}
	return Peer{Who: who, GID: cred.Gid, PID: cred.Pid}, nil
}
