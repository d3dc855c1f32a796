package mounts

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// A process that has no descriptor left for the moment would take one file system
// for another, or nothing for mounted. So what needs one is tried for a while:
// shortTries times, shortWait apart.
const (
	shortTries = 200
	shortWait  = 50 * time.Millisecond
)

// insist calls open until it has got a descriptor, or has failed for something else
// than the want of one.
func insist[T any](open func() (T, error)) (T, error) {
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
