package walker

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// linux/ioprio.h
const (
	ioprioWhoProcess = 1
	ioprioIdle       = 3 << 13 // the idle class
)

// AtIdlePriority calls fn with the disk reads of its thread at idle priority, so that
// other processes go first, provided that the disk's I/O scheduler supports priorities.
// It restores the thread's previous priority, which may have been set by the parent
// process.
func AtIdlePriority[T any](fn func() T) T {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, 0, 0)
	if errno != 0 {
		return fn()
	}
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, ioprioIdle)
	defer func() { _, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, before) }()
	return fn()
}
