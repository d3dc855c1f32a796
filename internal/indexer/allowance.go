package indexer

import "time"

// allowance bounds what is written to the disk in the long run because of
// changes that nobody waits for. A commit of one new name writes 30 KB of pages,
// and /proc/PID/io says 50 to 70: at a hundred names a second, each committed at
// once, that is 400 MB a minute. So the first changes after a rest are committed at once; under
// constant change a commit waits until what was written is paid off, and brings
// all that came meanwhile.
//
// It is a token bucket. Confined to the writer's goroutine.
type allowance struct {
	bytes float64 // what may be written now; below zero: a debt
	at    time.Time
}

const (
	// allowRate is what may be written in a second: 3.6 MB a minute, of which
	// /proc/PID/io makes 6.
	allowRate = 60_000
	// allowMost is what is saved up at most: some five hundred commits, which ten
	// minutes of constant change spread over less than 3 MB a minute.
	allowMost = 16 << 20
	// allowWait is how long a change may wait at most, whatever was written.
	allowWait = 10 * time.Second
)

// spend notes that so many bytes were written.
func (a *allowance) spend(bytes int64, now time.Time) {
	a.fill(now)
	a.bytes = max(a.bytes-float64(bytes), -allowRate*allowWait.Seconds())
}

// wait returns how long the next commit has to wait; 0: not at all.
func (a *allowance) wait(now time.Time) time.Duration {
	a.fill(now)
	if a.bytes >= 0 {
		return 0
	}
	return time.Duration(-a.bytes / allowRate * float64(time.Second))
}

func (a *allowance) fill(now time.Time) {
	if a.at.IsZero() {
		a.bytes = allowMost
	} else {
		a.bytes = min(a.bytes+now.Sub(a.at).Seconds()*allowRate, allowMost)
	}
	a.at = now
}
