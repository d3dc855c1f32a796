package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// doubt is what a commit leaves behind that failed in bbolt. Where the write or
// the sync of its meta page failed, the page cache, through which bbolt sees the
// file, may show the commit, and the disk may not, or the other way round; and
// bbolt has made the list of free pages anew from whichever it saw. What it wrote
// next could destroy the only state that is on the disk. So after any failure the
// last good commit is made what both show, and the file is opened anew, before
// anything else is written.
type doubt struct {
	good uint64 // txid of the last commit that did not fail
}

// errDoubt ends a compaction during which a commit failed.
var errDoubt = errors.New("store: a change could not be written meanwhile")

// doubted notes that a commit on h failed. The writer is held.
func (s *Store) doubted(h *handle, good uint64) {
	s.doubt = &doubt{good: good}
	s.stopCompacting(errDoubt)
	// Readers see the last good commit again, whatever the disk has. What they
	// began to read of the failed one stays as it is until they end.
	_, _ = s.takeBack(h, good)
}

// dispel does away with a doubt, if there is one. With an error nothing may be
// written yet. It waits for the snapshots that were taken before. The writer is held.
func (s *Store) dispel() error {
	d := s.doubt
	if d == nil {
		return nil
	}
	h, err := s.files.take()
	if err != nil {
		return err
	}
	next, size, err := s.openAgain(h, d.good)
	if err != nil {
		s.files.release(h)
		return fmt.Errorf("go on after a failed commit: %w", err)
	}
	// Pages that are free now may be in use by snapshots of the old handle, of
	// which the new one knows nothing.
	s.files.replace(next)
	s.files.release(h)
	<-h.closed
	if err := relock(next.file); err != nil {
		return err
	}
	// What the failed commit wrote beyond the end of the good one is not written
	// over but given back: ext4 fails to note that such a block is in use where it
	// fails to write it, does not try again when the page is written again, and
	// calls that synced. After a power cut there were zeros in it.
	if err := s.truncate(next, size); err != nil {
		return err
	}
	s.doubt = nil
	return nil
}

// openAgain opens h's file a second time, as its last good commit left it, and
// returns how much of it is that commit's.
func (s *Store) openAgain(h *handle, good uint64) (next *handle, size int64, err error) {
	meta, err := s.takeBack(h, good)
	if err == nil {
		err = s.opt.at(Point{Op: OpSync, Path: s.path}, h.file.Sync)
	}
	if err != nil {
		return nil, 0, err
	}
	// By a copy of the descriptor: the lock on the file is that of both.
	next, err = openBoltFile(s.path, s.opt, func(string, int, fs.FileMode) (*os.File, error) {
		fd, err := unix.FcntlInt(h.file.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, os.NewSyscallError("dup", err)
		}
		return os.NewFile(uintptr(fd), s.path), nil
	})
	if err != nil {
		return nil, 0, errors.Join(err, relock(h.file)) // bbolt unlocked it
	}
	next.setSync(h.synced())
	return next, int64(meta.pages) * int64(meta.pageSize), nil
}

// relock takes the lock on a file again, of which a copy was unlocked.
func relock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// truncate gives back what a file has beyond size.
func (s *Store) truncate(h *handle, size int64) error {
	fi, err := h.file.Stat()
	if err != nil || fi.Size() <= size {
		return err
	}
	err = s.opt.at(Point{Op: OpTruncate, Path: s.path, Off: size}, func() error { return h.file.Truncate(size) })
	if err == nil && h.hook != nil {
		h.hook.size = size
	}
	return err
}

// takeBack makes the commit good the newest of a file: the other meta page, which
// a later commit that failed may have written, is made another of the same state.
func (s *Store) takeBack(h *handle, good uint64) (boltMeta, error) {
	page := make([]byte, s.pageSize)
	at := int64(good % 2)
	if _, err := h.file.ReadAt(page, at*int64(s.pageSize)); err != nil {
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
	off := (1 - at) * int64(s.pageSize)
	return m, s.opt.at(Point{Op: OpWrite, Path: s.path, Off: off, Data: page}, func() error {
		_, err := h.file.WriteAt(page, off)
		return err
	})
}

// decodeMeta reads what bbolt calls a meta; false: it does not fit its checksum.
func decodeMeta(b []byte) (boltMeta, bool) {
	m := boltMeta{u32(b[4:]), u32(b[8:]), u64(b[16:]), u64(b[32:]), u64(b[40:]), u64(b[48:])}
	return m, u32(b) == boltMagic && u64(b[metaLen-8:]) == metaSum(b)
}

func metaSum(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b[:metaLen-8])
	return h.Sum64()
}
