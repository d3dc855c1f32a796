package dbfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// failedCommit is a commit that failed in bbolt. If the write or the sync of its meta
// page failed, the page cache, through which bbolt sees the file, may show the commit
// while the disk does not have it, or the other way round; and bbolt has rebuilt its
// list of free pages from whichever it saw. What it wrote next could destroy the only
// state that is on the disk. So after any failure the last good commit is restored in
// both, and the file is opened again, before anything else is written.
type failedCommit struct {
	good uint64 // txid of the last commit that succeeded
}

// errCommitFailed ends a compaction during which a commit failed.
var errCommitFailed = errors.New("store: a change could not be written meanwhile")

// noteFailedCommit records that a commit on h failed. The writer is held.
func (f *File) noteFailedCommit(h *handle, good uint64) {
	f.failed = &failedCommit{good: good}
	f.stopCompacting(errCommitFailed)
	// New snapshots see the last good commit again, whatever the disk has. Those
	// that began to read the failed one keep it until they end.
	_, _ = f.restoreMeta(h, good)
}

// recover completes the recovery from a failed commit, if there was one. If it returns
// an error nothing may be written yet. It waits for the snapshots that were taken
// before. The writer is held.
func (f *File) recover() error {
	failed := f.failed
	if failed == nil {
		return nil
	}
	h, err := f.files.take()
	if err != nil {
		return err
	}
	next, size, err := f.reopen(h, failed.good)
	if err != nil {
		f.files.release(h)
		return fmt.Errorf("go on after a failed commit: %w", err)
	}
	// Pages that are free now may be in use by snapshots of the old handle, which
	// the new one does not know.
	f.files.replace(next)
	f.files.release(h)
	<-h.closed
	if err := relock(next.file); err != nil {
		return err
	}
	// What the failed commit wrote beyond the end of the good one is not overwritten
	// but truncated: when ext4 fails to write such a block it does not record that
	// the block is in use, does not try again when the page is written again, and
	// reports that as synced. After a power cut there were zeros in it.
	if err := f.truncate(next, size); err != nil {
		return err
	}
	f.failed = nil
	return nil
}

// reopen opens h's file a second time, as its last good commit left it, and returns
// the size that the file had then.
func (f *File) reopen(h *handle, good uint64) (next *handle, size int64, err error) {
	meta, err := f.restoreMeta(h, good)
	if err == nil {
		err = f.opt.at(Point{Op: OpSync, Path: f.path}, h.file.Sync)
	}
	if err != nil {
		return nil, 0, err
	}
	// Through a copy of the descriptor, since both share one lock.
	next, err = openBoltFile(f.path, f.opt, func(string, int, fs.FileMode) (*os.File, error) {
		fd, err := unix.FcntlInt(h.file.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, os.NewSyscallError("dup", err)
		}
		return os.NewFile(uintptr(fd), f.path), nil
	})
	if err != nil {
		return nil, 0, errors.Join(err, relock(h.file)) // bbolt unlocked it
	}
	next.setSync(h.synced())
	return next, int64(meta.pages) * int64(meta.pageSize), nil
}

// relock locks a file again after a copy of its descriptor was unlocked.
func relock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// truncate cuts the file at size.
func (f *File) truncate(h *handle, size int64) error {
	fi, err := h.file.Stat()
	if err != nil || fi.Size() <= size {
		return err
	}
	err = f.opt.at(Point{Op: OpTruncate, Path: f.path, Off: size}, func() error { return h.file.Truncate(size) })
	if err == nil && h.hook != nil {
		h.hook.size = size
	}
	return err
}

// restoreMeta makes the commit good the newest one of a file: it overwrites the other
// meta page, which a failed commit may have written, with a copy of the good one.
func (f *File) restoreMeta(h *handle, good uint64) (boltMeta, error) {
	page := make([]byte, f.pageSize)
	at := int64(good % 2)
	if _, err := h.file.ReadAt(page, at*int64(f.pageSize)); err != nil {
		return boltMeta{}, err
	}
	b := page[pageHeader:][:metaLen]
	m, ok := decodeMeta(b)
	if !ok || m.txid != good {
		return m, fmt.Errorf("%w: its last commit is gone", ErrDamaged)
	}
	binary.NativeEndian.PutUint64(page, uint64(1-at))
	binary.NativeEndian.PutUint64(b[48:], good-1)
	binary.NativeEndian.PutUint64(b[metaLen-8:], metaSum(b))
	off := (1 - at) * int64(f.pageSize)
	return m, f.opt.at(Point{Op: OpWrite, Path: f.path, Off: off, Data: page}, func() error {
		_, err := h.file.WriteAt(page, off)
		return err
	})
}

// decodeMeta decodes bbolt's meta. It returns false if the checksum does not match.
func decodeMeta(b []byte) (boltMeta, bool) {
	m := boltMeta{u32(b[4:]), u32(b[8:]), u64(b[16:]), u64(b[32:]), u64(b[40:]), u64(b[48:])}
	return m, u32(b) == boltMagic && u64(b[metaLen-8:]) == metaSum(b)
}

func metaSum(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b[:metaLen-8])
	return h.Sum64()
}
