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
	"indexd/ipc/wire"
)

// conn is a connection of the listener: it knows its peer, and how long its
// reader keeps a write waiting.
type conn struct {
	net.Conn
	l      *listener
	peer   Peer
	refuse *wire.Problem // what its requests are answered with; nil: they are served
	place  place         // l's
	fresh  bool          // l's: no handler was called for it yet

	busy    atomic.Bool  // a handler runs
	since   atomic.Int64 // when busy changed last, or it was accepted, in ns
	blocked atomic.Int64 // since when a write waits for the reader, in ns; 0: none does
	once    sync.Once

	// Of the goroutine that writes. With stash a write does not wait for a slow
	// reader: what it has not taken is kept in rest. eager, if not nil, reports
	// whether the connection has what others wait for.
	stash bool
	rest  []byte
	eager func() bool
}

const (
	// soon is within what a reader takes a page if it reads at all; it need
	// not, but the answer behind the page then gives back what it holds.
	soon = 50 * time.Millisecond
	// eagerness is how long a reader may keep waiting what others wait for.
	eagerness = time.Second
)

// working is called when a handler begins and ends.
func (c *conn) working(on bool) {
	c.since.Store(time.Now().UnixNano())
	c.busy.Store(on)
	if on {
		c.l.served(c)
	}
}

// Write implements net.Conn. A reader that does not take p within the write
// timeout is dropped.
func (c *conn) Write(p []byte) (int, error) {
	if own := ownError(p, c.l.srv.opt.Version); own != nil {
		if _, err := c.write(own); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return c.write(p)
}

func (c *conn) write(p []byte) (int, error) {
	if len(c.rest) > 0 {
		if c.stash {
			c.rest = append(c.rest, p...)
			return len(p), nil
		}
		if err := c.drain(); err != nil {
			return 0, err
		}
	}
	if err := c.Conn.SetWriteDeadline(time.Now().Add(min(soon, c.patience()))); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if c.stash {
		c.rest = bytes.Clone(p[n:])
		return len(p), nil
	}
	m, err := c.wait(p[n:])
	return n + m, err
}

// drain writes what a slow reader has not taken.
func (c *conn) drain() error {
	if len(c.rest) == 0 {
		return nil
	}
	_, err := c.wait(c.rest)
	c.rest = nil
	return err
}

// patience is how long a write may take.
func (c *conn) patience() time.Duration {
	if c.l.srv.working.Err() != nil {
		return min(c.l.srv.opt.WriteTimeout, c.l.srv.opt.Grace)
	}
	return c.l.srv.opt.WriteTimeout
}

// wait writes to a reader that is slow.
func (c *conn) wait(p []byte) (n int, err error) {
	begun := time.Now()
	c.blocked.Store(begun.UnixNano())
	defer c.blocked.Store(0)
	for {
		left := c.patience() - time.Since(begun)
		if err := c.Conn.SetWriteDeadline(time.Now().Add(min(left, eagerness))); err != nil {
			return n, err
		}
		var k int
		k, err = c.Conn.Write(p[n:])
		n += k
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if left <= eagerness || c.eager != nil && c.eager() {
			c.drop()
			return n, err
		}
	}
}

// unread is how many bytes have come that we have not read.
func (c *conn) unread() (n int) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return 0
	}
	if raw, err := sc.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	}
	return n
}

// drop closes a connection whose peer does not read.
func (c *conn) drop() {
	c.l.srv.stats.dropped.Add(1)
	c.l.srv.log.Info("dropped a client that does not read its answer", "uid", c.peer.UID, "pid", c.peer.PID)
	c.Close()
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
	c.once.Do(func() { c.l.gone(c) })
	return err
}

// ownError returns what to write in place of p, where p is an answer that
// net/http gives of itself to a request that it cannot read; else nil.
func ownError(p []byte, version string) []byte {
	const mark = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
	if !bytes.HasPrefix(p, []byte("HTTP/1.")) || len(p) > 1024 || bytes.Contains(p, []byte(wire.HeaderProtocol)) {
		return nil
	}
	i := bytes.Index(p, []byte(mark))
	text := "expectation failed" // which it says with no words
	if i >= len("HTTP/1.1 400") {
		text = string(p[i+len(mark):])
	} else if !bytes.HasPrefix(p[min(8, len(p)):], []byte(" 417 ")) {
		return nil
	}
	status, err := strconv.Atoi(string(p[9:12]))
	if err != nil {
		return nil
	}
	kind := wire.ErrBadRequest
	if status == http.StatusRequestHeaderFieldsTooLarge {
		kind = wire.ErrTooLarge
	}
	problem := kind.With("%s", text)
	problem.Status = status
	body, err := json.Marshal(problem)
	if err != nil {
		return nil
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\n%s: %d\r\n%s: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		status, http.StatusText(status), wire.HeaderProtocol, wire.Protocol, wire.HeaderVersion, version, wire.TypeProblem, len(body)+1, body)
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
	var who access.Credentials
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
	return Peer{Credentials: who, GID: cred.Gid, PID: cred.Pid}, nil
}
