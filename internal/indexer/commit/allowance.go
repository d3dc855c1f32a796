package commit

import "time"

// allowance limits what is written to the disk in the long run because of changes that
// nobody waits for. A commit of one new name writes six to ten pages, all of them needed:
// the path to the listing, the root of all buckets, the free list, the meta page. At a
// hundred names a second, each committed at once, that is 200 MB a minute. So the first
// changes after a rest are committed at once; under constant change a commit waits until
// what was written is paid off, and includes all changes that came meanwhile.
//
// Changes that come one by one, as people make them, have a larger allowance of their own,
// because so few a second do not write much either way. Constant change draws on the other
// one and leaves theirs as it is.
//
// Confined to the writer's goroutine.
type allowance struct {
	lone, rush bucket
	recent     float64 // names that changed, forgotten at loneRate
	at         time.Time
}

const (
	// allowRate is how many bytes may be written in a second: 3.6 MB a minute, of which
	// /proc/PID/io makes 6, since it counts what the file system keeps together.
	allowRate = 60_000
	// allowRush is how many bytes are saved up at most for constant change: some four
	// hundred commits, which ten minutes of it spread over less than 2 MB a minute.
	allowRush = 16 << 20
	// allowLone is the same for lone changes: a thousand commits and more.
	allowLone = 48 << 20
	// allowWait is how long a change waits at most, whatever was written.
	allowWait = 10 * time.Second
	// A change is a lone one while no more than loneRate names change in a second, or
	// LoneMost above that.
	loneRate = 20
)

// LoneMost is how many names that change at once count as constant change.
const LoneMost = 20

// change notes that there are changes of so many names to be written.
func (a *allowance) change(names int64, now time.Time) {
	if !a.at.IsZero() {
		a.recent = max(a.recent-now.Sub(a.at).Seconds()*loneRate, 0)
	}
	a.recent = min(a.recent+float64(max(names, 1)), 2*LoneMost)
	a.at = now
}

// bucket returns what a commit draws on, for a change or for what follows from changes.
func (a *allowance) bucket(change bool, now time.Time) *bucket {
	if change && a.recent <= LoneMost {
		a.lone.fill(allowLone, now)
		return &a.lone
	}
	a.rush.fill(allowRush, now)
	return &a.rush
}

// spend notes that so many bytes were written.
func (a *allowance) spend(change bool, bytes int64, now time.Time) {
	b := a.bucket(change, now)
	b.bytes = max(b.bytes-float64(bytes), -allowRate*allowWait.Seconds())
}

// wait returns how long the next commit has to wait.
func (a *allowance) wait(change bool, now time.Time) time.Duration {
	if b := a.bucket(change, now); b.bytes < 0 {
		return time.Duration(-b.bytes / allowRate * float64(time.Second))
	}
	return 0
}

// bucket is a token bucket.
type bucket struct {
	bytes float64 // that may be written now; negative: a debt
	at    time.Time
}

func (b *bucket) fill(most float64, now time.Time) {
	if b.at.IsZero() {
		b.bytes = most
	} else {
		b.bytes = min(b.bytes+now.Sub(b.at).Seconds()*allowRate, most)
	}
	b.at = now
}
