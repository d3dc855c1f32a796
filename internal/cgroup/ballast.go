package cgroup

import (
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// ballastSize is of a ballast at most, in bytes.
	ballastSize = 8 << 20
	// ballastLook is how much of a ballast there is for each file that is looked at
	// before it is filled up again: some twenty times what the kernel keeps of one.
	// A quarter of this was too little in one run of four.
	ballastLook = 32 << 10
)

// Ballast is page cache that can be given back at any time, for a control group with
// a limit on memory in which many files are looked at. ext4 asks for the memory of an
// inode in a way (GFP_NOFS) in which the kernel takes back page cache, but no other
// inodes. Where nearly all that a group has left is inodes it then kills a process of
// it, though there is much that it could take back. With a ballast there is always
// something to take; and whoever fills it up again asks in a way in which inodes are
// taken back too, and in which nobody is killed if there are none.
type Ballast struct {
	f     *os.File // has no name and no blocks: nothing is read or written
	size  int64
	every int64 // looks
	looks atomic.Int64
}

// NewBallast makes a ballast for a group with a limit of so many bytes, of which it
// takes a sixteenth, at least 4 and at most 8 MiB, of a file in dir that has no
// name. It must be closed. An error says why there is none: not every file system
// can make such a file.
func NewBallast(dir string, limit int64) (*Ballast, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open with O_TMPFILE", Path: dir, Err: err}
	}
	size := min(max(limit/16, ballastSize/2), ballastSize)
	b := &Ballast{f: os.NewFile(uintptr(fd), dir), size: size, every: size / ballastLook}
	if err := b.f.Truncate(size); err != nil {
		_ = b.f.Close()
		return nil, err
	}
	return b, nil
}

// Look is to be called before each file that is looked at. It may be called from any
// goroutine, and may take long where there is no memory left.
func (b *Ballast) Look() {
	if b.looks.Add(1)%b.every == 0 {
		b.fill()
	}
}

// fill has all of it in the page cache, or what there is room for.
func (b *Ballast) fill() {
	_ = unix.Fadvise(int(b.f.Fd()), 0, b.size, unix.FADV_WILLNEED) // only advice
}

// Close gives the ballast up. Nobody may look any more.
func (b *Ballast) Close() error { return b.f.Close() }
