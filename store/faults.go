package store

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"unsafe"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Faults, given in Options, is told of everything that is done to the database's
// files, before and after, and may let it fail. It is for tests of what a crash,
// a power cut, a full or a broken disk does; without it nothing is looked at and
// nothing costs anything.
//
// Before (Point.Done is false) an error takes the place of what would be done,
// as if the file system had given it: unix.ENOSPC, unix.EIO and so on. A write
// that is to come to the file in part Fault does itself, from Point.Data, and
// returns the error. After (Point.Done is true) an error is returned for what was
// done none the less, as of a sync that failed when some of it was on disk. A
// process that is to end between two steps ends in Fault.
//
// Fault is called by whoever does the thing, the writer and Compact's goroutine
// at a time, and must not call the Store.
//
// bbolt lets nobody see what it does to its file but for the writes, so its syncs
// are made for it, at the same places. When its file grows, that is told with the
// first write behind it, which gets the error.
type Faults interface {
	Fault(Point) error
}

// Point is one thing done to one file.
type Point struct {
	Op   FileOp
	Done bool
	Path string // of the file, or of the directory of OpSyncDir
	To   string // of OpRename
	Off  int64  // of OpWrite; the new size of OpTruncate
	Data []byte // of OpWrite: only during the call
}

// FileOp is what is done to a file.
type FileOp uint8

// The things done.
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

// boltHook stands between bbolt and one of its files.
type boltHook struct {
	o     *Options
	db    *bolt.DB
	file  *os.File
	path  string
	metas int64 // bytes of the two meta pages
	size  int64 // of the file, as far as it was told
	syncs bool  // what was NoSync's opposite
}

// hookBolt puts Faults, where there are any, before all that db writes from now
// on. made: db has just written its first pages, to an empty file.
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

// writeAt is what bbolt calls to write to its file. Of a transaction the meta page
// is written last, and what comes before is synced before: writeMeta in bbolt.
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

// renamed says what the file is called now.
func (h *handle) renamed(path string) {
	if h.hook != nil {
		h.hook.path = path
	}
}

// setSync has each commit synced, or none.
func (h *handle) setSync(on bool) {
	h.db.NoGrowSync = !on
	if h.hook != nil {
		h.hook.syncs = on
	} else {
		h.db.NoSync = !on
	}
}

// synced reports whether each commit is.
func (h *handle) synced() bool {
	if h.hook != nil {
		return h.hook.syncs
	}
	return !h.db.NoSync
}

// sync brings to disk what was committed.
func (h *handle) sync() error {
	if h.hook != nil {
		return h.hook.sync(true)
	}
	return h.db.Sync()
}
