package watch

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"indexd/internal/cgroup"
)

const (
	// DefaultShare is the share of the limit to use, in percent. The limit applies to a
	// user, not to a process; the rest is for the editors and file managers of the same
	// user, which fail badly without watches.
	DefaultShare = 80
	// watchMemory is roughly what the kernel charges a cgroup for one watch, in bytes.
	// Most of it is for the ext4 inode, which the watch keeps in memory.
	watchMemory = 1280
	// memoryShare is the inverse of the share of a cgroup's memory that watches may use.
	memoryShare = 3
	// budgetAge is how long a budget that proved too large, or a limit that was reached,
	// is considered valid. After that, the limits are read again.
	budgetAge = time.Minute
)

// Sysctl is the name of the kernel's limit on watches per user.
const Sysctl = "fs.inotify.max_user_watches"

// Limits are the limits on watches.
type Limits struct {
	Watches int   // per user
	Memory  int64 // of the cgroup, in bytes; 0 means none
}

// SystemLimits reads the limits of this system and of the cgroup of this process.
func SystemLimits() (Limits, error) {
	n, err := readNumber("/proc/sys/fs/inotify/max_user_watches")
	if err != nil {
		return Limits{}, err
	}
	return Limits{Watches: int(min(n, 1<<31-1)), Memory: cgroup.MemoryLimit()}, nil
}

func readNumber(name string) (int64, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// Needed returns the value of Sysctl of which share percent are enough for dirs watches,
// rounded up to a multiple of 1024.
func Needed(dirs, share int) int {
	n := (dirs*100 + share - 1) / share
	return (n + 1023) &^ 1023
}

// budget is how many watches may be used.
type budget struct {
	share     int
	checkedAt time.Time // when the limits were read, or proved too large
	reached   bool      // the kernel has refused a watch before

	allowed, limit atomic.Int64
}

// read sets the budget from the limits.
func (b *budget) read(limits func() (Limits, error)) error {
	l, err := limits()
	if err != nil {
		return err
	}
	may := int64(l.Watches) * int64(b.share) / 100
	if l.Memory > 0 {
		may = min(may, l.Memory/memoryShare/watchMemory)
	}
	b.checkedAt = time.Now()
	b.allowed.Store(may)
	b.limit.Store(int64(l.Watches))
	return nil
}

// allows reports whether there may be more than n watches.
func (b *budget) allows(n int, limits func() (Limits, error)) bool {
	if int64(n) < b.allowed.Load() {
		return true
	}
	if time.Since(b.checkedAt) < budgetAge || b.read(limits) != nil {
		return false
	}
	return int64(n) < b.allowed.Load()
}

// exhausted records that the kernel allows no more than n watches. It reports whether
// this is the first time.
func (b *budget) exhausted(n int) bool {
	was := b.reached
	b.checkedAt, b.reached = time.Now(), true
	b.allowed.Store(int64(n))
	return !was
}

// unavailable explains why there is no inotify instance.
func unavailable(err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EMFILE):
		hint = " (this user has reached fs.inotify.max_user_instances, or too many files are open)"
	case errors.Is(err, syscall.ENOSPC):
		hint = " (this user has reached " + Sysctl + ")"
	}
	return fmt.Errorf("%w: %w%s", ErrUnavailable, err, hint)
}
