package store

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"indexd/store/record"
)

// Cursor goes through records in the order of keys: a directory, the chunks of
// its listing where it is a big one, its children. What is dead it passes over.
// It is used by one goroutine; goroutines that share a Snap take one each.
//
//	c := sn.Cursor(lo, hi)
//	for c.Next() {
//		use(c.Dir(), c.Record())
//	}
//	if err := c.Err(); err != nil …
type Cursor struct {
	sn   *Snap
	c    *bolt.Cursor
	dead *tombstoneWalk // nil where nothing is dead
	hi   record.Key
	raw  []byte // the key that the cursor is at; nil: none
	val  []byte
	at   bool   // raw is to be looked at by Next, not passed
	past []byte // where at, what was sought

	dir   record.Key
	first string
	chunk bool
	rec   record.Record
	err   error

	owner record.Key // where something is dead, the last directory whose record was seen
	lives bool       // and whether it lives, for its chunks
}

// Cursor returns a cursor before the first record in [lo, hi); a nil hi is the
// end of the database. hi may be kept.
func (sn *Snap) Cursor(lo, hi record.Key) *Cursor {
	c := &Cursor{sn: sn, c: sn.b.listings.Cursor(), hi: hi}
	if sn.dead {
		c.dead = &tombstoneWalk{c: sn.b.tombstones.Cursor()}
	}
	c.Seek(lo)
	return c
}

// Seek goes before the first record at or after key, in either direction.
func (c *Cursor) Seek(key record.Key) {
	c.raw, c.val = c.c.Seek(key)
	c.at, c.past = true, key
	if c.dead != nil {
		c.dead.seek(c.sn, key)
	}
}

// SeekAfter goes before the first record that can hold an entry of dir with a
// name after the given one: a chunk, or else dir's own. It may hold names up to
// the given one too, which are to be passed over, or none after it.
func (c *Cursor) SeekAfter(dir record.Key, name string) {
	if raw, _ := c.sn.seekChunk(c.c, dir, name); raw != nil && name != "" {
		c.Seek(bytes.Clone(raw))
	} else {
		c.Seek(dir)
	}
}

// Next goes to the next record and reports whether there is one.
func (c *Cursor) Next() bool {
	for {
		before := 0 // what comes must be after raw, or at least where it was sought
		if !c.at && c.raw != nil {
			c.past, before = c.raw, 1
			c.raw, c.val = c.c.Next()
		}
		c.at = false
		if c.raw != nil && bytes.Compare(c.raw, c.past) < before || len(c.raw) == 1 {
			// In keys out of order one could go round for ever.
			c.err = fmt.Errorf("%w: keys are out of order", ErrDamaged)
			c.sn.s.NoteDamage(c.err)
			c.raw = nil
		}
		if c.raw == nil || c.hi != nil && bytes.Compare(c.raw, c.hi) >= 0 {
			c.raw = nil
			return false
		}
		c.dir, c.first, c.chunk = record.SplitChunk(c.raw)
		var died uint64
		if c.dead != nil {
			var leap record.Key
			if died, leap = c.dead.at(c.dir); leap != nil {
				c.Seek(leap.SubtreeEnd())
				continue
			}
		}
		if c.rec.Decode(c.raw, c.val) != nil {
			c.err = c.sn.s.corrupt(bucketListings, c.raw)
			c.raw = nil
			return false
		}
		if died == 0 || c.alive(died) {
			return true
		}
	}
}

// alive reports whether the record that was decoded lives, where what is not stamped higher
// than died does not. A chunk does as its directory does.
func (c *Cursor) alive(died uint64) bool {
	if !c.chunk {
		c.owner, c.lives = c.dir, c.rec.Header().Stamp > died
	} else if !c.owner.Equal(c.dir) {
		val := c.sn.b.listings.Get(c.dir)
		var rec record.Record
		c.owner, c.lives = c.dir, val != nil && rec.Decode(c.dir, val) == nil && rec.Header().Stamp > died
	}
	return c.lives
}

// Key returns the record's key as it is in the listings bucket: a directory's, or
// a chunk's, see SplitChunk. It is valid while the snapshot is.
func (c *Cursor) Key() record.Key { return c.raw }

// Dir returns the directory that the record is of, also where it is a chunk. It
// is valid while the snapshot is.
func (c *Cursor) Dir() record.Key { return c.dir }

// Chunk reports whether the record is a chunk, and the name in its key: all in
// it are at or after it, and all in the chunks before come before it.
func (c *Cursor) Chunk() (first string, ok bool) { return c.first, c.chunk }

// Record returns the record; it is valid until the next call of Next, and what
// it gives out while the snapshot is. Its entries are to be Loaded first; where
// that fails, ErrCorrupt is to be told to the user.
func (c *Cursor) Record() *record.Record { return &c.rec }

// Err returns ErrDamaged if the cursor stopped because it met damage.
func (c *Cursor) Err() error { return c.err }
