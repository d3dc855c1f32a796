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

// Listen listens on a socket at path with the given permissions. It creates the directory
// if it does not exist, accessible only to the owner if the socket is. It replaces a
// socket at which no process answers, returns ErrInUse if one does, and leaves any other
// file alone. The file path+".lock" decides between daemons that start at the same time,
// and is not removed.
//
// Closing the listener removes the socket.
func Listen(path string, mode fs.FileMode) (net.Listener, error) {
	l, err := listen(path, mode)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}

// Free returns the error with which Listen would fail now because of a file at path, or
// nil. It changes nothing.
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
	// The socket appears under its name when its permissions are set and it accepts
	// connections.
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

// newSuffix is appended to the name under which a socket is created.
const newSuffix = ".new"

// fits returns an error if path is too long for a socket, before anything is created.
func fits(path string) error {
	if err := sockaddr.Fits(path + newSuffix); err != nil {
		return errors.New("the last part of the path is too long for a socket's name")
	}
	return nil
}

// makeDir creates the directory of a socket, so that everyone who may connect can reach
// it, whatever the umask. It does not change an existing directory.
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

// checkDead returns nil if a new socket may replace path.
func checkDead(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return errors.New("the path exists and is not a socket; remove it or use another path")
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
	case errors.Is(err, syscall.EAGAIN): // the queue of connections is full
		return ErrInUse
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// socket is a listener whose Close removes the socket unless another one replaced it.
type socket struct {
	*net.UnixListener
	path string
	made fs.FileInfo
	lock *os.File
	once sync.Once
	err  error
}

// Addr returns the path that was passed to Listen.
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

// Inherited returns the listener passed by systemd (LISTEN_FDS), or nil if there is none.
// Of several descriptors it uses the first unix stream socket. It does not change the
// environment; LISTEN_PID prevents children from using the descriptors.
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
			return nil, fmt.Errorf("socket from systemd: %w", err)
		}
		return l, nil
	}
	return nil, errors.New("systemd passed no listening unix stream socket (LISTEN_FDS)")
}
