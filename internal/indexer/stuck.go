package indexer

import (
	"context"
	"errors"
	"sync"
	"time"

	"indexd/internal/watch"
	"indexd/store/record"
)

// stuckAfter is how long a system call may take before its file system counts as stuck.
const stuckAfter = 30 * time.Second

// maxStuck is how many stuck workers are replaced. Each of several mounts of a server that
// is gone may take a whole pool of them.
const maxStuck = 128

// errStuck says that a file system does not answer.
var errStuck = errors.New("its file system does not answer")

// patiently calls fn on a goroutine of its own. If fn has not returned after patience, or
// when ctx ends, the goroutine is left behind in a system call that nothing can interrupt,
// and late, which is nil otherwise, receives the result once there is one.
func patiently[T any](ctx context.Context, patience time.Duration, fn func() T) (result T, late <-chan T) {
	done := make(chan T, 1)
	go func() { done <- fn() }()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case result = <-done:
		return result, nil
	case <-limit.C:
	case <-ctx.Done():
	}
	return result, done
}

// stuckDevices knows the volumes in which a system call of a pass does not return, so that
// no more calls are made there meanwhile.
type stuckDevices struct {
	mu sync.Mutex
	m  map[record.Volume]int
}

// add changes the number of stuck calls in a volume and returns it.
func (d *stuckDevices) add(v record.Volume, n int) (left int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.m == nil {
		d.m = make(map[record.Volume]int)
	}
	if d.m[v] += n; d.m[v] <= 0 {
		delete(d.m, v)
	}
	return d.m[v]
}

func (d *stuckDevices) has(v record.Volume) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.m[v] > 0
}

// deviceOf is walker.Options.Device, for file systems that may get stuck.
func (c *core) deviceOf(dir string) uint64 {
	if m := c.mounts.Load(); m != nil {
		if v, ok := m.find(dir); ok && !watch.Local(v.mount.FSType) {
			return v.mount.Dev
		}
	}
	return 0
}
