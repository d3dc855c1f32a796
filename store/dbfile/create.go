package dbfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// create makes a database at the path, or nothing. If another process was faster, its
// database stays. The new name is not synced yet.
func (f *File) create() (err error) {
	o := &f.opt
	tmp := fmt.Sprintf("%s%016x", newName(f.path), rand.Uint64())
	if err := o.createFile(tmp, os.O_EXCL); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = o.remove(tmp)
		}
	}()
	var file *os.File
	db, err := bolt.Open(tmp, 0o600, &bolt.Options{
		Timeout: o.Timeout, FreelistType: bolt.FreelistMapType, NoGrowSync: false,
		OpenFile: func(name string, flag int, perm fs.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, perm)
			return file, err
		},
	})
	if err != nil {
		return err
	}
	db.AllocSize = o.growBy()
	hook, err := hookBolt(o, db, file, true)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	h := &handle{db: db, file: file, hook: hook}
	if err := errors.Join(db.Update(f.schema.Init), h.sync(), db.Close()); err != nil {
		return err
	}
	return o.at(Point{Op: OpRename, Path: tmp, To: f.path}, func() error { return renameNew(tmp, f.path) })
}

// newName is the prefix of the temporary names of new databases.
func newName(path string) string { return path + ".new-" }

// compactName is the name of the copy that Compact makes. There is never more than
// one, because the process that makes it has the database locked.
func compactName(path string) string { return path + ".compact" }

// IsTemporary reports whether name is that of a file which exists for a moment beside
// the database at path, to be renamed or removed.
func IsTemporary(path, name string) bool {
	return name == compactName(path) || strings.HasPrefix(name, newName(path))
}

// removeLeftovers removes the temporary files that interrupted processes have left
// beside the database, which the caller has locked. A process that is about to make
// a new database at the same time finds that it came too late.
func (f *File) removeLeftovers() {
	if f.opt.remove(compactName(f.path)) == nil {
		f.log.Info("removed the file of an interrupted compaction", "file", compactName(f.path))
	}
	dir, base := filepath.Split(newName(f.path))
	list, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil {
		return
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), base) && f.opt.remove(dir+e.Name()) == nil {
			f.log.Info("removed the file of an interrupted start", "file", dir+e.Name())
		}
	}
}

// createFile makes an empty file.
func (o *Options) createFile(name string, flag int) error {
	return o.at(Point{Op: OpCreate, Path: name}, func() error {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|flag, 0o600)
		if err != nil {
			return err
		}
		return f.Close()
	})
}

// renameNew renames a file unless the new name is taken; then it removes the file.
func renameNew(from, to string) error {
	err := renameNoReplace(from, to)
	switch {
	case errors.Is(err, fs.ErrExist):
		err = os.Remove(from)
	case err != nil: // the file system has neither RENAME_NOREPLACE nor hard links
		err = os.Rename(from, to)
	}
	if errors.Is(err, fs.ErrNotExist) {
		// The process that made the database has removed it, see removeLeftovers.
		if _, there := os.Lstat(to); there == nil {
			return nil
		}
	}
	return err
}

// renameNoReplace renames a file, or returns an fs.ErrExist if the new name is taken.
func renameNoReplace(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// The file system cannot do that. A hard link fails on a taken name too.
		if err := os.Link(from, to); err != nil {
			return err
		}
		return os.Remove(from)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func (o *Options) remove(name string) error {
	if o.Faults == nil {
		return os.Remove(name)
	}
	if _, err := os.Lstat(name); err != nil {
		return err
	}
	return o.at(Point{Op: OpRemove, Path: name}, func() error { return os.Remove(name) })
}

// syncDir syncs the names in a directory, if the file system can do that.
func (o *Options) syncDir(dir string) error {
	return o.at(Point{Op: OpSyncDir, Path: dir}, func() error {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		err = d.Sync()
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
			err = nil
		}
		return errors.Join(err, d.Close())
	})
}
