package dbfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// errReplaced says that another process compacted the database while this one waited
// for its lock, which is then on a file without a name.
var errReplaced = errors.New("store: the database was replaced")

func openOnce(path string, o Options, schema Schema) (*File, error) {
	f := &File{path: path, opt: o, schema: schema, log: o.Logger, damaged: make(chan struct{})}
	err := f.inspect()
	if errors.Is(err, fs.ErrNotExist) && !o.ReadOnly {
		if err = f.create(); err == nil {
			f.verified = true
			err = f.inspect()
		}
	}
	if err != nil {
		return nil, err
	}
	h, err := openBolt(path, o)
	if err != nil {
		return nil, err
	}
	f.pageSize = h.pageSize
	if named(h.file, path) != nil {
		err = errReplaced
	} else if !o.ReadOnly {
		// The process that named it may have been killed before the name was synced.
		err = o.syncDir(filepath.Dir(path))
	}
	if err == nil {
		err = schema.Start(h.db, func() error { return f.checkPages(context.Background(), h.file, true) })
	}
	if err != nil {
		return nil, closeBolt(h.db, h.file, err)
	}
	if !o.ReadOnly {
		f.removeLeftovers()
	}
	f.files.replace(h)
	return f, nil
}

// closeBolt closes db because of err. If a page is broken, bbolt may have panicked
// with its locks held, for which its Close would wait forever: then the file is only
// unlocked, and the mapping stays.
func closeBolt(db *bolt.DB, file *os.File, err error) error {
	if errors.Is(err, ErrDamaged) {
		unlock(file)
		return err
	}
	return errors.Join(err, db.Close())
}

// unlock unlocks and closes a file. Closing is not enough: a mapping that bbolt left
// behind keeps the file open, and locked.
func unlock(file *os.File) {
	if file != nil {
		_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
		_ = file.Close()
	}
}

// openBolt opens a file with bbolt, whose panics become errors. It does not write to
// the file; bbolt would, but only to one without a list of free pages.
func openBolt(path string, o Options) (*handle, error) {
	return openBoltFile(path, o, func(name string, flag int, perm fs.FileMode) (*os.File, error) {
		// Not with bbolt's O_CREATE: the new file would not be a database yet.
		return os.OpenFile(name, flag&^os.O_CREATE, perm)
	})
}

// openBoltFile is openBolt for the file that open opens.
func openBoltFile(path string, o Options, open func(string, int, fs.FileMode) (*os.File, error)) (h *handle, err error) {
	var db *bolt.DB
	var file *os.File
	empty := false
	try := func(size int) error {
		return CatchCorruption(func() (err error) {
			db, err = bolt.Open(path, 0o600, &bolt.Options{
				ReadOnly:        o.ReadOnly,
				Timeout:         o.Timeout,
				FreelistType:    bolt.FreelistMapType,
				InitialMmapSize: size,
				MaxSize:         o.MaxSize,
				OpenFile: func(name string, flag int, perm fs.FileMode) (f *os.File, err error) {
					err = o.at(Point{Op: OpOpen, Path: name}, func() error {
						file, err = open(name, flag, perm)
						return err
					})
					if err != nil {
						return nil, err
					}
					fi, err := file.Stat()
					empty = err == nil && fi.Size() == 0
					return file, err
				},
			})
			return openErr(err)
		})
	}
	size := 0
	if !o.ReadOnly {
		size = o.MapSize
		if size == 0 {
			size = 1 << min(36, strconv.IntSize-3)
		}
	}
	err = try(size)
	for size > 0 && errors.Is(err, unix.ENOMEM) { // a limit on address space
		size >>= 3
		err = try(size)
	}
	if err != nil {
		unlock(file)
		return nil, err
	}
	db.AllocSize = o.growBy()
	hook, err := hookBolt(&o, db, file, empty)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &handle{db: db, file: file, hook: hook, pageSize: db.Info().PageSize}, nil
}

// openErr translates bbolt's errors to those of this package.
func openErr(err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return ErrLocked
	case errors.Is(err, berrors.ErrDatabaseNotOpen), errors.Is(err, berrors.ErrTxClosed):
		return ErrClosed
	case errors.Is(err, berrors.ErrDatabaseReadOnly):
		return ErrReadOnly
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return ErrFull
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// inspect checks the file without opening it as a database, because bbolt would write
// to a file that it did not make and crash over one that is shorter than its pages.
func (f *File) inspect() error {
	file, err := openPlain(f.path, f.opt.Timeout)
	if err != nil {
		return err
	}
	defer file.Close()
	return f.checkPages(context.Background(), file, false)
}

// openPlain opens a file that can be a database for reading, once no process writes
// to it. It returns ErrLocked after timeout, ErrNotDatabase, or the system's error.
func openPlain(path string, timeout time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err = canBeDatabase(f); err == nil {
		err = waitShared(f, timeout)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// canBeDatabase returns ErrNotDatabase for an empty file and for what is not a
// regular file.
func canBeDatabase(f *os.File) error {
	fi, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%w: not a regular file", ErrNotDatabase)
	case fi.Size() == 0:
		return fmt.Errorf("%w: the file is empty", ErrNotDatabase)
	}
	return nil
}

// waitShared takes a shared lock on f, or returns ErrLocked after timeout.
func waitShared(f *os.File, timeout time.Duration) error {
	for end := time.Now().Add(timeout); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
		switch {
		case !errors.Is(err, unix.EWOULDBLOCK):
			return err
		case time.Now().After(end):
			return ErrLocked
		}
	}
}

// checkPages checks the pages of file, or only the branch pages of large buckets.
func (f *File) checkPages(ctx context.Context, file *os.File, all bool) error {
	return pageCheck{all: all, large: f.schema.Large}.check(ctx, file)
}
