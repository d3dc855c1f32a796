package ipc

import (
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// conn is a connected socket that is read and written with blocking system calls.
// An os.File would set up the runtime's poller first, which costs seven system calls
// and the work of a thread per question.
type conn struct {
	mu     sync.Mutex
	fd     int
	inUse  int // Reads and Writes in progress
	closed bool
}

// Read implements io.Reader.
func (c *conn) Read(p []byte) (n int, err error) {
	err = c.use(func() error {
		n, err = syscall.Read(c.fd, p)
		return err
	})
	switch {
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements io.Writer.
func (c *conn) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		err = c.use(func() error {
			k, err := syscall.Write(c.fd, p[n:])
			n += max(k, 0)
			return err
		})
	}
	return n, os.NewSyscallError("write", err)
}

// use makes a system call on the socket and repeats it after EINTR.
func (c *conn) use(call func() error) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return fs.ErrClosed
	}
	c.inUse++
	c.mu.Unlock()
	err := call()
	for err == syscall.EINTR {
		err = call()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inUse--
	if c.closed {
		c.release()
		return fs.ErrClosed
	}
	return err
}

// Close interrupts a blocked Read or Write. It is safe to call concurrently with them.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fs.ErrClosed
	}
	c.closed = true
	if c.inUse > 0 {
		_ = syscall.Shutdown(c.fd, syscall.SHUT_RDWR) // wakes them
	}
	c.release()
	return nil
}

// release closes the descriptor unless it is in use. c.mu must be held.
func (c *conn) release() {
	if c.inUse == 0 {
		syscall.Close(c.fd)
	}
}
