package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"indexd/store/internal/codec"
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

func open(path string, o Options) (*Store, error) {
	for {
		s, err := openOnce(path, o)
		if !errors.Is(err, errReplaced) {
			return s, err
		}
	}
}

// errReplaced says that another process compacted the database while this one
// waited for its lock, which is then on a file without a name.
var errReplaced = errors.New("store: the database was replaced")

func openOnce(path string, o Options) (*Store, error) {
	made := false
	err := inspect(path, o)
	if errors.Is(err, fs.ErrNotExist) && !o.ReadOnly {
		if err = create(path, &o); err == nil {
			made = true
			err = inspect(path, o)
		}
	}
	if err != nil {
		return nil, err
	}
	h, err := openBolt(path, o)
	if err != nil {
		return nil, err
	}
	s := &Store{
		path: path, opt: o, log: o.Logger, readOnly: o.ReadOnly, pageSize: h.db.Info().PageSize,
		damaged: make(chan struct{}), sound: made,
	}
	if err = isAt(h.file, path); err == nil && !o.ReadOnly {
		// Whoever gave it its name may have been killed before it was safe.
		err = o.syncDir(filepath.Dir(path))
	}
	if err == nil {
		err = s.start(h)
	}
	if err != nil {
		return nil, closeBolt(h.db, h.file, err)
	}
	if !o.ReadOnly {
		o.removeLeft(path)
	}
	s.files.replace(h)
	return s, nil
}

// isAt returns errReplaced where an open file is not the one at path.
func isAt(file *os.File, path string) error {
	mine, err := file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(mine, there) {
		return errReplaced
	}
	return nil
}

// closeBolt closes db, of which err was found out. Where a page is broken bbolt
// may have panicked with its locks held, for which its Close would wait for
// ever: then the file is let go and the mapping stays.
func closeBolt(db *bolt.DB, file *os.File, err error) error {
	if errors.Is(err, ErrDamaged) {
		letGo(file)
		return err
	}
	return errors.Join(err, db.Close())
}

// letGo unlocks and closes a file. To close it is not enough: a mapping that
// bbolt left behind keeps it open, and locked.
func letGo(file *os.File) {
	if file != nil {
		_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
		_ = file.Close()
	}
}

// start brings an opened database to the current schema and reads what is kept
// in memory.
func (s *Store) start(h *handle) error {
	db := h.db
	v, err := readSchema(db)
	if err != nil {
		return err
	}
	if v < schemaVersion {
		if s.readOnly {
			return fmt.Errorf("%w, %d: open it for writing once", ErrOlderSchema, v)
		}
		err := pageCheck{all: true, bucket: noValues}.check(context.Background(), h.file)
		if err != nil {
			return err
		}
		if err := migrate(db, v, schemaVersion, migrations(), s.log); err != nil {
			return err
		}
	}
	return Guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			var b buckets
			if !b.open(tx) {
				return fmt.Errorf("%w: a bucket is missing", ErrDamaged)
			}
			st, err := decodeState(b.meta.Get(keyState))
			if err != nil {
				return fmt.Errorf("%w: its counts: %w", ErrDamaged, err)
			}
			s.state.Store(&st)
			if err := checkSmall(&b); err != nil {
				return err
			}
			id, err := codec.VerifyChecksum(keyID, b.meta.Get(keyID))
			if err != nil || len(id) != len(s.id) {
				return fmt.Errorf("%w: its id", ErrDamaged)
			}
			copy(s.id[:], id)
			s.tops = make(map[string]struct{})
			return b.roots.ForEach(func(k, _ []byte) error {
				s.tops[string(k)] = struct{}{}
				return nil
			})
		})
	})
}

// openBolt opens the file as bbolt does, with its panics made errors. It does not
// write to it: bbolt would only where the file had no freelist.
func openBolt(path string, o Options) (*handle, error) {
	return openBoltFile(path, o, func(name string, flag int, perm fs.FileMode) (*os.File, error) {
		// Never bbolt's O_CREATE: its file would be no database yet.
		return os.OpenFile(name, flag&^os.O_CREATE, perm)
	})
}

// openBoltFile is openBolt of the file that open opens.
func openBoltFile(path string, o Options, open func(string, int, fs.FileMode) (*os.File, error)) (h *handle, err error) {
	var db *bolt.DB
	var file *os.File
	empty := false
	try := func(size int) error {
		return Guard(func() (err error) {
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
		letGo(file)
		return nil, err
	}
	db.AllocSize = o.growBy()
	hook, err := hookBolt(&o, db, file, empty)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &handle{db: db, file: file, hook: hook, pageSize: db.Info().PageSize}, nil
}

// openErr makes bbolt's errors ours.
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

// inspect looks at the file without opening it as a database, so that bbolt
// only gets to see what it can bear: a file that it did not make, or that is
// shorter than its pages, it would write to or crash over.
func inspect(path string, o Options) error {
	f, err := openPlain(path, o.Timeout)
	if err != nil {
		return err
	}
	defer f.Close()
	return pageCheck{bucket: noValues}.check(context.Background(), f)
}

// openPlain opens for reading a file that can be a database, once nobody writes to
// it: within timeout, else ErrLocked. Other errors are the system's and
// ErrNotDatabase.
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

// canBeDatabase returns ErrNotDatabase for what is no regular file, or empty.
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

// waitShared locks f as a reader does; ErrLocked where a writer keeps it.
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

// readSchema returns the schema version of an opened database. It returns ErrNotDatabase for
// a file of another program or of an unreleased version of this one, and ErrNewerSchema for
// a version above schemaVersion.
func readSchema(db *bolt.DB) (v int, err error) {
	err = Guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			meta := tx.Bucket(bucketMeta)
			if meta == nil {
				return fmt.Errorf("%w: another program's bbolt file", ErrNotDatabase)
			}
			val := meta.Get(keyFormat)
			switch {
			case val != nil:
			case meta.Get(keyUnreleased) != nil:
				return fmt.Errorf("%w of a released version", ErrNotDatabase)
			default:
				return fmt.Errorf("%w: another program's bbolt file", ErrNotDatabase)
			}
			b, err := codec.VerifyChecksum(keyFormat, val)
			if err != nil || len(b) != 4 {
				return fmt.Errorf("%w: its schema version", ErrDamaged)
			}
			v = int(binary.BigEndian.Uint32(b))
			if v > schemaVersion {
				return fmt.Errorf("%w (schema %d, this one knows %d)", ErrNewerSchema, v, schemaVersion)
			}
			return nil
		})
	})
	return v, err
}
