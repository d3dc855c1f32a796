package store

import (
	"bytes"
	"encoding/binary"
	"iter"

	bolt "go.etcd.io/bbolt"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// deadRange says that what is at prefix and below it and is not stamped higher
// is gone.
type deadRange struct {
	prefix record.Key
	stamp  uint64
	solid  bool // nothing in it is stamped higher, so it can be leapt over
	// orphans: Reap has found some, see there; reported: all that it found in
	// a whole pass were made pending above.
	orphans, reported bool
	resume            []byte // the key at which Reap goes on
}

func (d *deadRange) encode() []byte {
	var flags byte
	if d.solid {
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

// decodeDead reads a value of dead. Opening the database has checked that it is whole.
func decodeDead(key, val []byte) (deadRange, error) {
	b, err := codec.VerifyChecksum(key, val)
	if err != nil || len(b) == 0 {
		return deadRange{prefix: key}, codec.ErrCorrupt
	}
	r := codec.Reader{B: b[1:]}
	d := deadRange{prefix: key, solid: b[0]&1 != 0, reported: b[0]&2 != 0, orphans: b[0]&4 != 0, stamp: r.Uvarint()}
	if r.Bad {
		return deadRange{prefix: key}, codec.ErrCorrupt
	}
	d.resume = r.B[r.Pos:]
	return d, nil
}

// covered reports whether what is at key with that stamp is dead.
func (sn *Snap) covered(key record.Key, stamp uint64) bool {
	if !sn.dead {
		return false
	}
	for ok := true; ok; key, _, ok = key.Parent() {
		if val := sn.b.dead.Get(key); val != nil {
			if d, err := decodeDead(key, val); err == nil && d.stamp >= stamp {
				return true
			}
		}
	}
	return false
}

// Spared iterates over the directories that are dead with all below them but for
// what is newer and lives on, in order of keys. Until Reap has been there no
// record above need name what lives in them. The keys are valid while the
// snapshot is.
func (sn *Snap) Spared() iter.Seq[record.Key] {
	return func(yield func(record.Key) bool) {
		if !sn.dead {
			return
		}
		c := sn.b.dead.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if d, err := decodeDead(k, v); (err != nil || !d.solid) && !yield(k) {
				return
			}
		}
	}
}

// deadWalk follows a cursor in the order of keys and knows which dead ranges
// the cursor is in.
type deadWalk struct {
	c     *bolt.Cursor
	next  deadRange // the first range that was not reached yet; nil prefix: none
	stack []deadRange
}

func (w *deadWalk) read(k, v []byte) {
	w.next = deadRange{}
	if k != nil {
		w.next, _ = decodeDead(k, v)
	}
}

// seek begins at key, which it keeps nothing of.
func (w *deadWalk) seek(sn *Snap, key record.Key) {
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

func (w *deadWalk) above(sn *Snap, up record.Key) {
	if val := sn.b.dead.Get(up); val != nil {
		d, _ := decodeDead(bytes.Clone(up), val)
		w.stack = append(w.stack, d)
	}
}

// at goes on to the directory dir, and returns the highest stamp at which what
// is there is dead, and a range that can be leapt over where dir is in one. No
// stamp is 0.
func (w *deadWalk) at(dir record.Key) (stamp uint64, leap record.Key) {
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
		if d.solid {
			leap = d.prefix
		}
	}
	w.stack = keep
	return stamp, leap
}

// drop makes a directory and all below it die with what is stamped up to stamp.
// It is O(1) but for marks: they go here, as they are few.
func (t *Tx) drop(key record.Key, stamp uint64) error {
	t.dropMarks(key, stamp)
	if err := t.dropStops(key); err != nil {
		return err
	}
	t.s.parents.clear()
	t.dropProgress(key)
	c := t.b.listings.Cursor()
	k, v := c.Seek(key)
	end := key.SubtreeEnd()
	if k == nil || bytes.Compare(k, end) >= 0 {
		return nil
	}
	// A directory with nothing below it, which most are, goes at once.
	if bytes.Equal(k, key) {
		if next, _ := c.Next(); next == nil || bytes.Compare(next, end) >= 0 {
			rec, err := record.Decode(k, v)
			if err != nil {
				return t.s.corrupt(bucketListings, k)
			}
			if rec.Header().Stamp <= stamp && !t.seenSince(key, stamp) {
				return t.deleteRecord(bytes.Clone(k), &rec)
			}
		}
	}
	if err := t.writeSeen(key, stamp); err != nil {
		return err
	}
	return t.putDead(&deadRange{prefix: key, stamp: stamp, solid: stamp >= t.state.stamp})
}

func (t *Tx) putDead(d *deadRange) error {
	if t.b.dead.Get(d.prefix) == nil {
		t.state.dead++
	}
	t.snap.dead = true
	return t.put(t.b.dead, bytes.Clone(d.prefix), d.encode())
}

// unsolid is called before something newer is written within dead ranges.
func (t *Tx) unsolid(key record.Key) error {
	if !t.snap.dead {
		return nil
	}
	for ok := true; ok; key, _, ok = key.Parent() {
		val := t.b.dead.Get(key)
		if val == nil {
			continue
		}
		if d, err := decodeDead(key, val); err == nil && d.solid {
			d.solid = false
			if err := t.putDead(&d); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteRecord deletes a record or a chunk with its doc and what it counts for.
func (t *Tx) deleteRecord(raw []byte, rec *record.Record) error {
	dir, _, chunk := record.SplitChunk(raw)
	if !chunk {
		if err := t.setFailed(dir, 0); err != nil {
			return err
		}
	}
	h := rec.Header()
	t.setDoc(h.Doc, docEnt{})
	if !chunk {
		t.count(dir.Volume()).subtract(h)
	}
	return t.del(t.b.listings, raw)
}

// Drop forgets a directory and all below it though it may exist, because it is
// excluded now, no longer under a root or named by nothing. Its name in its parent's listing
// stays until that is applied again; until then the name counts as one that is
// not descended into. Stamps above stamp are spared.
func (t *Tx) Drop(key record.Key, stamp uint64) error {
	return t.do(func() error {
		t.SeeStamp(stamp)
		if err := t.drop(key, stamp); err != nil {
			return err
		}
		if _, named := t.naming(key); !named || t.isTop(key) {
			return nil
		}
		return t.setStop(key, true)
	})
}
