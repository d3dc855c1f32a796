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

// conn is a connection of the listener. It knows its peer and how long its reader
// keeps a write waiting.
type conn struct {
	net.Conn
	l      *listener
	peer   Peer
	refuse *wire.Problem // the answer to all its requests; nil if they are served

	// Guarded by l.mu.
	place     place
	unhandled bool // no handler was called for it yet

	busy    atomic.Bool  // a handler runs
	since   atomic.Int64 // when busy changed or Accept returned it, in Unix ns; 0 before
	blocked atomic.Int64 // since when a write waits for the reader, in Unix ns; 0 if none does
	once    sync.Once

	// Used by the goroutine that writes.
	noWait  bool        // a write does not wait for a slow reader but keeps the rest
	pending []byte      // what a slow reader has not taken
	wanted  func() bool // reports whether others wait for what the request holds; may be nil
}

const (
	// soon is how long a write waits before its reader counts as slow. A reader that
	// reads at all takes a page within that time; if not, the answer only gives back
	// what it holds.
	soon = 50 * time.Millisecond
	// wantedPatience is how long a client may keep others waiting that need what its
	// request holds.
	wantedPatience = time.Second
)

// working is called when a handler begins and ends.
func (c *conn) working(on bool) {
	c.since.Store(time.Now().UnixNano())
	c.busy.Store(on)
	if on {
		c.l.markHandled(c)
	}
}

// Write implements net.Conn. A reader that does not take p within the write timeout
// is dropped.
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
	if len(c.pending) > 0 {
		if c.noWait {
			c.pending = append(c.pending, p...)
			return len(p), nil
		}
		if err := c.drain(); err != nil {
			return 0, err
		}
	}
	if err := c.Conn.SetWriteDeadline(time.Now().Add(min(soon, c.writeTimeout()))); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if c.noWait {
		c.pending = bytes.Clone(p[n:])
		return len(p), nil
	}
	m, err := c.writeSlowly(p[n:])
	return n + m, err
}

// drain writes what a slow reader has not taken.
func (c *conn) drain() error {
	if len(c.pending) == 0 {
		return nil
	}
	_, err := c.writeSlowly(c.pending)
	c.pending = nil
	return err
}

// writeTimeout is shorter once the grace of a shutdown is over.
func (c *conn) writeTimeout() time.Duration {
	if c.l.srv.working.Err() != nil {
		return min(c.l.srv.opt.WriteTimeout, c.l.srv.opt.Grace)
	}
	return c.l.srv.opt.WriteTimeout
}

// writeSlowly writes to a reader that is slow.
func (c *conn) writeSlowly(p []byte) (n int, err error) {
	begun := time.Now()
	c.blocked.Store(begun.UnixNano())
	defer c.blocked.Store(0)
	for {
		left := c.writeTimeout() - time.Since(begun)
		if err := c.Conn.SetWriteDeadline(time.Now().Add(min(left, wantedPatience))); err != nil {
			return n, err
		}
		var k int
		k, err = c.Conn.Write(p[n:])
		n += k
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if left <= wantedPatience || c.wanted != nil && c.wanted() {
			c.drop()
			return n, err
		}
	}
}

// unread returns how many bytes have arrived that were not read yet.
func (c *conn) unread() (n int) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return 0
	}
	if raw, err := sc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	}
	return n
}

// drop closes a connection whose peer is unresponsive.
func (c *conn) drop() {
	c.l.srv.stats.dropped.Add(1)
	c.l.srv.log.Info("dropped an unresponsive client", "uid", c.peer.UID, "pid", c.peer.PID)
	c.Close()
}

// CloseWrite lets net/http end a connection while its peer is still sending.
func (c *conn) CloseWrite() error {
	if u, ok := c.Conn.(*net.UnixConn); ok {
		return u.CloseWrite()
	}
	return c.Conn.Close()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.l.remove(c) })
	return err
}

// ownError returns what to write instead of p if p is an error that net/http itself
// sends for a request that it cannot read, and nil otherwise.
func ownError(p []byte, version string) []byte {
	const mark = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
	if !bytes.HasPrefix(p, []byte("HTTP/1.")) || len(p) > 1024 || bytes.Contains(p, []byte(wire.HeaderProtocol)) {
		return nil
	}
	i := bytes.Index(p, []byte(mark))
	text := "expectation failed" // for which net/http sends no text
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

// peerOf asks the kernel who the peer is.
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
	return Peer{Credentials: who, PID: cred.Pid}, nil
}
