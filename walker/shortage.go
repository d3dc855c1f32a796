package walker

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Shortage reports whether err says nothing about a directory, but only that the process
// or the system is out of file descriptors or memory for the moment.
func Shortage(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

const (
	// shortageFirst is the delay after the first failure. It doubles after each further
	// one, up to shortageMost.
	shortageFirst = 2 * time.Millisecond
	shortageMost  = 250 * time.Millisecond
)

// retryDelay waits between retries of calls that fail with a Shortage. The zero value is
// ready to use.
type retryDelay struct{ wait time.Duration }

// retry reports whether to repeat a call that failed with errno, after waiting. It
// reports false if the error is not a shortage or the listing is no longer needed.
func (p *retryDelay) retry(ls *lister, errno error) bool {
	if !Shortage(errno) || ls.cancelled() {
		return false
	}
	p.wait = min(max(2*p.wait, shortageFirst), shortageMost)
	time.Sleep(p.wait)
	ls.heartbeat.tick()
	return !ls.cancelled()
}
