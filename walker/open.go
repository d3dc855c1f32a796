package walker

import (
	"bytes"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// maxPath is the longest path that one system call takes, without its NUL.
const maxPath = unix.PathMax - 1

const (
	// openFlags open a directory for reading. O_NOATIME, so that an index does
	// not make writes; O_NONBLOCK, so that whatever stands there now does not
	// block.
	openFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NOATIME | unix.O_NONBLOCK | unix.O_CLOEXEC
	// stepFlags open a directory on the way; O_PATH needs no read permission.
	stepFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
)

// opener opens directories by absolute path, of any length, without following
// a symbolic link anywhere. A path one of whose inner components is a link
// fails with ELOOP (ENOTDIR for the last, and for any without openat2). It is
// for one goroutine.
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
		// O_NOATIME is for the owner and for root.
		fd, errno = o.openPath(openFlags &^ unix.O_NOATIME)
	}
	if errno != 0 {
		return -1, &fs.PathError{Op: "open", Path: dir, Err: errno}
	}
	return fd, nil
}

// way goes o.path to its end, which it opens with flags.
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

// hops opens as much of the path at once as a system call takes, with openat2.
func (o *opener) openat2Path(flags int) (int, unix.Errno) {
	return o.openInSteps(flags, func(dirfd int, rest []byte, flags int) (n, fd int, errno unix.Errno) {
		n = len(rest) - 1
		if n > maxPath {
			// The last separator that leaves a path that is not too long.
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

// steps opens one component after the other, with openat.
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

// relay goes o.path to its end by calls of next, which opens the first n bytes
// of what is left of the path, relative to dirfd.
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
