package walker

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// linux/ioprio.h
const (
	ioprioWhoProcess = 1
	ioprioIdle       = 3 << 13 // class idle
)

// Idly calls fn with the disk reads of its thread at the idle priority, so that
// who else wants the disk goes first, where the disk's scheduler knows
// priorities. After it the thread has the priority that it had before, which may be
// one that the process was started with.
func AtIdlePriority[T any](fn func() T) T {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, 0, 0)
	if errno != 0 {
		return fn()
	}
	unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, ioprioIdle)
	defer unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, before)
	return fn()
}
