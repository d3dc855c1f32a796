package mounts

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// A process that is out of file descriptors for the moment would take one file system for
// another, or miss a mount. Therefore opening is retried shortTries times, at intervals
// of shortWait.
const (
	shortTries = 200
	shortWait  = 50 * time.Millisecond
)

// insist calls open until it succeeds or fails for another reason than a lack of
// descriptors.
func retryShortage[T any](open func() (T, error)) (T, error) {
	got, err := open()
	for range shortTries {
		if !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENFILE) {
			break
		}
		time.Sleep(shortWait)
		got, err = open()
	}
	return got, err
}
