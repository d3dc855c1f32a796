package store

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"indexd/store/record"
)

// stored is what the listings bucket has under a directory's key.
type stored struct {
	there bool // the key exists
	alive bool // it exists and is not gone
	rec   record.Record
}

func (t *Tx) stored(key record.Key) (st stored) {
	val := t.b.listings.Get(key)
	if val == nil {
		return st
	}
	if st.rec.Decode(key, val) != nil {
		t.s.corrupt(bucketListings, key)
		return st
	}
	st.there = true
	st.alive = !t.snap.tombstoned(key, st.rec.Header().Stamp)
	return st
}

// storedChunk is a chunk of a listing. It covers the names from first up to the next chunk's
// first; the first chunk also covers all names before. A chunk is alive if its directory's
// record is.
type storedChunk struct {
	key   []byte
	first string
	rec   record.Record
}

// isChunkOf reports whether raw is the key of a chunk of dir's listing.
func isChunkOf(raw []byte, dir record.Key) bool {
	n := len(dir)
	return len(raw) > n+2 && raw[n] == 0 && raw[n+1] == 0 && bytes.HasPrefix(raw, dir)
}

// seekChunk moves c to the chunk of dir that covers name and returns it, or nil if dir has no
// chunks.
func (sn *Snap) seekChunk(c *bolt.Cursor, dir record.Key, name string) (raw, val []byte) {
	at := dir.Chunk(name)
	if raw, val = c.Seek(at); bytes.Equal(raw, at) {
		return raw, val
	}
	after := raw
	// Prev returns nil not only at the beginning but also at a page that this transaction has
	// emptied. Last might never return there.
	if raw, val = c.Prev(); raw == nil {
		first, _ := sn.b.listings.Cursor().First()
		for raw == nil && first != nil && !bytes.Equal(first, after) {
			raw, val = c.Prev()
		}
	}
	if !isChunkOf(raw, dir) {
		raw, val = c.Seek(dir.Chunk(""))
	}
	if !isChunkOf(raw, dir) {
		return nil, nil
	}
	return raw, val
}

// chunks returns the chunks of dir that cover names above lo and up to hi; "" is no bound.
func (t *Tx) chunks(dir record.Key, lo, hi string) []storedChunk {
	var all []storedChunk
	c := t.b.listings.Cursor()
	for raw, val := t.snap.seekChunk(c, dir, lo); isChunkOf(raw, dir); raw, val = c.Next() {
		_, first, _ := record.SplitChunk(raw)
		if hi != "" && first > hi && len(all) > 0 {
			break
		}
		ch := storedChunk{key: bytes.Clone(raw), first: first}
		if ch.rec.Decode(raw, val) != nil {
			t.s.corrupt(bucketListings, raw)
		}
		all = append(all, ch)
	}
	return all
}

// putRecord stores a record or chunk, and its zone.
func (t *Tx) putRecord(raw []byte, h *record.Header, b *record.Body) error {
	t.docs.setZone(h.Doc, record.ZoneRowOf(h, b.Agg()))
	t.noteNames(raw, h.Doc, b)
	n := b.MaxRecord()
	if cap(t.slab)-len(t.slab) < n {
		t.slab = make([]byte, 0, max(n, 64<<10))
	}
	start := len(t.slab)
	val := record.Append(t.slab[start:start:cap(t.slab)], raw, h, b)
	if len(val) <= cap(t.slab)-start {
		t.slab = t.slab[:start+len(val)]
	}
	return t.tx.Put(t.b.listings, raw, val[:len(val):len(val)])
}

// putDir stores a directory's record in place of old, under the doc id of old, or h.Doc, or a
// new one if that is 0.
func (t *Tx) putDir(key record.Key, old *stored, h *record.Header, b *record.Body, e docEnt) error {
	if err := t.tombstones.incomplete(key); err != nil {
		return err
	}
	if old.there {
		h.Doc = old.rec.Header().Doc
		t.count(key.Volume()).subtract(old.rec.Header())
	}
	if h.Doc != 0 {
		t.docs.set(h.Doc, e)
	} else {
		h.Doc = t.docs.add(e)
	}
	if !h.Chunked {
		h.Agg = *b.Agg()
	}
	t.count(key.Volume()).add(h)
	if b == nil {
		b = new(record.Body)
	}
	if err := t.failed.set(key, isFailure(h.Errno)); err != nil {
		return err
	}
	return t.putRecord(key, h, b)
}

// count returns a volume's counts, to be changed.
func (t *Tx) count(v record.Volume) *Counts {
	if c := t.counts[v]; c != nil {
		return c
	}
	key := volumeKey(v)
	c := new(Counts)
	if val := t.b.counts.Get(key); val != nil {
		var err error
		if *c, err = decodeCounts(key, val); err != nil {
			t.s.corrupt(bucketCounts, key)
		}
	}
	t.counts[v] = c
	return c
}

// naming reports whether a directory may have a record: it is a root, or the root of a volume,
// or the record of its parent is alive and names it as a directory. e is the directory's doc
// then.
func (t *Tx) naming(key record.Key) (e docEnt, named bool) {
	if t.isTop(key) {
		return docEnt{docTop, 0, string(key)}, true
	}
	dir, name, ok := key.Parent()
	if !ok {
		return docEnt{}, false
	}
	p := t.s.parents.get(dir)
	if p == nil || !p.covers(name) {
		if p = t.readParent(dir, name); p == nil {
			return docEnt{}, false
		}
	}
	return docEnt{docChild, p.doc, name}, p.has(name)
}

// readParent reads what the record of dir says about the names around name. It returns nil if
// there is no record, or if its entries are damaged.
func (t *Tx) readParent(dir record.Key, name string) *parentInfo {
	st := t.stored(dir)
	if !st.alive {
		return nil
	}
	p := parentInfo{doc: st.rec.Header().Doc}
	from := &st.rec
	if from.Header().Chunked {
		c := t.b.listings.Cursor()
		raw, val := t.snap.seekChunk(c, dir, name)
		if raw == nil {
			return nil
		}
		var chunk record.Record
		if chunk.Decode(raw, val) != nil {
			t.s.corrupt(bucketListings, raw)
			return nil
		}
		from = &chunk
		// These names are certainly covered. In the first chunk lo may be too high, which costs
		// only another read.
		_, p.lo, _ = record.SplitChunk(raw)
		p.lo = min(p.lo, name)
		if raw, _ = c.Next(); isChunkOf(raw, dir) {
			_, p.hi, _ = record.SplitChunk(raw)
		}
	}
	if from.Load() != nil {
		return nil
	}
	for name := range from.Dirs() {
		p.dirs = append(p.dirs, name)
	}
	return t.s.parents.put(dir, p)
}

// above returns the nearest directory above key that has a living record, or may have one as a
// top; nil if there is none.
func (t *Tx) above(key record.Key) record.Key {
	for up, _, ok := key.Parent(); ok; up, _, ok = up.Parent() {
		if t.stored(up).alive || t.isTop(up) {
			return up
		}
	}
	return nil
}

// markAbove makes the directory that above returns pending, and returns it.
func (t *Tx) markAbove(key record.Key) record.Key {
	up := t.above(key)
	if up != nil {
		up = bytes.Clone(up)
		t.pending.add(up, Pending{Stamp: t.state.stamp})
	}
	return up
}
