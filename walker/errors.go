package walker

import (
	"errors"
	"fmt"
)

// Why a pool takes no work.
var (
	// ErrClosed is returned by Submit, and ends every job, once Close is called.
	ErrClosed = errors.New("walker: pool is closed")
	// ErrJobDone is returned by Job.Add when the job has ended or was stopped
	// or cancelled.
	ErrJobDone = errors.New("walker: job has ended")
)

// How a job ended, unless all of it was done.
var (
	ErrStopped   = errors.New("walker: job was stopped")
	ErrCancelled = errors.New("walker: job was cancelled")
)

// What may be the error of one directory, beside those of the file system.
var (
	// ErrStuck is the error of a directory whose system call did not return in
	// Options.StuckAfter.
	ErrStuck = errors.New("walker: directory does not answer")
	// ErrReplaced is the error of a directory that was another one when its
	// next part was to be read.
	ErrReplaced = errors.New("walker: directory was replaced while it was read")
	// ErrTooLarge is the error of a directory whose names alone are over 1 GiB:
	// no file system of this world, but a hostile one never ends.
	ErrTooLarge = errors.New("walker: directory has too many entries")
)

// ErrCycle is returned by Result.Wait for a job that, directly or through
// others, waits for the very directory that the caller has in hand.
var ErrCycle = errors.New("walker: job waits for itself")

// PanicError is the error of a directory in whose listing, or in whose Visit,
// something panicked (or called runtime.Goexit: then Value is nil).
type PanicError struct {
	Dir   string
	Value any
	Stack []byte
}

// Error gives the directory and the value, not the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("walker: panic in %q: %v", e.Dir, e.Value)
}

// Unwrap returns Value if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
