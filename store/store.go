package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// Errors of opening.
var (
	// ErrLocked is returned when another process has the database open.
	ErrLocked = errors.New("store: another process has the database open")
	// ErrNewerSchema is returned when a newer version of this program wrote the
	// database. It is not touched.
	ErrNewerSchema = errors.New("store: the database was written by a newer version")
	// ErrOlderSchema is returned when an older version of this program wrote the
	// database and it is opened for reading only: who opens it for writing brings
	// it up to date.
	ErrOlderSchema = errors.New("store: the database has an older schema")
	// ErrNotDatabase is returned when a file is not a database of this package:
	// it is empty, of another kind, or another program's bbolt file. It is not
	// touched.
	ErrNotDatabase = errors.New("store: not an index database")
	// ErrDamaged is returned when a file is a database but its structure is
	// broken: cut off, or a page is not what it should be. Whoever gets it from
	// Open may move the file aside and begin anew. For later see Store.Damaged.
	ErrDamaged = errors.New("store: the database is damaged")
)

// Errors of use.
var (
	// ErrClosed is returned by what is called after Close, Commit or Rollback.
	ErrClosed = errors.New("store: closed")
	// ErrReadOnly is returned by Begin on a Store that was opened ReadOnly.
	ErrReadOnly = errors.New("store: opened for reading only")
	// ErrCorrupt is returned when stored bytes are not what was stored. It
	// concerns one value; the rest of the database can still be used.
	ErrCorrupt = codec.ErrCorrupt
	// ErrFull is returned when the file would grow beyond Options.MaxSize.
	ErrFull = errors.New("store: the database has reached its size limit")
)

// Options for Open. The zero value is right for a daemon.
type Options struct {
	// ReadOnly opens an existing database for reading, together with other
	// readers but not with a writer.
	ReadOnly bool
	// Timeout is how long to wait for the lock; 0: a second.
	Timeout time.Duration
	// MapSize is the address space reserved for the file; 0: 64 GiB where
	// there is as much. It costs no memory. Where the file outgrows it, it is
	// mapped anew, for which the writer waits for all readers and new readers
	// wait for the writer (over 2 s were measured).
	MapSize int
	// MaxSize is the size in bytes beyond which the file does not grow; 0:
	// none. Commit then returns ErrFull, see also Tx.Leave.
	MaxSize int
	// Logger is told of what was repaired or migrated; nil: nobody.
	Logger *slog.Logger
	// Faults is told of what is done to the files, for tests; nil: nobody is.
	Faults Faults
}

// Store is an open database.
type Store struct {
	files    handles
	path     string
	id       [16]byte
	log      *slog.Logger
	opt      Options
	readOnly bool
	pageSize int

	broken  atomic.Pointer[error] // why nothing can be had any more; nil: it can
	damaged chan struct{}         // closed then
	suspect atomic.Bool           // see RequestVerify

	state  atomic.Pointer[state] // as last committed
	puts   atomic.Uint64         // values put since Open or Compact
	merges merges

	// writer is held from Begin to the end of the transaction, and guards what
	// is the writer's:
	writer  sync.Mutex
	tops    map[string]struct{} // keys in roots
	parts   map[string]progress // of big listings, by key
	parents parentCache
	seen    seenMap
	delta   *delta       // what is committed while Compact copies; nil: it does not
	doubt   *doubt       // after a commit that failed; nil: none did
	unnamed bool         // see name
	sound   bool         // all pages and values were checked, or made by this process
	relist  []record.Key // damaged listings that Verify has yet to return

	compacting sync.Mutex                              // held by Compact
	stopping   atomic.Pointer[context.CancelCauseFunc] // ends the compaction under way; nil: there is none
	slack      slack
}

// Open opens the database at path, and where there is no file makes one: under
// a temporary name, synced, then renamed, so that a power cut leaves a whole
// database or none. It is locked against other processes until Close. The
// errors above tell why a file was refused; a refused file is not written to.
func Open(path string, o Options) (*Store, error) {
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}

// Close waits for all transactions, then closes the file. One that is damaged is
// only let go of.
func (s *Store) Close() error {
	if s.Damage() != nil {
		s.files.abandon()
		return nil
	}
	s.writer.Lock()
	s.files.replace(nil)
	s.writer.Unlock()
	return s.files.wait()
}

// Path returns the path that the database was opened by.
func (s *Store) Path() string { return s.path }

// ID tells this database from any other, made before or after at the same path.
func (s *Store) ID() [16]byte { return s.id }

// Clock counts the committed transactions that changed something.
func (s *Store) Clock() uint64 { return s.state.Load().clock }

// LastStamp returns the highest stamp of anything committed; new stamps must be
// above it. See Tx.SeeStamp.
func (s *Store) LastStamp() uint64 { return s.state.Load().stamp }

// PendingCount and DeadCount return the committed sizes of those sets without a
// transaction.
func (s *Store) PendingCount() uint64 { return s.state.Load().pending }

// DeadCount is the number of subtrees that Reap has yet to clear away.
func (s *Store) DeadCount() uint64 { return s.state.Load().dead }

// View calls fn with a snapshot of what is committed, which ends when fn
// returns. Nothing that fn does may wait for a client, for the writer, or for
// another transaction: while a snapshot is held no page it sees is used again,
// and the file grows.
func (s *Store) View(fn func(*Snap) error) error {
	h, err := s.files.take()
	if err != nil {
		return err
	}
	defer s.files.release(h)
	return s.guard(func() error {
		tx, err := h.db.Begin(false)
		if err != nil {
			return openErr(err)
		}
		defer tx.Rollback()
		sn, err := newSnap(s, h, tx)
		if err != nil {
			return err
		}
		return fn(sn)
	})
}
