package watch

import (
	"bytes"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// mountTable is where the kernel tells of mounts.
const mountTable = "/proc/self/mountinfo"

// mountLook is how often the mount table is read though the kernel tells of no
// change, in milliseconds. It may forget to: Linux 6.18 was seen to tell nothing
// of a mount that came right behind an unmount.
const mountLook = 2000

// watchMounts calls changed each time that the mount table of this process
// changes, and perhaps where it has not, until stop is closed. It blocks a
// thread.
func watchMounts(stop <-chan struct{}, changed func()) error {
	table, err := os.Open(mountTable)
	if err != nil {
		return err
	}
	defer table.Close()
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	defer unix.Close(bell)
	rung := make(chan struct{})
	quit := make(chan struct{})
	go func() {
		defer close(rung)
		select {
		case <-stop:
			_, _ = unix.Write(bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		case <-quit:
		}
	}()
	defer func() {
		close(quit)
		<-rung
	}()
	fds := []unix.PollFd{
		{Fd: int32(table.Fd()), Events: unix.POLLPRI},
		{Fd: int32(bell), Events: unix.POLLIN},
	}
	last, err := os.ReadFile(mountTable)
	for err == nil {
		n, pollErr := unix.Poll(fds, mountLook)
		switch {
		case errors.Is(pollErr, unix.EINTR):
			continue
		case pollErr != nil:
			return os.NewSyscallError("poll", pollErr)
		case fds[1].Revents != 0:
			return nil
		}
		was := last
		if last, err = os.ReadFile(mountTable); err == nil && (n > 0 || !bytes.Equal(was, last)) {
			changed()
		}
	}
	return err
}
