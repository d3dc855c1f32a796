package store

import (
	"bytes"
	"context"
	"errors"
	"maps"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"indexd/store/record"
)

// Tx is the write transaction. All that is done in it becomes true together, at
// Commit, or not at all. It is used by one goroutine at a time, and ended with
// Commit or Rollback. After any error of its methods that is not said to leave
// it usable it is rolled back.
//
// What a Tx has changed stays in memory until Commit: the caller looks at Bytes
// and commits in time.
type Tx struct {
	s     *Store
	h     *handle
	tx    *bolt.Tx
	b     buckets
	snap  *Snap
	state state
	base  state // as it was at Begin

	written int   // bytes of keys and values put
	puts    int   // how many
	pages   int64 // bytes that Commit wrote
	leave   int64 // see Leave
	dirty   bool  // something was put or deleted
	tops    map[string]struct{}
	parts   map[string]progress // of big listings, by key
	counts  map[record.Volume]*Counts
	marks   map[string]*mark
	marked  map[string]struct{} // all that is above a mark that is new
	blocks  map[uint64]*docBlock
	zones   map[uint64]*dirtyZones
	fresh   freshness

	work       work   // Apply's
	blockBytes int    // of blocks and zones
	slab       []byte // where values are encoded, bbolt keeps them until Commit

	touched delta // what was put and deleted, while Compact copies
	named   map[*bolt.Bucket]string
}

