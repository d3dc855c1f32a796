package store

import (
	"bytes"
	"encoding/binary"
	"iter"

	bolt "go.etcd.io/bbolt"

	"indexd/store/dbfile"
	"indexd/store/internal/codec"
	"indexd/store/record"
)

// tombstone says that everything at prefix and below it with a stamp up to stamp is gone. What
// has a higher stamp is a survivor.
type tombstone struct {
	prefix   record.Key
	stamp    uint64
	complete bool // nothing in it is stamped higher, so a scan can skip it
	// orphans says that PurgeTombstones has found some in this pass, and reported that all
	// those of a previous pass were reported to the directories above, see there.
	orphans, reported bool
	resume            []byte // the key at which PurgeTombstones continues
}

func (d *tombstone) encode() []byte {
	var flags byte
	if d.complete {
		flags |= 1
	}
	if d.reported {
		flags |= 2
	}
	if d.orphans {
		flags |= 4
	}
	b := binary.AppendUvarint([]byte{flags}, d.stamp)
	return codec.AddChecksum(d.prefix, append(b, d.resume...))
}

// decodeTombstone decodes a value of the tombstones bucket. Opening the database has verified
// it.
func decodeTombstone(key, val []byte) (tombstone, error) {
	b, err := codec.VerifyChecksum(key, val)
	if err != nil || len(b) == 0 {
		return tombstone{prefix: key}, codec.ErrCorrupt
	}
	r := codec.Reader{B: b[1:]}
	d := tombstone{prefix: key, complete: b[0]&1 != 0, reported: b[0]&2 != 0, orphans: b[0]&4 != 0, stamp: r.Uvarint()}
	if r.Bad {
		return tombstone{prefix: key}, codec.ErrCorrupt
	}
	d.resume = r.B[r.Pos:]
	return d, nil
}

// tombstoned reports whether a record at key with that stamp is gone.
func (sn *Snap) tombstoned(key record.Key, stamp uint64) bool {
	if !sn.dead {
		return false
	}
	for ok := true; ok; key, _, ok = key.Parent() {
		if val := sn.b.tombstones.Get(key); val != nil {
			if d, err := decodeTombstone(key, val); err == nil && d.stamp >= stamp {
				return true
			}
		}
	}
	return false
}

// Survivors iterates over the directories with a tombstone that has survivors, in key order.
// Until PurgeTombstones has been there, no record above needs to name the survivors. The keys
// are valid while the snapshot is.
func (sn *Snap) Survivors() iter.Seq[record.Key] {
	return func(yield func(record.Key) bool) {
		if !sn.dead {
			return
		}
		c := sn.b.tombstones.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if d, err := decodeTombstone(k, v); (err != nil || !d.complete) && !yield(k) {
				return
			}
		}
	}
}

// tombstoneWalk follows a cursor in key order and knows the tombstones that apply at its
// position.
type tombstoneWalk struct {
	c     *bolt.Cursor
	next  tombstone   // the next tombstone ahead; prefix is nil if there is none
	stack []tombstone // those at or above the current directory
}

func (w *tombstoneWalk) read(k, v []byte) {
	w.next = tombstone{}
	if k != nil {
		w.next, _ = decodeTombstone(k, v)
	}
}

// seek moves to key, which it does not retain.
func (w *tombstoneWalk) seek(sn *Snap, key record.Key) {
	w.stack = w.stack[:0]
	w.read(w.c.Seek(key))
	if len(key) < 2 {
		return
	}
	dir, _, _ := record.SplitChunk(key)
	for up, _, ok := dir.Parent(); ok; up, _, ok = up.Parent() {
		w.above(sn, up)
	}
	if len(dir) < len(key) {
		w.above(sn, dir)
	}
}

func (w *tombstoneWalk) above(sn *Snap, up record.Key) {
	if val := sn.b.tombstones.Get(up); val != nil {
		d, _ := decodeTombstone(bytes.Clone(up), val)
		w.stack = append(w.stack, d)
	}
}

