package walker

import (
	"bytes"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// maxPath is the length of the longest path that one system call accepts, without NUL.
const maxPath = unix.PathMax - 1

const (
	// openFlags open a directory for reading. O_NOATIME keeps an index from causing
	// writes; O_NONBLOCK keeps the call from blocking if something else has replaced the
	// directory.
	openFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NOATIME | unix.O_NONBLOCK | unix.O_CLOEXEC
	// stepFlags open a directory on the way; O_PATH needs no read permission.
	stepFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
)

// opener opens directories by absolute path, of any length, without following symbolic
// links. If a component of the path other than the last is a link, the error is ELOOP. If
// the last one is, or without openat2, it is ENOTDIR. It is not safe for concurrent use.
type opener struct {
	k         kernel
	path      []byte // of the directory being opened; reused
	how       unix.OpenHow
	noOpenat2 bool // ENOSYS before Linux 5.6, EPERM in some sandboxes
}

// open returns a descriptor of dir, or a *fs.PathError.
func (o *opener) open(dir string) (int, error) {
	if len(dir) == 0 || dir[0] != '/' || strings.IndexByte(dir, 0) >= 0 {
		return -1, &fs.PathError{Op: "open", Path: dir, Err: unix.EINVAL}
	}
	o.path = append(append(o.path[:0], dir...), 0)
	if cap(o.path) > 4*unix.PathMax {
		defer func() { o.path = nil }()
	}
	fd, errno := o.openPath(openFlags)
	if errno == unix.EPERM {
		// Only the owner and root may use O_NOATIME.
		fd, errno = o.openPath(openFlags &^ unix.O_NOATIME)
	}
	if errno != 0 {
		return -1, &fs.PathError{Op: "open", Path: dir, Err: errno}
	}
	return fd, nil
}

// openPath opens o.path with flags.
func (o *opener) openPath(flags int) (int, unix.Errno) {
	if o.noOpenat2 {
		return o.openatPath(flags)
	}
	fd, errno := o.openat2Path(flags)
	if errno == unix.ENOSYS || errno == unix.EPERM && flags&unix.O_NOATIME == 0 {
		byStep, stepErrno := o.openatPath(flags)
		o.noOpenat2 = errno == unix.ENOSYS || stepErrno == 0
		return byStep, stepErrno
	}
	return fd, errno
}

// openat2Path opens o.path with openat2, as much of it at once as one call accepts.
func (o *opener) openat2Path(flags int) (int, unix.Errno) {
	return o.openInSteps(flags, func(dirfd int, rest []byte, flags int) (n, fd int, errno unix.Errno) {
		n = len(rest) - 1
		if n > maxPath {
			// The last separator before which the path is short enough.
			n = bytes.LastIndexByte(rest[1:maxPath+1], '/') + 1
			if n == 0 {
				return 0, -1, unix.ENAMETOOLONG
			}
			flags = stepFlags
		}
		o.how = unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_NO_SYMLINKS}
		end := rest[n]
		rest[n] = 0
		fd, errno = o.k.openat2(dirfd, &rest[0], &o.how)
		rest[n] = end
		return n, fd, errno
	})
}

// openatPath opens o.path with openat, one component after the other.
func (o *opener) openatPath(flags int) (int, unix.Errno) {
	return o.openInSteps(flags, func(dirfd int, rest []byte, flags int) (n, fd int, errno unix.Errno) {
		if rest[0] == '/' {
			n = 1 // the root
		} else if n = bytes.IndexByte(rest, '/'); n < 0 {
			n = len(rest) - 1
		}
		if n < len(rest)-1 {
			flags = stepFlags
		}
		end := rest[n]
		rest[n] = 0
		fd, errno = o.k.openat(dirfd, &rest[0], flags)
		rest[n] = end
		return n, fd, errno
	})
}

// openInSteps opens o.path by calls of next, which opens the first n bytes of the rest of
// the path, relative to dirfd.
func (o *opener) openInSteps(flags int, next func(dirfd int, rest []byte, flags int) (n, fd int, errno unix.Errno)) (int, unix.Errno) {
	rest, dirfd := o.path, unix.AT_FDCWD
	for {
		n, fd, errno := next(dirfd, rest, flags)
		if dirfd >= 0 {
			o.k.close(dirfd)
		}
		if errno != 0 {
			return -1, errno
		}
		rest = rest[n:]
		for len(rest) > 1 && rest[0] == '/' {
			rest = rest[1:]
		}
		if len(rest) == 1 {
			return fd, 0
		}
		dirfd = fd
	}
}
