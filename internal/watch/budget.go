package watch

import (
	"bufio"
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
	// DefaultShare of the limit, in percent. The limit is a user's, not a
	// process's: what is left is for the editors and file managers of the same
	// user, which fail badly without.
	DefaultShare = 80
	// watchMemory is about what the kernel charges a cgroup for one watch, in
	// bytes: most of it is for the inode of ext4, which it then keeps.
	watchMemory = 1280
	// memoryShare of what a cgroup may use, one in so many, is for watches.
	memoryShare = 3
	// budgetAge is how long a budget that was found too large, or a limit that
	// was reached, is believed; then the limits are read anew.
	budgetAge = time.Minute
)

// Sysctl names the kernel's setting for how many watches a user may have.
const Sysctl = "fs.inotify.max_user_watches"

// Limits on watches.
type Limits struct {
	Watches int   // of a user
	Memory  int64 // of the cgroup, in bytes; 0: none
}

// SystemLimits reads the limits of this system and of this process's cgroup.
func SystemLimits() (Limits, error) {
	n, err := readNumber("/proc/sys/fs/inotify/max_user_watches")
	if err != nil {
		return Limits{}, err
	}
	return Limits{Watches: int(min(n, 1<<31-1)), Memory: cgroup.MemoryLimit()}, nil
}

func readNumber(name string) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	line, _ := bufio.NewReader(f).ReadString('\n')
	return strconv.ParseInt(strings.TrimSpace(line), 10, 64)
}

// Needed returns the value of Sysctl with which a share in percent of it is
// dirs watches, rounded up to a multiple of 1024.
func Needed(dirs, share int) int {
	n := (dirs*100 + share - 1) / share
	return (n + 1023) &^ 1023
}

// budget is how many watches there may be.
type budget struct {
	share     int
	checkedAt time.Time // when the limits were read, or found too large
	reached   bool      // they once were

	allowed, limit atomic.Int64
}

// read makes the budget what the limits give.
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

// allows reports whether there may be one more than n watches.
func (b *budget) allows(n int, limits func() (Limits, error)) bool {
	if int64(n) < b.allowed.Load() {
		return true
	}
	if time.Since(b.checkedAt) < budgetAge || b.read(limits) != nil {
		return false
	}
	return int64(n) < b.allowed.Load()
}

// exhausted says that the kernel gave no more than n. It reports whether that
// is news.
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
		hint = " (fs.inotify.max_user_instances of this user are in use, or as many files are open as may be)"
	case errors.Is(err, syscall.ENOSPC):
		hint = " (" + Sysctl + " of this user are in use)"
	}
	return fmt.Errorf("%w: %w%s", ErrUnavailable, err, hint)
}
