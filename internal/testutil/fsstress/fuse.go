package fsstress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// FS is a small read-only file system that the test serves through /dev/fuse. It hangs on
// request.
type FS struct {
	dir   string
	fd    int
	nodes []*node // by inode number, minus 1; the first is the root
	ended chan struct{}

	// The server holds mu from before it reads a request until it has replied. Whoever
	// holds it knows that no request is half done.
	mu     sync.Mutex
	hung   bool
	wake   sync.Cond
	closed bool
}

type node struct {
	ino      uint64
	name     string
	children []*node // nil for files
	isDir    bool
}

// MountFS mounts a file system at dir until the end of the test, with the given files; a
// path that ends in "/" is a directory. It skips the test if that is not possible.
func MountFS(t testing.TB, dir string, files ...string) *FS {
	t.Helper()
	f := &FS{dir: dir, ended: make(chan struct{})}
	f.wake.L = &f.mu
	f.add(&node{isDir: true})
	for _, name := range files {
		f.grow(name)
	}
	var err error
	if f.fd, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
		t.Skip("/dev/fuse: ", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40755,user_id=%d,group_id=%d,allow_other", f.fd, os.Getuid(), os.Getgid())
	if err := unix.Mount("storm", dir, "fuse.storm", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		_ = unix.Close(f.fd)
		t.Skip("mount: ", err)
	}
	go f.serve()
	t.Cleanup(func() { f.Abort(); f.Unmount() })
	return f
}

// Hang makes all further requests wait, unread, as if a server had stopped. Processes
// that make them can only be killed.
func (f *FS) Hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hung = true
}

// Resume replies again, first to the requests that are waiting.
func (f *FS) Resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hung = false
	f.wake.Broadcast()
}

// Abort ends the connection: all requests, including those that wait, fail with ENOTCONN.
func (f *FS) Abort() {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		_ = unix.Close(f.fd)
	}
	f.wake.Broadcast()
	f.mu.Unlock()
	<-f.ended
}

// Unmount unmounts the file system, if it is still mounted.
func (f *FS) Unmount() { _ = unix.Unmount(f.dir, unix.MNT_DETACH) }

func (f *FS) add(n *node) {
	f.nodes = append(f.nodes, n)
	n.ino = uint64(len(f.nodes))
}

// grow adds a path and the directories above it.
func (f *FS) grow(name string) {
	at := f.nodes[0]
	for part := range strings.SplitSeq(path.Clean(name), "/") {
		next := at.child(part)
		if next == nil {
			next = &node{name: part, isDir: true}
			f.add(next)
			at.children = append(at.children, next)
		}
		at = next
	}
	at.isDir = strings.HasSuffix(name, "/")
}

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// serve replies to requests until the connection ends.
func (f *FS) serve() {
	defer close(f.ended)
	buf := make([]byte, 1<<17) // the minimum that the kernel accepts
	for {
		n, err := f.one(buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			// Without the lock, and with a timeout, to notice that the connection was
			// closed.
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(n), Events: unix.POLLIN}}, 20)
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOENT): // a request was interrupted
		case err != nil:
			return
		}
	}
}

// one reads and answers one request, after waiting while the file system hangs. With
// EAGAIN, n is the descriptor to wait for.
func (f *FS) one(buf []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.hung && !f.closed {
		f.wake.Wait()
	}
	if f.closed {
		return 0, unix.EBADF
	}
	if n, err = unix.Read(f.fd, buf); err != nil {
		return f.fd, err
	}
	in := request{buf[:n]}
	if answer, errno, ok := f.answer(in); ok {
		out := make([]byte, 16, 16+len(answer))
		le.PutUint32(out, uint32(16+len(answer)))
		le.PutUint32(out[4:], uint32(-int32(errno)))
		le.PutUint64(out[8:], in.unique())
		_, err = unix.Write(f.fd, append(out, answer...))
	}
	return 0, err
}

var le = binary.NativeEndian

// request is a message from the kernel: a header of 40 bytes and a body.
type request struct{ b []byte }

func (r request) opcode() uint32 { return le.Uint32(r.b[4:]) }
func (r request) unique() uint64 { return le.Uint64(r.b[8:]) }
func (r request) nodeid() uint64 { return le.Uint64(r.b[16:]) }
func (r request) body() []byte   { return r.b[40:] }

// Supported requests, from linux/fuse.h.
const (
	opLookup      = 1
	opForget      = 2
	opGetattr     = 3
	opStatfs      = 17
	opInit        = 26
	opOpendir     = 27
	opReaddir     = 28
	opReleasedir  = 29
	opInterrupt   = 36
	opDestroy     = 38
	opBatchForget = 42
)

// answer returns the reply to a request; ok is false if there must be none.
func (f *FS) answer(r request) (answer []byte, errno unix.Errno, ok bool) {
	n := f.nodes[min(max(r.nodeid(), 1), uint64(len(f.nodes)))-1]
	switch r.opcode() {
	case opForget, opBatchForget, opInterrupt:
		return nil, 0, false
	case opInit:
		answer = make([]byte, 64)
		le.PutUint32(answer, 7) // protocol version
		le.PutUint32(answer[4:], 31)
		le.PutUint32(answer[8:], le.Uint32(r.body()[8:])) // what is read ahead at most
		le.PutUint32(answer[20:], 1<<16)                  // what is written at most
	case opLookup:
		c := n.child(strings.TrimSuffix(string(r.body()), "\x00"))
		if c == nil {
			return nil, unix.ENOENT, true
		}
		answer = make([]byte, 40, 128) // valid for no time: the kernel caches nothing
		le.PutUint64(answer, c.ino)
		answer = c.appendAttr(answer)
	case opGetattr:
		answer = n.appendAttr(make([]byte, 16))
	case opStatfs:
		answer = make([]byte, 80)
	case opOpendir:
		answer = make([]byte, 16)
	case opReaddir:
		answer = n.dirents(le.Uint64(r.body()[8:]), int(le.Uint32(r.body()[16:])))
	case opReleasedir, opDestroy:
	default:
		return nil, unix.ENOSYS, true
	}
	return answer, 0, true
}

func (n *node) mode() uint32 {
	if n.isDir {
		return unix.S_IFDIR | 0o755
	}
	return unix.S_IFREG | 0o644
}

// appendAttr appends a struct fuse_attr.
func (n *node) appendAttr(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, 88)...)
	le.PutUint64(b[at:], n.ino)
	for i := range 3 { // the times
		le.PutUint64(b[at+24+8*i:], 1_600_000_000)
	}
	le.PutUint32(b[at+60:], n.mode())
	le.PutUint32(b[at+64:], 1) // links
	le.PutUint32(b[at+80:], 4096)
	return b
}

// dirents returns the entries of a directory from an offset on, in at most size bytes.
func (n *node) dirents(from uint64, size int) (b []byte) {
	for i := from; i < uint64(len(n.children)); i++ {
		c := n.children[i]
		need := (24 + len(c.name) + 7) &^ 7
		if len(b)+need > size {
			break
		}
		e := make([]byte, need)
		le.PutUint64(e, c.ino)
		le.PutUint64(e[8:], i+1)
		le.PutUint32(e[16:], uint32(len(c.name)))
		le.PutUint32(e[20:], c.mode()>>12)
		copy(e[24:], c.name)
		b = append(b, e...)
	}
	return b
}
