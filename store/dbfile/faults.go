package dbfile

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"unsafe"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Faults observes everything that is done to the database's files, before and after, and
// can make it fail. It is for tests of crashes, power cuts, and full or broken disks.
// Without it nothing is observed, at no cost.
//
// Before an operation (Point.Done is false), an error replaces the operation, as if the
// file system had returned it: unix.ENOSPC, unix.EIO and so on. To let a write reach the
// file in part, Fault writes that part of Point.Data itself and returns an error. After
// an operation (Point.Done is true), an error is returned although the operation was
// done, as when a sync fails with some of the data on disk. To end the process between
// two steps, end it in Fault.
//
// Fault is called by the goroutine that does the operation: the writer's, and Compact's
// at the same time. It must not call the File.
//
// bbolt exposes only its writes, so its syncs are done for it, at the same places. When
// its file grows, that is reported with the first write beyond the old end, which gets
// the error.
type Faults interface {
	Fault(Point) error
}

// Point is the moment before or after an operation on a file.
type Point struct {
	Op   FileOp
	Done bool
	Path string // of the file, or of the directory of OpSyncDir
	To   string // of OpRename
	Off  int64  // of OpWrite; the new size of OpTruncate
	Data []byte // of OpWrite: only during the call
}

// FileOp is an operation on a file.
type FileOp uint8

// The operations.
const (
	OpOpen     FileOp = iota // an existing file, for reading and writing
	OpCreate                 // a file, or an existing one is emptied
	OpWrite                  // Data at Off
	OpTruncate               // the file to Off bytes: to make it longer, or to give back what a failed commit wrote
	OpSync                   // what was written to the file, and its size
	OpRename                 // Path to To
	OpRemove                 // the file
	OpSyncDir                // the names in the directory
)

func (op FileOp) String() string {
	return [...]string{"open", "create", "write", "truncate", "sync", "rename", "remove", "sync directory"}[op]
}

func (p Point) String() string {
	s := fmt.Sprintf("%v %s", p.Op, p.Path)
	switch p.Op {
	case OpWrite:
		s += fmt.Sprintf(" at %d, %d bytes", p.Off, len(p.Data))
	case OpTruncate:
		s += fmt.Sprintf(" to %d", p.Off)
	case OpRename:
		s += " to " + p.To
	}
	if p.Done {
		return "after " + s
	}
	return "before " + s
}

// at calls do between the two points of p.
func (o *Options) at(p Point, do func() error) error {
	if o.Faults == nil {
		return do()
	}
	if err := o.Faults.Fault(p); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	p.Done = true
	return o.Faults.Fault(p)
}

// boltHook intercepts bbolt's writes to one of its files.
type boltHook struct {
	o     *Options
	db    *bolt.DB
	file  *os.File
	path  string
	metas int64 // bytes of the two meta pages
	size  int64 // of the file, as reported so far
	syncs bool  // whether commits are synced, in place of NoSync
}

// hookBolt makes Faults, if there are any, observe all further writes of db. made says
// that db has just written its first pages to an empty file.
func hookBolt(o *Options, db *bolt.DB, file *os.File, made bool) (*boltHook, error) {
	if o.Faults == nil || db.IsReadOnly() {
		return nil, nil
	}
	h := &boltHook{o: o, db: db, file: file, path: file.Name(), metas: 2 * int64(db.Info().PageSize), syncs: !db.NoSync}
	f := reflect.ValueOf(db).Elem().FieldByName("ops")
	if f.IsValid() {
		f = f.FieldByName("writeAt")
	}
	if !f.IsValid() || f.Type() != reflect.TypeFor[func([]byte, int64) (int, error)]() {
		return nil, errors.New("store: this version of bbolt has no place for Faults")
	}
	*(*func([]byte, int64) (int, error))(unsafe.Pointer(f.UnsafeAddr())) = h.writeAt
	db.NoSync = true // writeAt does it
	if made {
		first := make([]byte, 2*h.metas)
		if _, err := file.ReadAt(first, 0); err != nil {
			return nil, err
		}
		h.size = int64(len(first))
		if err := o.at(Point{Op: OpWrite, Path: h.path, Data: first}, func() error { return nil }); err != nil {
			return nil, err
		}
		if err := o.at(Point{Op: OpSync, Path: h.path}, func() error { return nil }); err != nil {
			return nil, err
		}
	}
	fi, err := file.Stat()
	if err != nil {
		return nil, err
	}
	h.size = fi.Size()
	return h, nil
}

// writeAt is called by bbolt to write to its file. A transaction writes its meta page
// last, and bbolt syncs all other pages before that (writeMeta in bbolt).
func (h *boltHook) writeAt(b []byte, off int64) (n int, err error) {
	fi, err := h.file.Stat()
	if err != nil {
		return 0, err
	}
	if fi.Size() > h.size {
		if err := h.o.at(Point{Op: OpTruncate, Path: h.path, Off: fi.Size()}, func() error { return nil }); err != nil {
			return 0, err
		}
		h.size = fi.Size()
		if err := h.sync(h.syncs); err != nil {
			return 0, err
		}
	}
	meta := off < h.metas
	if err := h.sync(meta && h.syncs); err != nil {
		return 0, err
	}
	err = h.o.at(Point{Op: OpWrite, Path: h.path, Off: off, Data: b}, func() error {
		n, err = h.file.WriteAt(b, off)
		return err
	})
	if err != nil {
		return n, err
	}
	h.size = max(h.size, off+int64(n))
	return n, h.sync(meta && h.syncs)
}

func (h *boltHook) sync(wanted bool) error {
	if !wanted {
		return nil
	}
	return h.o.at(Point{Op: OpSync, Path: h.path}, func() error { return unix.Fdatasync(int(h.file.Fd())) })
}

// renamed records the new name of the file.
func (h *handle) renamed(path string) {
	if h.hook != nil {
		h.hook.path = path
	}
}

// setSync sets whether commits are synced.
func (h *handle) setSync(on bool) {
	h.db.NoGrowSync = !on
	if h.hook != nil {
		h.hook.syncs = on
	} else {
		h.db.NoSync = !on
	}
}

// synced reports whether commits are synced.
func (h *handle) synced() bool {
	if h.hook != nil {
		return h.hook.syncs
	}
	return !h.db.NoSync
}

// sync syncs what was committed.
func (h *handle) sync() error {
	if h.hook != nil {
		return h.hook.sync(true)
	}
	return h.db.Sync()
}
