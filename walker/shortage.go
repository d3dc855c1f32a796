package walker

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Shortage reports whether an error says nothing of a directory but that the
// process or the system is out of descriptors or memory for the moment.
func Shortage(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

const (
	// shortageFirst is how long a listing waits after the first failure for want
	// of a descriptor, and after each further one twice as long up to the most.
	shortageFirst = 2 * time.Millisecond
	shortageMost  = 250 * time.Millisecond
)

// patience waits between attempts at what fails for a shortage. The zero value
// is right for the first.
type retryDelay struct{ wait time.Duration }

// again reports whether a call that ended with errno is to be made again, and
// waits before it says so. A listing that is not wanted any more is not.
func (p *retryDelay) retry(ls *lister, errno error) bool {
	if !Shortage(errno) || ls.cancelled() {
		return false
	}
	p.wait = min(max(2*p.wait, shortageFirst), shortageMost)
	time.Sleep(p.wait)
	ls.heartbeat.tick()
	return !ls.cancelled()
}
