package walker

import (
	"runtime"
	"time"
)

// Options of a Pool. The zero value is valid.
type Options struct {
	// Workers is how many directories are listed at once; 0: four times the
	// processors, at least 8 and at most 32. More workers than processors pay
	// when the cache is cold (90,000 directories: one worker 23.3 s, 4: 7.3,
	// 16: 5.3, 32: 3.8) and cost nothing measurable when it is warm.
	Workers int
	// PerDevice is how many directories of one device (st_dev) are listed at
	// once; 0: as many as there are workers.
	PerDevice int
	// BigDir is the number of entries above which a listing is given in parts,
	// and the size of a part; 0: 8192.
	BigDir int
	// Stamp is called on a worker whenever a directory has been opened, before
	// anything is read of it; what it returns is the listing's Stamp. nil: a
	// counter of the pool's own. It must be safe for concurrent use and must not
	// block.
	Stamp func() uint64
	// StuckAfter is how long one system call may take before its worker counts
	// as stuck (a dead network mount) and its directory ends with ErrStuck;
	// 0: 30 s. Time spent in Visit never counts.
	StuckAfter time.Duration
	// MaxStuck is how many workers may be stuck and replaced by new ones at any
	// one time; further ones are missing until their system call returns.
	// 0: 8; negative: none is replaced.
	MaxStuck int
	// Device, if not nil, says on which device (st_dev) a directory of Spec.Dirs or
	// Job.Add lies, without touching it; 0: it is not known before it is opened.
	// Where two workers are stuck on a device, what is known to lie on it ends with
	// ErrStuck at once. It must be safe for concurrent use and must not block.
	Device func(dir string) uint64
	// Look, if not nil, is called on a worker before each system call that may have
	// the kernel keep a file in mind. It must be safe for concurrent use; while it
	// takes long the worker counts as stuck.
	OnAccess func()
	// OnStuck, if not nil, is told of each worker that is stuck, of the
	// directory it has in hand, and for how long. It is called on a goroutine of
	// its own.
	OnStuck func(worker int, dir string, since time.Duration)
}

// withDefaults returns o with every zero replaced.
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
