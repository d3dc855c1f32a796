package store

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"indexd/store/record"
)

// Cursor iterates over records in key order: a directory, the chunks of its listing if it is
// large, its children. It skips what is gone. It is used by one goroutine; goroutines that
// share a Snap use one each.
//
//	c := sn.Cursor(lo, hi)
//	for c.Next() {
//		use(c.Dir(), c.Record())
//	}
//	if err := c.Err(); err != nil …
type Cursor struct {
	sn   *Snap
	c    *bolt.Cursor
	dead *tombstoneWalk // nil if there are no tombstones
	hi   record.Key
	raw  []byte // the key at the cursor; nil if there is none
	val  []byte
	at   bool   // Next must return raw, not the key after it
	past []byte // if at, the key that was sought

	dir   record.Key
	first string
	chunk bool
	rec   record.Record
	err   error

	owner record.Key // if there are tombstones, the last directory whose record was seen
	lives bool       // whether owner is alive, and so its chunks
}

// Cursor returns a cursor before the first record in [lo, hi); a nil hi is the end of the
// database. The cursor may retain hi.
func (sn *Snap) Cursor(lo, hi record.Key) *Cursor {
	c := &Cursor{sn: sn, c: sn.b.listings.Cursor(), hi: hi}
	if sn.dead {
		c.dead = &tombstoneWalk{c: sn.b.tombstones.Cursor()}
	}
	c.Seek(lo)
	return c
}

// Seek moves before the first record at or after key, in either direction.
func (c *Cursor) Seek(key record.Key) {
	c.raw, c.val = c.c.Seek(key)
	c.at, c.past = true, key
	if c.dead != nil {
		c.dead.seek(c.sn, key)
	}
}

// SeekAfter moves before the first record that can hold an entry of dir with a name after the
// given one: a chunk, or dir's own. That record may also hold names up to the given one, or
// none after it.
func (c *Cursor) SeekAfter(dir record.Key, name string) {
	if raw, _ := c.sn.seekChunk(c.c, dir, name); raw != nil && name != "" {
		c.Seek(bytes.Clone(raw))
	} else {
		c.Seek(dir)
	}
}

// Next advances to the next record and reports whether there is one.
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

// alive reports whether the decoded record is alive, where records stamped up to died are gone.
// A chunk is alive if its directory is.
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

// Key returns the record's key in the listings bucket: a directory's, or a chunk's, see
// record.SplitChunk. It is valid while the snapshot is.
func (c *Cursor) Key() record.Key { return c.raw }

// Dir returns the directory of the record or chunk. It is valid while the snapshot is.
func (c *Cursor) Dir() record.Key { return c.dir }

// Chunk reports whether the record is a chunk, and the name in its key: all its names are at or
// after it, and all names in earlier chunks are before it.
func (c *Cursor) Chunk() (first string, ok bool) { return c.first, c.chunk }

// Record returns the record. It is valid until the next call of Next; strings from it are valid
// while the snapshot is. Its entries must be loaded first; if that fails, the user must be
// told.
func (c *Cursor) Record() *record.Record { return &c.rec }

// Err returns ErrDamaged if the cursor stopped because it met damage.
func (c *Cursor) Err() error { return c.err }
