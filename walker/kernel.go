package walker

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel is the set of system calls used for listing. Tests replace it to count calls and
// to make them fail or hang. Strings are passed as pointers to NUL-terminated bytes, to
// avoid copies.
type kernel interface {
	openat2(dirfd int, path *byte, how *unix.OpenHow) (fd int, errno unix.Errno)
	openat(dirfd int, path *byte, flags int) (fd int, errno unix.Errno)
	getdents(fd int, buf []byte) (n int, errno unix.Errno)
	statx(dirfd int, name *byte, flags int, st *unix.Statx_t) unix.Errno
	fstatfs(fd int, st *unix.Statfs_t) unix.Errno
	fgetxattr(fd int, name *byte) unix.Errno // only whether the attribute exists
	close(fd int)
}

// statxMask selects everything that a listing contains. STATX_MNT_ID is needed only for
// the directory itself, but costs nothing for the entries.
const statxMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME | unix.STATX_MNT_ID

// linux is the real kernel. Calls are repeated on EINTR, because FUSE and NFS interrupt
// them for the runtime's preemption signals. They use Syscall and not RawSyscall, since
// any of them may wait for a disk.
type linux struct {
	_ byte // methods have pointer receivers, so that calls through the interface need no wrapper
}

func (*linux) openat2(dirfd int, path *byte, how *unix.OpenHow) (int, unix.Errno) {
	for {
		fd, _, errno := syscall.Syscall6(unix.SYS_OPENAT2, uintptr(dirfd), uintptr(unsafe.Pointer(path)),
			uintptr(unsafe.Pointer(how)), unix.SizeofOpenHow, 0, 0)
		if errno != unix.EINTR {
			return int(fd), errno
		}
	}
}

func (*linux) openat(dirfd int, path *byte, flags int) (int, unix.Errno) {
	for {
		fd, _, errno := syscall.Syscall6(unix.SYS_OPENAT, uintptr(dirfd), uintptr(unsafe.Pointer(path)),
			uintptr(flags|unix.O_LARGEFILE), 0, 0, 0)
		if errno != unix.EINTR {
			return int(fd), errno
		}
	}
}

func (*linux) getdents(fd int, buf []byte) (int, unix.Errno) {
	for {
		n, _, errno := syscall.Syscall(unix.SYS_GETDENTS64, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)))
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

func (*linux) statx(dirfd int, name *byte, flags int, st *unix.Statx_t) unix.Errno {
	for {
		_, _, errno := syscall.Syscall6(unix.SYS_STATX, uintptr(dirfd), uintptr(unsafe.Pointer(name)),
			uintptr(flags), statxMask, uintptr(unsafe.Pointer(st)), 0)
		if errno != unix.EINTR {
			return errno
		}
	}
}

func (*linux) fstatfs(fd int, st *unix.Statfs_t) unix.Errno {
	for {
		_, _, errno := syscall.Syscall(unix.SYS_FSTATFS, uintptr(fd), uintptr(unsafe.Pointer(st)), 0)
		if errno != unix.EINTR {
			return errno
		}
	}
}

func (*linux) fgetxattr(fd int, name *byte) unix.Errno {
	for {
		_, _, errno := syscall.Syscall6(unix.SYS_FGETXATTR, uintptr(fd), uintptr(unsafe.Pointer(name)), 0, 0, 0, 0)
		if errno != unix.EINTR {
			return errno
		}
	}
}

func (*linux) close(fd int) {
	// Not repeated: the descriptor is closed whatever close returns. It was only read
	// from, so there is no error worth reporting.
	_ = unix.Close(fd)
}

// hookedKernel calls a function before each access to a file.
type hookedKernel struct {
	kernel
	onAccess func()
}

func (k *hookedKernel) openat2(dirfd int, path *byte, how *unix.OpenHow) (int, unix.Errno) {
	k.onAccess()
	return k.kernel.openat2(dirfd, path, how)
}

func (k *hookedKernel) openat(dirfd int, path *byte, flags int) (int, unix.Errno) {
	k.onAccess()
	return k.kernel.openat(dirfd, path, flags)
}

func (k *hookedKernel) statx(dirfd int, name *byte, flags int, st *unix.Statx_t) unix.Errno {
	k.onAccess()
	return k.kernel.statx(dirfd, name, flags, st)
}
