package store

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Errors of a file that lost its name while the database is open. All goes on with
// what has no name, and is lost when the database is closed.
var (
	// ErrGone: there is nothing at Path any more. Compact makes a new file there.
	ErrGone = errors.New("store: the database's file was removed")
	// ErrReplaced: there is another file at Path, which this Store never touches.
	ErrReplaced = errors.New("store: another file has taken the place of the database's")
)

// Named returns nil where the file in use is the one at Path, else ErrGone,
// ErrReplaced or why that cannot be told. It costs one look at the path and waits for
// nobody; while Compact is under way, which sees to it, it returns nil.
func (s *Store) Named() error {
	if !s.compacting.TryLock() {
		return nil
	}
	defer s.compacting.Unlock()
	return s.namedNow()
}

// namedNow is Named for who compacts.
func (s *Store) namedNow() error {
	h, err := s.files.take()
	if err != nil {
		return err
	}
	defer s.files.release(h)
	return named(h.file, s.path)
}

func named(file *os.File, path string) error {
	mine, err := file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrGone
	case err != nil:
		return err
	case !os.SameFile(mine, there):
		return ErrReplaced
	}
	return nil
}

// errCopyGone ends a compaction whose copy was removed, or replaced.
var errCopyGone = errors.New("store: the copy was removed")

// putInPlace gives the copy the name of h, which both are locked by this process.
// Where h has lost it, it may be that of a database that another process has made
// and locked meanwhile, which is left alone.
func (c *compaction) putInPlace(h *handle) error {
	from, to := compactName(c.s.path), c.s.path
	if named(c.to.file, from) != nil { // who makes a new database removes it
		return errCopyGone
	}
	err := named(h.file, to)
	switch {
	case err == nil:
		return os.Rename(from, to)
	case !errors.Is(err, ErrGone):
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// A file system that cannot: a hard link fails on a taken name too.
		if err = os.Link(from, to); err == nil {
			err = os.Remove(from)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return ErrReplaced
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
