package store

import (
	"bytes"
	"errors"
	"maps"

	bolt "go.etcd.io/bbolt"

	"indexd/store/dbfile"
	"indexd/store/postings"
	"indexd/store/record"
)

// Tx is the write transaction. Everything done in it takes effect at Commit, or not at all.
// It is used by one goroutine at a time, and ended with Commit or Rollback. After any error
// of its methods that is not documented to leave it usable it must be rolled back.
//
// What a Tx has changed stays in memory until Commit: the caller watches Bytes and commits
// in time.
type Tx struct {
	s     *Store
	tx    *dbfile.Tx
	b     buckets
	snap  *Snap
	state state
	base  state // as it was at Begin

	tops    map[string]struct{}
	parts   partial // of large listings
	counts  map[record.Volume]*Counts
	changes postings.Changes

	pending            pendingSet
	docs               docTable
	tombstones         tombstones
	boundaries, failed keySet

	work work   // of Apply
	slab []byte // where values are encoded; bbolt refers to them until Commit
}

// Begin starts the write transaction; if there is one it waits for its end. ErrReadOnly and
// ErrClosed are returned, and after a Commit that failed the error of the file system,
// until Begin has made sure that the failed commit has left nothing behind: then it may be
// tried again.
func (s *Store) Begin() (*Tx, error) {
	t := &Tx{s: s, counts: make(map[record.Volume]*Counts)}
	var err error
	if t.tx, err = s.File.Begin(t.ended); err != nil {
		return nil, err
	}
	t.state, t.tops, t.parts.m = *s.state.Load(), s.tops, s.parts
	t.base = t.state
	err = t.do(func() (err error) {
		if t.snap, err = newSnap(s, t.tx.Snap()); err != nil {
			return err
		}
		t.b = t.snap.b
		t.pending = pendingSet{
			tx: t.tx, b: t.b.pending, count: &t.state.pending,
			marks: make(map[string]*mark), above: make(map[string]struct{}),
		}
		t.docs = docTable{t: t, blocks: make(map[uint64]*docBlock), zones: make(map[uint64]*dirtyZones)}
		t.tombstones = tombstones{t.tx, t.b.tombstones, t.snap, &t.state.tombstones}
		t.boundaries, t.failed = keySet{t.tx, t.b.boundaries}, keySet{t.tx, t.b.failed}
		t.fill(0.8)
		return nil
	})
	if err != nil {
		t.Rollback()
		return nil, err
	}
	return t, nil
}

// ended is called when the transaction ends, before another one can begin.
func (t *Tx) ended(committed bool) {
	if !committed {
		t.s.parents.clear()
		t.s.seen.clear()
		return
	}
	t.s.state.Store(&t.state)
	t.s.tops, t.s.parts = t.tops, t.parts.m
}

// Commit writes the changes and syncs the file. If there are none it writes nothing, and
// Clock stays. It returns ErrFull when the size limit is reached, see Leave, ErrDamaged, or
// the error of the file system; then nothing was done.
func (t *Tx) Commit() error {
	return t.tx.Commit(func() (changed bool, err error) {
		if err := errors.Join(t.flush(), t.s.Damage()); err != nil {
			return false, err
		}
		seen := t.base
		seen.stamp = t.state.stamp
		if !t.tx.Dirty() && t.state == seen {
			return false, nil // a stamp that nothing stored has need not outlive the process
		}
		t.state.clock++
		return true, t.tx.Put(t.b.meta, keyState, t.state.encode())
	})
}

// Rollback discards the changes. After Commit or Rollback it does nothing.
func (t *Tx) Rollback() { t.tx.Rollback() }

// do calls fn as part of the transaction.
func (t *Tx) do(fn func() error) error { return t.tx.Do(fn) }

// Bulk says that changes will come nearly in key order, as in a first index: pages are then
// filled completely instead of by 80 %. An index of / took 48.1 bytes per entry this way, 49.6
// with pages filled to 95 % and 50.9 with 90 %; ten rounds of changes later there is no
// difference any more. (Changes in random order to pages that full take twice the size.)
func (t *Tx) Bulk() { t.fill(1) }

// fill sets how full the halves of a split page are. With bbolt's 0.5, changes that do not grow
// the database leave pages half empty for good: after 30 rounds of changes in a tenth of all
// directories 77 bytes per entry were in use with 0.5, 66 with 0.65, 60 with 0.8 and 58 with
// 0.9. Loaded in random order it was 68, 62, 66 and 68.
func (t *Tx) fill(percent float64) {
	for _, b := range [...]*bolt.Bucket{t.b.listings, t.b.docs} {
		b.FillPercent = percent
	}
	t.b.zones.FillPercent = 1 // all values have one size, and come in order
}

// Bytes estimates the memory in bytes that the transaction holds until Commit, and that
// Commit itself will need.
func (t *Tx) Bytes() int { return t.tx.Bytes() + markSize*len(t.pending.marks) + t.docs.bytes }

// markSize estimates the memory in bytes of a pending mark with its key.
const markSize = 250

// Written returns about how many bytes of pages Commit wrote; 0 before it.
func (t *Tx) Written() int64 { return t.tx.Written() }

// Leave makes Commit return ErrFull if it could leave less than n bytes of Room. What counts
// is what the transaction writes, which is more than what it adds.
func (t *Tx) Leave(n int64) { t.tx.Leave(n) }

// SeeStamp makes LastStamp at least stamp, as Apply and all other methods with a stamp do.
func (t *Tx) SeeStamp(stamp uint64) { t.state.stamp = max(t.state.stamp, stamp) }

// Snap returns the database as the transaction has made it so far, except for pending marks,
// doc ids, counts and the sets of doc ids, which are as they were at Begin. It may be used by
// the transaction's goroutine until the transaction ends.
func (t *Tx) Snap() *Snap { return t.snap }

// isTop reports whether key is listed without its parent naming it: a root, or the root of a
// volume.
func (t *Tx) isTop(key record.Key) bool {
	if key.IsRoot() {
		return t.b.volumes.Get(key) != nil
	}
	_, ok := t.tops[string(key)]
	return ok
}

// topsChanged updates tops, which is the set of keys in the roots bucket, in a copy of the
// transaction's own.
func (t *Tx) topsChanged(key []byte, there bool) {
	t.tops = maps.Clone(t.tops)
	if there {
		t.tops[string(key)] = struct{}{}
	} else {
		delete(t.tops, string(key))
	}
}

// flush writes the changes that were gathered in memory.
func (t *Tx) flush() error {
	if err := t.docs.flush(); err != nil {
		return err
	}
	if err := t.docs.flushZones(); err != nil {
		return err
	}
	if err := t.pending.flush(); err != nil {
		return err
	}
	if err := t.changes.Flush(t.postings()); err != nil {
		return err
	}
	for v, c := range t.counts {
		key := volumeKey(v)
		if val := c.encode(key); !bytes.Equal(val, t.b.counts.Get(key)) {
			if err := t.tx.Put(t.b.counts, key, val); err != nil {
				return err
			}
		}
	}
	return nil
}