// at moves forward to the directory dir. It returns the highest stamp up to which records there
// are gone, or 0, and a directory whose whole subtree is gone if dir is in one.
func (w *tombstoneWalk) at(dir record.Key) (stamp uint64, leap record.Key) {
	for w.next.prefix != nil && w.next.prefix.Compare(dir) <= 0 {
		w.stack = append(w.stack, w.next)
		w.read(w.c.Next())
	}
	keep := w.stack[:0]
	for _, d := range w.stack {
		if !dir.Within(d.prefix) {
			continue
		}
		keep = append(keep, d)
		stamp = max(stamp, d.stamp)
		if d.complete {
			leap = d.prefix
		}
	}
	w.stack = keep
	return stamp, leap
}

// drop puts a tombstone on a directory for everything stamped up to stamp. It is O(1) except
// for pending marks, which it removes at once because they are few.
func (t *Tx) drop(key record.Key, stamp uint64) error {
	t.pending.drop(key, stamp)
	if err := t.boundaries.drop(key); err != nil {
		return err
	}
	t.s.parents.clear()
	t.parts.drop(key)
	c := t.b.listings.Cursor()
	k, v := c.Seek(key)
	end := key.SubtreeEnd()
	if k == nil || bytes.Compare(k, end) >= 0 {
		return nil
	}
	// A directory with nothing below it, as most are, is deleted at once.
	if bytes.Equal(k, key) {
		if next, _ := c.Next(); next == nil || bytes.Compare(next, end) >= 0 {
			rec, err := record.Decode(k, v)
			if err != nil {
				return t.s.corrupt(bucketListings, k)
			}
			if rec.Header().Stamp <= stamp && !t.s.seen.since(key, stamp) {
				return t.deleteRecord(bytes.Clone(k), &rec)
			}
		}
	}
	if err := t.writeSeen(key, stamp); err != nil {
		return err
	}
	return t.tombstones.put(&tombstone{prefix: key, stamp: stamp, complete: stamp >= t.state.stamp})
}

// tombstones are the tombstones in a transaction.
type tombstones struct {
	tx    *dbfile.Tx
	b     *bolt.Bucket
	snap  *Snap
	count *uint64
}

func (s *tombstones) put(d *tombstone) error {
	if s.b.Get(d.prefix) == nil {
		*s.count++
	}
	s.snap.dead = true
	return s.tx.Put(s.b, bytes.Clone(d.prefix), d.encode())
}

func (s *tombstones) remove(key record.Key) error {
	*s.count--
	return s.tx.Delete(s.b, key)
}

// incomplete is called before something newer is written at key: the tombstones above it are
// not complete any more.
func (s *tombstones) incomplete(key record.Key) error {
	if !s.snap.dead {
		return nil
	}
	for ok := true; ok; key, _, ok = key.Parent() {
		val := s.b.Get(key)
		if val == nil {
			continue
		}
		if d, err := decodeTombstone(key, val); err == nil && d.complete {
			d.complete = false
			if err := s.put(&d); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteRecord deletes a record or chunk, with its doc and its part of the counts.
func (t *Tx) deleteRecord(raw []byte, rec *record.Record) error {
	dir, _, chunk := record.SplitChunk(raw)
	if !chunk {
		if err := t.failed.set(dir, false); err != nil {
			return err
		}
	}
	h := rec.Header()
	t.docs.set(h.Doc, docEnt{})
	if !chunk {
		t.count(dir.Volume()).subtract(h)
	}
	return t.tx.Delete(t.b.listings, raw)
}

// Drop forgets a directory and everything below it although it may exist, because it is now
// excluded, no longer below a root, or not named by anything. Its name stays in its parent's
// listing until that is applied again; until then it counts as a boundary. Records with a
// higher stamp survive.
func (t *Tx) Drop(key record.Key, stamp uint64) error {
	return t.do(func() error {
		t.SeeStamp(stamp)
		if err := t.drop(key, stamp); err != nil {
			return err
		}
		if _, named := t.naming(key); !named || t.isTop(key) {
			return nil
		}
		return t.boundaries.set(key, true)
	})
}
