package watch

import (
	"errors"
	"os"
)

// mountTable is where the kernel tells of mounts.
const mountTable = "/proc/self/mountinfo"

// watchMounts calls changed once, and then each time that the mount table of this
// process changes, until stop is closed.
//
// The table is never read here: its file wakes whoever waits for it at every
// change, and counts as readable all the time. It must have one waiter, since
// that a change was told is kept with the open file: who calls poll(2) for a file
// that the runtime waits for as well, as it does for all that package os opens,
// misses what the runtime was told.
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
	// Within one Read, so that a change that comes during changed is not forgotten.
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
