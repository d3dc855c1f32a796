package store

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/record"
)

// zoned returns the block of zones of doc id, to be changed.
func (t *Tx) zoned(id uint64) *dirtyZones {
	n := id / blockLen
	if b := t.zones[n]; b != nil {
		return b
	}
	key := blockKey(id)
	val := t.b.zones.Get(key)
	b := &dirtyZones{dirty: val == nil}
	rows, err := record.DecodeZones(key, val)
	switch {
	case err == nil:
		for i := range b.rows {
			b.rows[i] = rows.Row(i)
		}
	case val != nil || t.b.docs.Get(key) != nil:
		t.s.corrupt(bucketZones, key)
	}
	t.zones[n] = b
	t.blockBytes += zoneBlockSize
	return b
}

func (t *Tx) setZone(id uint64, row record.ZoneRow) {
	b := t.zoned(id)
	if at := &b.rows[id%blockLen]; *at != row {
		*at = row
		b.dirty = true
	}
}

// flushZones writes the blocks that were changed, after those of docs: where
// there are no docs there is no block.
func (t *Tx) flushZones() error {
	for _, n := range slices.Sorted(maps.Keys(t.zones)) {
		b := t.zones[n]
		key := blockKey(n * blockLen)
		var err error
		if t.b.docs.Get(key) == nil {
			err = t.del(t.b.zones, key)
		} else if b.dirty {
			err = t.put(t.b.zones, key, b.rows.Encode(key))
		}
		if err != nil {
			return err
		}
		b.dirty = false
	}
	return nil
}

// Zones returns the doc ids of the records of which accept says of what is known
// that an entry may be wanted. The directory's own record of a chunked listing
// and one without entries are not among them. The doc ids of dead records may be
// among them, which Keys leaves out. nil
// stands for every doc.
//
// accept is called on the calling goroutine; its argument is valid until it
// returns. At 650,000 records it is called as many times.
func (sn *Snap) Zones(accept func(*record.Zone) bool) *roaring.Bitmap {
	if sn.state.nextDoc > maxDoc {
		return nil
	}
	docs := roaring.New()
	batch := make([]uint32, 0, 4096)
	sn.eachZone(accept, func(doc uint32, _ record.ZoneRow) {
		if len(batch) == cap(batch) {
			docs.AddMany(batch)
			batch = batch[:0]
		}
		batch = append(batch, doc)
	})
	docs.AddMany(batch)
	return docs
}

// eachZone calls yield with what accept accepts, nil accepts all, in the order of
// doc ids.
func (sn *Snap) eachZone(accept func(*record.Zone) bool, yield func(doc uint32, row record.ZoneRow)) {
	var (
		z    record.Zone
		last = record.NoZone // the row asked about last, of which some come in a row
		yes  bool
	)
	ask := func(doc uint32, row record.ZoneRow) {
		if row == record.NoZone {
			return
		}
		if row != last {
			row.Bounds(&z)
			last, yes = row, accept == nil || accept(&z)
		}
		if yes {
			yield(doc, row)
		}
	}
	c := sn.b.zones.Cursor()
	for key, val := c.First(); key != nil; key, val = c.Next() {
		rows, err := record.DecodeZones(key, val)
		if err != nil {
			sn.s.corrupt(bucketZones, key)
			return
		}
		first := uint32(blockNumber(key) * blockLen)
		for i := range blockLen {
			ask(first+uint32(i), rows.Row(i))
		}
	}
}

// blockNumber returns the number in a key of docs or zones.
func blockNumber(key []byte) uint64 {
	if len(key) != 5 {
		return 0
	}
	return uint64(key[0])<<32 | uint64(binary.BigEndian.Uint32(key[1:]))
}

// dirtyZones is a block of zones as a transaction changes it.
type dirtyZones struct {
	rows  record.ZoneBlock
	dirty bool
}

const zoneBlockSize = blockLen*8 + 64
