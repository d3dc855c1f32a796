package store

import (
	"fmt"
	"sync"

	"indexd/store/dbfile"
	"indexd/store/record"
)

// Snap is the database as it was at one moment. Several goroutines may use one Snap at
// once, each with Cursors of its own; all must be done before it ends.
type Snap struct {
	*dbfile.Snap
	s     *Store
	b     buckets
	state state
	dead  bool // there are tombstones

	mountsOnce sync.Once
	mounted    mounts
}

func newSnap(s *Store, v *dbfile.Snap) (*Snap, error) {
	sn := &Snap{Snap: v, s: s}
	if !sn.b.open(v) {
		return nil, fmt.Errorf("%w: a bucket is missing", ErrDamaged)
	}
	var err error
	if sn.state, err = decodeState(sn.b.meta.Get(keyState)); err != nil {
		return nil, fmt.Errorf("%w: its counts: %w", ErrDamaged, err)
	}
	sn.dead = sn.state.tombstones > 0
	return sn, nil
}

// Clock is the Store's Clock at that moment.
func (sn *Snap) Clock() uint64 { return sn.state.clock }

// Record returns the record of a directory; ok is false if there is none. The entries of a
// Chunked listing are in chunks, see Cursor. It returns ErrDamaged if the header is damaged.
func (sn *Snap) Record(key record.Key) (rec record.Record, ok bool, err error) {
	val := sn.b.listings.Get(key)
	if val == nil {
		return rec, false, nil
	}
	if rec.Decode(key, val) != nil {
		return rec, false, sn.s.corrupt(bucketListings, key)
	}
	if sn.tombstoned(key, rec.Header().Stamp) {
		return record.Record{}, false, nil
	}
	return rec, true, nil
}

// isTop reports whether a directory is a root, or the root of a volume.
func (sn *Snap) isTop(key record.Key) bool {
	if key.IsRoot() {
		return sn.b.volumes.Get(key) != nil
	}
	return sn.b.roots.Get(key) != nil
}

// Stats are the sizes of a database.
type Stats struct {
	Counts         // of all volumes
	Size     int64 // of the file, bytes
	Free     int64 // of it, pages that are free, bytes
	Docs     uint64
	Pending  uint64
	Dead     uint64
	Fresh    uint64 // docs, see Snap.Fresh
	Clock    uint64
	NextDoc  uint64
	Volumes  int
	ReadOnly bool
}

// Stats returns the sizes as of the snapshot.
func (sn *Snap) Stats() (Stats, error) {
	vs, err := sn.Volumes()
	if err != nil {
		return Stats{}, err
	}
	st := Stats{
		Size: sn.Size(), Free: sn.Free(),
		Docs: sn.state.docs, Pending: sn.state.pending, Dead: sn.state.tombstones, Fresh: sn.Fresh(),
		Clock: sn.state.clock, NextDoc: sn.state.nextDoc, Volumes: len(vs), ReadOnly: sn.s.readOnly,
	}
	for _, v := range vs {
		st.Dirs += v.Counts.Dirs
		st.Entries += v.Counts.Entries
		st.Bytes += v.Counts.Bytes
		st.Blocks += v.Counts.Blocks
	}
	return st, nil
}
