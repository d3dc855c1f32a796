package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"indexd/ipc/internal/sockaddr"
)

// ErrInUse is returned by Listen when another daemon answers at the socket.
var ErrInUse = errors.New("another daemon answers at this socket")

// Listen listens at path with a socket of the given permissions, and makes its
// directory if there is none: for the owner alone if the socket is. A socket
// at which nobody answers any more is replaced; one that somebody answers at is
// ErrInUse; what is no socket is left alone. A file path+".lock" decides
// between two that start at once, and stays behind.
//
// Closing the listener removes the socket.
func Listen(path string, mode fs.FileMode) (net.Listener, error) {
	l, err := listen(path, mode)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}

// Free returns nil if Listen would find nothing in its way at path now, else
// what it would return. It touches nothing.
func Free(path string) error {
	err := fits(path)
	if err == nil {
		err = checkDead(path)
	}
	if err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}
	return nil
}

func listen(path string, mode fs.FileMode) (_ net.Listener, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := fits(path); err != nil {
		return nil, err
	}
	if err := makeDir(filepath.Dir(path), mode); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if err == syscall.EWOULDBLOCK {
			return nil, ErrInUse
		}
		return nil, &os.PathError{Op: "lock", Path: lock.Name(), Err: err}
	}
	if err := checkDead(path); err != nil {
		return nil, err
	}
	// The socket appears under its name with its permissions set and with
	// somebody listening: it is never there with others, nor refuses.
	tmp := path + newSuffix
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	name, release, err := sockaddr.Name(tmp)
	if err != nil {
		return nil, err
	}
	defer release()
	ul, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	ul.SetUnlinkOnClose(false)
	defer func() {
		if err != nil {
			ul.Close()
			os.Remove(tmp)
		}
	}()
	if err := os.Chmod(tmp, mode.Perm()); err != nil {
		return nil, err
	}
	fi, err := os.Lstat(tmp)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, path); err != nil {
		return nil, err
	}
	return &socket{UnixListener: ul, path: path, made: fi, lock: lock}, nil
}

// newSuffix is behind the name under which a socket is made.
const newSuffix = ".new"

// fits tells of a path that is too long for a socket before anything is made
// for it.
func fits(path string) error {
	if err := sockaddr.Fits(path + newSuffix); err != nil {
		return errors.New("the last part of the path is too long for a socket's name")
	}
	return nil
}

// makeDir makes the directory of a socket with the given permissions, so that
// whoever may connect may also reach it, whatever the umask. One that is there
// is left as it is.
func makeDir(dir string, socket fs.FileMode) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	mode := fs.FileMode(0o755)
	if socket&0o077 == 0 {
		mode = 0o700
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

// checkDead returns nil if path may be replaced by a socket of ours.
func checkDead(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return errors.New("there is something else than a socket; remove it or name another path")
	}
	name, release, err := sockaddr.Name(path)
	if err != nil {
		return err
	}
	defer release()
	c, err := net.Dial("unix", name)
	switch {
	case err == nil:
		c.Close()
		return ErrInUse
	case errors.Is(err, syscall.EAGAIN): // its queue is full
		return ErrInUse
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// socket is a listener that removes its socket when it is closed, if that is still its own.
type socket struct {
	*net.UnixListener
	path string
	made fs.FileInfo
	lock *os.File
	once sync.Once
	err  error
}

// Addr is the path that was asked for.
func (l *socket) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close implements net.Listener; it may be called more than once.
func (l *socket) Close() error {
	l.once.Do(func() {
		if fi, err := os.Lstat(l.path); err == nil && os.SameFile(fi, l.made) {
			os.Remove(l.path)
		}
		l.err = l.UnixListener.Close()
		l.lock.Close()
	})
	return l.err
}

// Inherited is the listener that systemd handed over (LISTEN_FDS), nil if there
// is none. Of several the first unix stream socket is taken. The environment is
// left as it is; its LISTEN_PID keeps children from taking it for theirs.
func Inherited() (net.Listener, error) {
	if pid, err := strconv.Atoi(os.Getenv("LISTEN_PID")); err != nil || pid != os.Getpid() {
		return nil, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 1 {
		return nil, nil
	}
	const first = 3 // SD_LISTEN_FDS_START
	for fd := first; fd < first+n; fd++ {
		syscall.CloseOnExec(fd)
	}
	for fd := first; fd < first+n; fd++ {
		sa, err := syscall.Getsockname(fd)
		if err != nil {
			continue
		}
		typ, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
		if _, unix := sa.(*syscall.SockaddrUnix); !unix || err != nil || typ != syscall.SOCK_STREAM {
			continue
		}
		if on, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err != nil || on == 0 {
			continue
		}
		f := os.NewFile(uintptr(fd), "LISTEN_FD")
		l, err := net.FileListener(f) // a copy
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("socket handed over by systemd: %w", err)
		}
		return l, nil
	}
	return nil, errors.New("systemd handed over no unix stream socket that listens (LISTEN_FDS)")
}
