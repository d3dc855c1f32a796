// Package dbfile keeps one bbolt file: it opens and locks it, checks its pages,
// replaces it by a compacted copy while it is in use, recovers from a commit that
// failed, and keeps it within a size. It knows nothing of what is in the buckets.
//
// # Transactions
//
// There is one writer: Begin returns its transaction, which is used by one
// goroutine at a time. There is any number of readers: View gives each a snapshot,
// which several goroutines may share. A goroutine never begins a transaction of
// either kind while it holds another one: if the file grew in between, both would
// wait for ever.
//
// # Faults
//
// Options.Faults observes every operation on the files and can make it fail. A test
// of a full disk returns unix.ENOSPC from Fault, a test of a crash ends the process
// there, and a test of a power cut records what was written and synced and builds
// from that what a disk may have kept.
package dbfile

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Errors of Open.
var (
	// ErrLocked is returned when another process has the database open.
	ErrLocked = errors.New("store: another process has the database open")
	// ErrNotDatabase is returned when a file is not a database: it is empty, of
	// another kind, or another program's bbolt file. It is not touched.
	ErrNotDatabase = errors.New("store: not an index database")
	// ErrDamaged is returned when a file is a database but its structure is
	// broken: it is cut off, or a page is not what it should be. If Open returns
	// it, the caller may move the file aside and begin anew. For damage found
	// later see File.Damaged.
	ErrDamaged = errors.New("store: the database is damaged")
)

// Errors of use.
var (
	// ErrClosed is returned after Close, Commit or Rollback.
	ErrClosed = errors.New("store: closed")
	// ErrReadOnly is returned by Begin and Compact on a File opened ReadOnly.
	ErrReadOnly = errors.New("store: opened for reading only")
	// ErrFull is returned by Commit when the file would grow beyond
	// Options.MaxSize.
	ErrFull = errors.New("store: the database has reached its size limit")
)

// Options for Open. The zero value suits a daemon.
type Options struct {
	// ReadOnly opens an existing database for reading, together with other
	// readers but not with a writer.
	ReadOnly bool
	// Timeout is how long to wait for the lock; 0 means a second.
	Timeout time.Duration
	// MapSize is the address space reserved for the file; 0 means 64 GiB, or less
	// where there is less. It costs no memory. When the file outgrows it, it is
	// mapped anew: the writer then waits for all readers, and new readers wait
	// for the writer (more than 2 s were measured).
	MapSize int
	// MaxSize is the size in bytes beyond which the file does not grow; 0 means no
	// limit. Commit then returns ErrFull, see also Tx.Leave.
	MaxSize int
	// Logger gets warnings and notices; nil discards them.
	Logger *slog.Logger
	// Faults observes every operation on the files, for tests; nil observes none.
	Faults Faults
}

// Schema is what a File must know of the database in it.
type Schema struct {
	// Large reports whether a bucket grows with the index. Of such a bucket Open checks
	// only the branch pages; all other buckets it reads whole.
	Large func(bucket string) bool
	// NewCheck begins a check of all values, see Verify.
	NewCheck func() ValueCheck
	// Init fills a new file.
	Init func(*bolt.Tx) error
	// Start reads an opened file before anything else can. Before it writes to the file
	// it calls checkPages, which checks all pages. Errors close the file.
	Start func(db *bolt.DB, checkPages func() error) error
}

// File is an open database file.
type File struct {
	path     string
	opt      Options
	schema   Schema
	log      *slog.Logger
	pageSize int // bytes

	files   handles
	broken  atomic.Pointer[error] // why the file is unusable; nil if it is usable
	damaged chan struct{}         // closed when broken is set
	suspect atomic.Bool           // see RequestVerify

	puts atomic.Uint64 // values put since Open or Compact

	// writer is held from Begin to the end of the transaction. It guards the
	// fields up to the next blank line.
	writer   sync.Mutex
	delta    *delta        // what was committed while Compact copies; nil if it does not
	failed   *failedCommit // nil if the last commit did not fail
	unnamed  bool          // the rename of the file may not survive a power cut yet
	verified bool          // all pages and values were checked, or written by this process

	compacting sync.Mutex                              // held by Compact
	stopping   atomic.Pointer[context.CancelCauseFunc] // ends the compaction in progress; nil if there is none
	slack      slack
}

// Open opens the database at path, or makes one if there is no file: under a
// temporary name, synced, then renamed, so that a power cut leaves a whole database
// or none. It is locked against other processes until Close. The errors above say
// why a file was refused; a refused file is not written to.
func Open(path string, o Options, schema Schema) (*File, error) {
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for {
		f, err := openOnce(path, o, schema)
		if !errors.Is(err, errReplaced) {
			return f, err
		}
	}
}

// Close waits for all transactions to end and closes the file. A damaged file is
// only unlocked.
func (f *File) Close() error {
	if f.Damage() != nil {
		f.files.abandon()
		return nil
	}
	f.writer.Lock()
	f.files.replace(nil)
	f.writer.Unlock()
	return f.files.wait()
}

// Path returns the path that the database was opened by.
func (f *File) Path() string { return f.path }

// Snap is the database as it was at one moment. Several goroutines may use it at
// once, each with cursors of its own; all must be done before it ends.
type Snap struct {
	h  *handle
	tx *bolt.Tx
}

// View calls fn with a snapshot of what is committed, which ends when fn returns.
// Nothing that fn does may wait for a client, for the writer, or for another
// transaction: while a snapshot is held, no page that it sees is reused, and the
// file grows.
func (f *File) View(fn func(*Snap) error) error {
	h, err := f.files.take()
	if err != nil {
		return err
	}
	defer f.files.release(h)
	return f.CatchCorruption(func() error {
		tx, err := h.db.Begin(false)
		if err != nil {
			return openErr(err)
		}
		defer tx.Rollback()
		return fn(&Snap{h, tx})
	})
}

// Bucket returns a bucket, nil if there is none of that name. Looking it up writes
// to the transaction, so goroutines that share a snapshot share the result.
func (sn *Snap) Bucket(name []byte) *bolt.Bucket { return sn.tx.Bucket(name) }

// Size returns the size of the file in bytes.
func (sn *Snap) Size() int64 { return sn.tx.Size() }

// Free returns how many bytes of the file are free pages.
func (sn *Snap) Free() int64 { return int64(sn.h.db.Stats().FreePageN) * int64(sn.h.pageSize) }

// SetSync sets whether commits wait until they are on disk. Without, a crash of the
// machine may damage the database; it is for tests and throwaway databases.
func (f *File) SetSync(on bool) { f.files.now.setSync(on) }
