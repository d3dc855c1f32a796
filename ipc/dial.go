package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"indexd/ipc/internal/sockaddr"
)

// ErrNoDaemon matches every error from connecting. The text of such an error is one line
// that tells people what to do.
var ErrNoDaemon = errors.New("indexd cannot be reached")

// ConnError says why connecting to all of the sockets failed.
type ConnError struct {
	Sockets []string
	Errs    []error // one for each of Sockets
}

// Is makes every ConnError an ErrNoDaemon.
func (e *ConnError) Is(target error) bool { return target == ErrNoDaemon }

// Unwrap returns the errors of all sockets.
func (e *ConnError) Unwrap() []error { return e.Errs }

// Error describes the failure of the socket that came closest to an answer, or all of
// them if none exists.
func (e *ConnError) Error() string {
	for i, err := range e.Errs {
		s := e.Sockets[i]
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		case errors.Is(err, fs.ErrPermission):
			return fmt.Sprintf("no permission to connect to indexd at %s: its owner decides with --socket-mode; your own indexd would listen elsewhere (--socket)", s)
		case errors.Is(err, errBusy):
			return fmt.Sprintf("indexd at %s takes no connections: its queue has been full for %v; it is overloaded or it hangs", s, dialPatience)
		case errors.Is(err, errNotSocket):
			return fmt.Sprintf("%s is not a socket; --socket or INDEXD_SOCKET should name indexd's", s)
		default:
			return fmt.Sprintf("indexd cannot be reached at %s: %v", s, err)
		}
	}
	for i, err := range e.Errs {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Sprintf("indexd is not running: nobody answers at %s; %s", e.Sockets[i], howToStart(e.Sockets[i]))
		}
	}
	last := ""
	if n := len(e.Sockets); n > 0 {
		last = e.Sockets[n-1]
	}
	return fmt.Sprintf("indexd is not running: no socket at %s; %s", strings.Join(e.Sockets, " nor "), howToStart(last))
}

func howToStart(socket string) string {
	switch socket {
	case SystemSocket:
		return "start it with \"systemctl start indexd\", or your own with \"indexd\""
	case UserSocket():
		return "start it with \"indexd\""
	}
	return "start it with \"indexd --socket " + socket + "\""
}

// dialPatience is how long connecting is retried while the daemon's queue of connections
// is full, unless the caller's context ends it earlier.
const dialPatience = 10 * time.Second

var (
	errBusy      = errors.New("its queue is full")
	errNotSocket = errors.New("not a socket")
)

// connect is the default for Client.Dial. It does not use package net, because that links
// the program with libc, and loading libc takes longer than most answers.
func connect(_ context.Context, socket string) (io.ReadWriteCloser, error) {
	name, release, err := sockaddr.Name(socket)
	if err != nil {
		return nil, err
	}
	defer release()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// A non-blocking connect to a unix socket succeeds or fails immediately.
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: name}); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &conn{fd: fd}, nil
}

// dial connects to the first socket that accepts the connection.
func (c *Client) dial(ctx context.Context) (io.ReadWriteCloser, string, error) {
	sockets := c.Sockets
	if len(sockets) == 0 {
		sockets = DefaultSockets()
	}
	failed := &ConnError{}
	for _, s := range sockets {
		conn, err := c.dialOne(ctx, s)
		if err == nil {
			return conn, s, nil
		}
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx)
		}
		failed.Sockets = append(failed.Sockets, s)
		failed.Errs = append(failed.Errs, err)
	}
	return nil, "", failed
}

func (c *Client) dialOne(ctx context.Context, socket string) (io.ReadWriteCloser, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	dial := c.Dial
	if dial == nil {
		dial = connect
	}
	// Unlike over TCP, connecting to a unix socket whose queue is full does not wait but
	// fails with EAGAIN.
	deadline := time.Now().Add(dialPatience)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		conn, err := dial(ctx, socket)
		switch {
		case err == nil:
			return conn, nil
		case !errors.Is(err, syscall.EAGAIN):
			if fi, serr := os.Stat(socket); serr == nil && fi.Mode().Type() != fs.ModeSocket {
				return nil, errNotSocket
			}
			return nil, err
		case time.Now().After(deadline):
			return nil, errBusy
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}
