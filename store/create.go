package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// create makes an empty database at path, or none. Where another process was
// quicker, its database stands.
func create(path string, o *Options) (err error) {
	tmp := fmt.Sprintf("%s.new-%016x", path, rand.Uint64())
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
	db.AllocSize = 1 << 20
	hook, err := hookBolt(o, db, file, true)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	h := &handle{db: db, file: file, hook: hook}
	if err := errors.Join(db.Update(initialise), h.sync(), db.Close()); err != nil {
		return err
	}
	if err := o.renameNew(tmp, path); err != nil {
		return err
	}
	return o.syncDir(filepath.Dir(path))
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
			return os.Remove(from)
		}
		return os.Rename(from, to)
	}
	if errors.Is(err, unix.EEXIST) {
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

func (o *Options) syncDir(dir string) error {
	return o.at(Point{Op: OpSyncDir, Path: dir}, func() error {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(d.Sync(), d.Close())
	})
}
