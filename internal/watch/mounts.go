package watch

import (
	"errors"
	"os"
)

// mountTable is the file through which the kernel announces changes of the mount table.
const mountTable = "/proc/self/mountinfo"

// watchMounts calls changed once, and then after each change of the mount table of this
// process, until stop is closed.
//
// The table itself is not read here: the kernel wakes pollers of the file at every
// change, and reports it as readable all the time. Only one goroutine may wait for an
// open file, because the state "change reported" is kept with it. Calling poll(2) on a
// file that the runtime polls too, as it does for all files opened with package os, would
// miss changes already reported to the runtime.
func watchMounts(stop <-chan struct{}, changed func()) error {
	table, err := os.Open(mountTable)
	if err != nil {
		return err
	}
	conn, err := table.SyscallConn()
	if err != nil {
		return errors.Join(err, table.Close())
	}
	ended, closed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(closed)
		select {
		case <-stop:
		case <-ended:
		}
		_ = table.Close()
	}()
	// All within one Read, so that a change during a call of changed is not missed.
	err = conn.Read(func(uintptr) bool {
		changed()
		return false
	})
	close(ended)
	<-closed
	select {
	case <-stop:
		return nil
	default:
		return err
	}
}
