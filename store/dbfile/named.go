package dbfile

import (
	"errors"
	"io/fs"
	"os"
)

// Errors of a file that lost its name while it is open. Everything goes on with the
// nameless file, which is lost when it is closed.
var (
	// ErrGone means that there is nothing at Path any more. Compact makes a new
	// file there.
	ErrGone = errors.New("store: the database's file was removed")
	// ErrReplaced means that there is another file at Path. It is never touched.
	ErrReplaced = errors.New("store: another file has taken the place of the database's")
)

// Named returns nil if the file in use is the one at Path, else ErrGone, ErrReplaced
// or why that is not known. It costs one stat and does not wait; while Compact is
// running, which checks the name itself, it returns nil.
func (f *File) Named() error {
	if !f.compacting.TryLock() {
		return nil
	}
	defer f.compacting.Unlock()
	return f.namedNow()
}

// namedNow is Named for Compact.
func (f *File) namedNow() error {
	h, err := f.files.take()
	if err != nil {
		return err
	}
	defer f.files.release(h)
	return named(h.file, f.path)
}

// named returns nil if file is the one at path.
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

// putInPlace gives the copy the name of h. This process has locked both. If h has lost
// its name, the name may belong to a database that another process has made and locked
// since; then ErrReplaced is returned.
func (c *compaction) putInPlace(h *handle) error {
	from, to := compactName(c.f.path), c.f.path
	if named(c.to.file, from) != nil { // a process that makes a new database removes it
		return errCopyGone
	}
	err := named(h.file, to)
	switch {
	case err == nil:
		return os.Rename(from, to)
	case !errors.Is(err, ErrGone):
		return err
	}
	if err = renameNoReplace(from, to); errors.Is(err, fs.ErrExist) {
		return ErrReplaced
	}
	return err
}
