package walker

import (
	"runtime"
	"time"
)

// Options configure a Pool. The zero value is valid.
type Options struct {
	// Workers is how many directories are listed at once. 0 means four times the number
	// of processors, but at least 8 and at most 32. More workers than processors pay off
	// when the cache is cold (90,000 directories took 23.3 s with one worker, 7.3 s with
	// 4, 5.3 s with 16 and 3.8 s with 32) and cost nothing measurable when it is warm.
	Workers int
	// PerDevice is how many directories of one device (st_dev) are listed at once. 0
	// means no limit besides Workers.
	PerDevice int
	// DeviceLimit, if not nil, returns how many directories of a device are listed at
	// once, in place of PerDevice. 0 means no limit besides Workers. It must be safe for
	// concurrent use and must not block.
	DeviceLimit func(dev uint64) int
	// BigDir is the number of entries above which a listing is returned in parts of that
	// size. 0 means 8192.
	BigDir int
	// Stamp is called on a worker when a directory has been opened, before anything is
	// read from it. The result becomes the Stamp of the listing. nil means a counter of
	// the pool. It must be safe for concurrent use and must not block.
	Stamp func() uint64
	// StuckAfter is how long one system call may take before its worker is considered
	// stuck (for instance on a dead network mount) and its directory ends with ErrStuck.
	// 0 means 30 s. Time spent in Visit does not count.
	StuckAfter time.Duration
	// MaxStuck is how many stuck workers are replaced by new ones at any time. If more
	// are stuck, the pool has fewer workers until their system calls return. 0 means 8;
	// a negative value means that none is replaced.
	MaxStuck int
	// Device, if not nil, returns the device (st_dev) of a directory in Spec.Dirs or
	// Job.Add without accessing it, or 0 if it is unknown until the directory is opened.
	// When two workers are stuck on a device, queued directories known to lie on it end
	// with ErrStuck at once. It must be safe for concurrent use and must not block.
	Device func(dir string) uint64
	// OnAccess, if not nil, is called on a worker before each system call that may add
	// an inode to the kernel's caches. It must be safe for concurrent use. A worker
	// counts as stuck if it takes too long.
	OnAccess func()
	// OnStuck, if not nil, is called for each stuck worker, with the directory it is
	// listing and for how long it has been stuck. It is called on a separate goroutine.
	OnStuck func(worker int, dir string, since time.Duration)
}

// withDefaults returns o with every zero value replaced.
func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = min(max(4*runtime.NumCPU(), 8), 32)
	}
	if o.BigDir <= 0 {
		o.BigDir = 8192
	}
	if o.StuckAfter <= 0 {
		o.StuckAfter = 30 * time.Second
	}
	if o.MaxStuck == 0 {
		o.MaxStuck = 8
	}
	return o
}
