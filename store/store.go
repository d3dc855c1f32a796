package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"indexd/store/dbfile"
	"indexd/store/internal/codec"
	"indexd/store/postings"
	"indexd/store/record"
)

// Errors of Open.
var (
	// ErrLocked is returned when another process has the database open.
	ErrLocked = dbfile.ErrLocked
	// ErrNewerSchema is returned when a newer version of this program wrote the
	// database. It is not touched.
	ErrNewerSchema = errors.New("store: the database was written by a newer version")
	// ErrOlderSchema is returned when an older version of this program wrote the
	// database and it is opened for reading only. Opening it for writing migrates it.
	ErrOlderSchema = errors.New("store: the database has an older schema")
	// ErrNotDatabase is returned when a file is not a database of this package. It is
	// not touched.
	ErrNotDatabase = dbfile.ErrNotDatabase
	// ErrDamaged is returned when a database is damaged. If Open returns it, the caller
	// may move the file aside and begin anew. For damage found later see Store.Damaged.
	ErrDamaged = dbfile.ErrDamaged
)

// Errors of use.
var (
	// ErrClosed is returned after Close, Commit or Rollback.
	ErrClosed = dbfile.ErrClosed
	// ErrReadOnly is returned by Begin on a Store opened ReadOnly.
	ErrReadOnly = dbfile.ErrReadOnly
	// ErrCorrupt is returned when the entries of a listing do not match their checksum.
	ErrCorrupt = codec.ErrCorrupt
	// ErrFull is returned by Commit when the file would grow beyond Options.MaxSize.
	ErrFull = dbfile.ErrFull
	// ErrGone is returned by Named when the file was removed. Compact makes it again.
	ErrGone = dbfile.ErrGone
	// ErrReplaced is returned by Named and Compact when another file has taken its place.
	ErrReplaced = dbfile.ErrReplaced
)

// Options for Open. The zero value suits a daemon.
type Options = dbfile.Options

// Store is an open database.
type Store struct {
	*dbfile.File
	id       [16]byte
	log      *slog.Logger
	readOnly bool

	state  atomic.Pointer[state] // as last committed
	merger postings.Merger

	// The fields up to the next blank line belong to the write transaction.
	tops    map[string]struct{} // keys in roots
	parts   map[string]progress // of large listings, by key
	parents parentCache
	seen    seenMap

	relistMu sync.Mutex
	relist   []record.Key // damaged listings that Verify has yet to return
}

// Open opens the database at path, or makes one if there is no file: under a temporary
// name, synced, then renamed, so that a power cut leaves a whole database or none. It is
// locked against other processes until Close. The errors above say why a file was refused;
// a refused file is not written to.
func Open(path string, o Options) (*Store, error) {
	s, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}

func open(path string, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{log: o.Logger, readOnly: o.ReadOnly}
	var err error
	s.File, err = dbfile.Open(path, o, dbfile.Schema{
		Large:    isLarge,
		NewCheck: func() dbfile.ValueCheck { return &valueCheck{s: s} },
		Init:     initialise,
		Start:    s.start,
	})
	return s, err
}

// start migrates an opened database to the current schema and reads what is kept in memory.
func (s *Store) start(db *bolt.DB, checkPages func() error) error {
	v, err := readSchema(db)
	if err != nil {
		return err
	}
	if v < schemaVersion {
		if s.readOnly {
			return fmt.Errorf("%w, %d: open it for writing once", ErrOlderSchema, v)
		}
		if err := checkPages(); err != nil {
			return err
		}
		if err := migrate(db, v, schemaVersion, migrations(), s.log); err != nil {
			return err
		}
	}
	return dbfile.CatchCorruption(func() error {
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

// ID returns random bytes that distinguish this database from any other, even one made at the
// same path.
func (s *Store) ID() [16]byte { return s.id }

// Clock returns the number of committed transactions that changed something.
func (s *Store) Clock() uint64 { return s.state.Load().clock }

// LastStamp returns the highest committed stamp. New stamps must be above it. See Tx.SeeStamp.
func (s *Store) LastStamp() uint64 { return s.state.Load().stamp }

// PendingCount returns the committed number of pending directories without a transaction.
func (s *Store) PendingCount() uint64 { return s.state.Load().pending }

// TombstoneCount returns the committed number of tombstones, whose subtrees PurgeTombstones has
// yet to delete.
func (s *Store) TombstoneCount() uint64 { return s.state.Load().tombstones }

// View calls fn with a snapshot of what is committed, which ends when fn returns. Nothing
// that fn does may wait for a client, for the writer, or for another transaction: while a
// snapshot is held, no page that it sees is reused, and the file grows.
func (s *Store) View(fn func(*Snap) error) error {
	return s.File.View(func(v *dbfile.Snap) error {
		sn, err := newSnap(s, v)
		if err != nil {
			return err
		}
		return fn(sn)
	})
}
