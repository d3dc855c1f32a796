package store

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

// create makes an empty database at path, or none. Where another process was
// quicker, its database stands. Its name is not safe from a power cut yet.
func create(path string, o *Options) (err error) {
	tmp := fmt.Sprintf("%s%016x", newName(path), rand.Uint64())
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
		OpenFile: func(name string, flag int, perm fs.FileMode) (f *os.File, err error) {
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
	if err := errors.Join(db.Update(initialise), h.sync(), db.Close()); err != nil {
		return err
	}
	return o.renameNew(tmp, path)
}

// newName is what the names of files begin with that are to become the database.
func newName(path string) string { return path + ".new-" }

// IsTemporary reports whether name is that of a file which a Store makes for a moment
// beside its database at path, to rename or remove it.
func IsTemporary(path, name string) bool {
	return name == compactName(path) || strings.HasPrefix(name, newName(path))
}

// removeLeft removes what who was interrupted has left beside the database, which
// the caller has locked. Where another process is about to make one meanwhile, it
// finds that it came too late.
func (o *Options) removeLeft(path string) {
	if o.remove(compactName(path)) == nil {
		o.Logger.Info("removed what an interrupted compaction left", "file", compactName(path))
	}
	dir, base := filepath.Split(newName(path))
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), base) && o.remove(dir+e.Name()) == nil {
			o.Logger.Info("removed what an interrupted start left", "file", dir+e.Name())
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

// renameNew renames a file to a name that is not taken. Where it is taken the
// file is removed instead.
func (o *Options) renameNew(from, to string) error {
	return o.at(Point{Op: OpRename, Path: from, To: to}, func() error { return renameNew(from, to) })
}

func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// A file system that cannot: a hard link fails on a taken name too.
		if err = os.Link(from, to); err == nil || errors.Is(err, fs.ErrExist) {
			err = os.Remove(from)
		} else {
			err = os.Rename(from, to)
		}
	}
	if errors.Is(err, unix.EEXIST) {
		err = os.Remove(from)
	}
	if errors.Is(err, fs.ErrNotExist) {
		// Who has made the database has removed it: removeLeft.
		if _, there := os.Lstat(to); there == nil {
			return nil
		}
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

// syncDir makes the names in a directory safe, where the file system knows how to.
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
