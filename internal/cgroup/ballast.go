package cgroup

import (
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// ballastSize is the maximum size of a ballast in bytes.
	ballastSize = 8 << 20
	// ballastPerAccess is the share of the ballast per accessed file; the ballast is
	// filled up after as many accesses as there are shares. It is about twenty times
	// what the kernel keeps per file. A quarter of it was too little in one run out of
	// four.
	ballastPerAccess = 32 << 10
)

// Ballast is page cache that can be reclaimed at any time, for a memory-limited cgroup in
// which many files are accessed. ext4 allocates inodes with GFP_NOFS. With that flag, the
// kernel can reclaim page cache but no inodes. If nearly all memory of the cgroup is used
// by inodes, it then kills a process although there is plenty to reclaim. A ballast
// ensures that there is always some page cache to reclaim. Filling it up again allocates
// without that flag, so that inodes are reclaimed too, and nothing is killed if there are
// none.
type Ballast struct {
	f        *os.File // without a name or blocks; never read or written
	size     int64
	every    int64 // accesses between two fills
	accesses atomic.Int64
}

// NewBallast returns a ballast for a cgroup with the given memory limit in bytes. It uses
// a sixteenth of the limit, but at least 4 and at most 8 MiB, of an unnamed file in dir.
// Close releases it. An error means that the file system does not support unnamed files.
func NewBallast(dir string, limit int64) (*Ballast, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open with O_TMPFILE", Path: dir, Err: err}
	}
	size := min(max(limit/16, ballastSize/2), ballastSize)
	b := &Ballast{f: os.NewFile(uintptr(fd), dir), size: size, every: size / ballastPerAccess}
	if err := b.f.Truncate(size); err != nil {
		_ = b.f.Close()
		return nil, err
	}
	return b, nil
}

// Accessed must be called before each access to a file. It may be called from any
// goroutine, and may take long if no memory is left.
func (b *Ballast) Accessed() {
	if b.accesses.Add(1)%b.every == 0 {
		b.fill()
	}
}

// fill reads the whole file into the page cache, as far as there is room.
func (b *Ballast) fill() {
	_ = unix.Fadvise(int(b.f.Fd()), 0, b.size, unix.FADV_WILLNEED) // only advice
}

// Close releases the ballast, which must not be used afterwards.
func (b *Ballast) Close() error { return b.f.Close() }
