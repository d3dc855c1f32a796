package walker

import (
	"errors"
	"fmt"
)

// Errors returned when work is submitted.
var (
	// ErrClosed is returned by Submit after Close, and is the cause for which Close
	// cancels jobs.
	ErrClosed = errors.New("walker: pool is closed")
	// ErrJobDone is returned by Job.Add once the job has ended or was stopped or
	// cancelled.
	ErrJobDone = errors.New("walker: job has ended")
)

// Errors returned by Job.Wait for jobs that did not finish.
var (
	ErrStopped   = errors.New("walker: job was stopped")
	ErrCancelled = errors.New("walker: job was cancelled")
)

// Errors of single directories, besides those of the file system.
var (
	// ErrStuck is the error of a directory of which a system call did not return within
	// Options.StuckAfter.
	ErrStuck = errors.New("walker: directory does not answer")
	// ErrReplaced is the error of a directory that was replaced by another between the
	// reading of two parts.
	ErrReplaced = errors.New("walker: directory was replaced while it was read")
	// ErrTooLarge is the error of a directory whose names exceed 1 GiB in total. No real
	// file system has one, but a malicious one may never stop returning names.
	ErrTooLarge = errors.New("walker: directory has too many entries")
)

// ErrCycle is returned by Result.Wait for a job that waits, directly or through others,
// for the directory that the caller is processing.
var ErrCycle = errors.New("walker: job waits for itself")

// PanicError is the error of a directory if its listing or its Visit panicked. If it
// called runtime.Goexit instead, Value is nil.
type PanicError struct {
	Dir   string
	Value any
	Stack []byte
}

// Error returns the directory and the value, but not the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("walker: panic in %q: %v", e.Dir, e.Value)
}

// Unwrap returns Value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
