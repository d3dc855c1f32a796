package walker

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// linux/ioprio.h
const (
	ioprioWhoProcess = 1
	ioprioIdle       = 3 << 13 // class idle
	ioprioNone       = 0       // as the process's niceness has it
)

// Idly calls fn with the disk reads of its thread at the idle priority, so that
// who else wants the disk goes first, where the disk's scheduler knows
// priorities.
func Idly[T any](fn func() T) T {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, ioprioIdle)
	defer unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, ioprioNone)
	return fn()
}