// Begin starts the write transaction; where there is one it waits for its end.
// ErrReadOnly and ErrClosed are returned, and after a Commit that failed, which
// it first makes sure has left nothing behind, the error of the file system:
// then it may be tried again.
func (s *Store) Begin() (*Tx, error) {
	var t *Tx
	s.writer.Lock()
	if err := errors.Join(s.name(), s.dispel()); err != nil {
		s.writer.Unlock()
		return nil, err
	}
	h, err := s.files.take()
	if err != nil {
		s.writer.Unlock()
		return nil, err
	}
	err = s.guard(func() error {
		tx, err := h.db.Begin(true)
		if err != nil {
			return openErr(err)
		}
		t = &Tx{
			s: s, h: h, tx: tx, state: *s.state.Load(), tops: s.tops, parts: s.parts,
			counts: make(map[record.Volume]*Counts), marks: make(map[string]*mark), marked: make(map[string]struct{}),
			blocks: make(map[uint64]*docBlock), zones: make(map[uint64]*dirtyZones),
		}
		t.base = t.state
		if t.snap, err = newSnap(s, h, tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		t.b = t.snap.b
		t.fill(0.8)
		return nil
	})
	if err != nil {
		s.files.release(h)
		s.writer.Unlock()
		return nil, err
	}
	return t, nil
}

// Commit writes what was done and syncs the file. Where nothing was, it writes
// nothing and Clock stays. ErrFull is returned when the size limit is reached, see Leave,
// ErrDamaged, or the error of the file system; then nothing was done.
func (t *Tx) Commit() error {
	return t.end(func() error {
		if err := errors.Join(t.flush(), t.s.Damage()); err != nil {
			return err
		}
		seen := t.base
		seen.stamp = t.state.stamp
		if !t.dirty && t.state == seen {
			// A stamp that nothing stored has need not outlive the process.
			t.s.state.Store(&t.state)
			t.s.parts = t.parts
			return t.tx.Rollback()
		}
		if !t.fits() {
			return ErrFull
		}
		t.state.clock++
		if err := t.put(t.b.meta, keyState, t.state.encode()); err != nil {
			return err
		}
		if err := t.s.verifyLocked(context.Background(), t.h); err != nil {
			return err
		}
		good := uint64(t.tx.ID()) - 1
		if err := openErr(t.tx.Commit()); err != nil {
			if !errors.Is(err, ErrFull) { // which comes before anything is written
				t.s.doubted(t.h, good)
			}
			return err
		}
		st := t.tx.Stats()
		t.pages = st.GetPageAlloc() + int64(t.s.pageSize) // and the meta page
		t.s.state.Store(&t.state)
		t.s.tops, t.s.parts = t.tops, t.parts
		t.s.puts.Add(uint64(t.puts))
		if t.s.delta != nil {
			t.s.delta.merge(&t.touched)
		}
		return nil
	})
}

// Rollback forgets what was done. After Commit or Rollback it does nothing.
func (t *Tx) Rollback() {
	if t.tx != nil {
		t.end(func() error { return errRollback })
	}
}

var errRollback = errors.New("store: rolled back")

// end ends the transaction with do; where that fails it is rolled back, and
// what was kept of it is forgotten.
func (t *Tx) end(do func() error) error {
	tx := t.tx
	if tx == nil {
		return ErrClosed
	}
	defer t.s.writer.Unlock()
	defer t.s.files.release(t.h)
	err := t.s.guard(do)
	t.tx = nil
	if t.s.Damage() != nil {
		return err // to roll it back may take for ever
	}
	if err != nil {
		t.s.parents.clear()
		t.s.seen.clear()
		rerr := Guard(tx.Rollback)
		if rerr != nil && !errors.Is(rerr, berrors.ErrTxClosed) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

// do calls fn, guarded, as part of the transaction.
func (t *Tx) do(fn func() error) error {
	if t.tx == nil {
		return ErrClosed
	}
	return t.s.guard(fn)
}

// Bulk says that what follows comes nearly in the order of keys, as a first
// index does: pages are then filled whole instead of by half. An index of / took
// 48.1 bytes an entry so, 49.6 with pages filled to 0.95 and 50.9 with 0.9; ten
// rounds of changes later there is no difference any more. (What comes at random
// into pages so full takes twice the size.)
func (t *Tx) Bulk() { t.fill(1) }

// fill sets how full the halves of a page are that is split. bbolt's 0.5 leaves
// pages half empty for good under changes that come to no growth: after 30
// rounds of changes in a tenth of all directories 77 bytes an entry were in use
// with 0.5, 66 with 0.65, 60 with 0.8 and 58 with 0.9. Loaded in random order it
// was 68, 62, 66 and 68.
func (t *Tx) fill(percent float64) {
	for _, b := range [...]*bolt.Bucket{t.b.listings, t.b.docs} {
		b.FillPercent = percent
	}
	t.b.zones.FillPercent = 1 // all values have one size, and come in order
}

// Bytes estimates the memory in bytes that the transaction holds until Commit,
// and that Commit itself will need.
func (t *Tx) Bytes() int {
	st := t.tx.Stats()
	// A page that was touched is a node in memory, and a page again at Commit,
	// as is what was put.
	return 2*t.written + 3*t.s.pageSize*int(st.GetNodeCount()) + markSize*len(t.marks) + t.blockBytes
}

// markSize is about what a mark takes in memory with its key.
const markSize = 250

// Written returns the bytes of the pages that Commit wrote, about; 0 before it.
func (t *Tx) Written() int64 { return t.pages }

// SeeStamp makes LastStamp at least stamp. Apply and what else takes a stamp
// does it too.
func (t *Tx) SeeStamp(stamp uint64) { t.state.stamp = max(t.state.stamp, stamp) }

// Snap shows the database as the transaction has made it so far, but for marks,
// doc ids, counts and what is fresh, which are as they were at Begin. It is the transaction's:
// for the same goroutine, until its end.
func (t *Tx) Snap() *Snap { return t.snap }

func (t *Tx) put(b *bolt.Bucket, key, val []byte) error {
	t.dirty = true
	t.written += len(key) + len(val) + 64
	t.puts++
	t.touch(b, key)
	return openErr(b.Put(key, val))
}

func (t *Tx) del(b *bolt.Bucket, key []byte) error {
	if b.Get(key) == nil {
		return nil
	}
	t.dirty = true
	t.touch(b, key)
	return openErr(b.Delete(key))
}

// isTop reports whether key is listed without its parent naming it: a root, or
// a volume's.
func (t *Tx) isTop(key record.Key) bool {
	if key.IsRoot() {
		return t.b.volumes.Get(key) != nil
	}
	_, ok := t.tops[string(key)]
	return ok
}

// topsChanged keeps tops as the roots bucket is, in a map of the transaction's
// own.
func (t *Tx) topsChanged(key []byte, there bool) {
	t.tops = maps.Clone(t.tops)
	if there {
		t.tops[string(key)] = struct{}{}
	} else {
		delete(t.tops, string(key))
	}
}

// flush writes what was gathered: docs, marks, counts.
func (t *Tx) flush() error {
	if err := t.flushDocs(); err != nil {
		return err
	}
	if err := t.flushZones(); err != nil {
		return err
	}
	if err := t.flushMarks(); err != nil {
		return err
	}
	if err := t.flushFresh(); err != nil {
		return err
	}
	for v, c := range t.counts {
		key := volumeKey(v)
		if val := c.encode(key); !bytes.Equal(val, t.b.counts.Get(key)) {
			if err := t.put(t.b.counts, key, val); err != nil {
				return err
			}
		}
	}
	return nil
}
