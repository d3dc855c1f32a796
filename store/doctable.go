package store

import (
	"maps"
	"slices"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// docTable is the docs and zones buckets in a transaction. Changed blocks are kept in memory
// until Commit.
type docTable struct {
	t      *Tx
	blocks map[uint64]*docBlock // by number
	zones  map[uint64]*dirtyZones
	bytes  int // of memory, of blocks and zones
}

// block returns the block of a doc, to be changed.
func (d *docTable) block(id uint64) *docBlock {
	n := id / blockLen
	if b := d.blocks[n]; b != nil {
		return b
	}
	b := new(docBlock)
	key := blockKey(id)
	if val := d.t.b.docs.Get(key); val != nil {
		r, err := readBlock(key, val)
		for err == nil {
			i, kind, parent, name, ok := r.next()
			if !ok {
				break
			}
			b.ents[i] = docEnt{kind, parent, string(name)}
			b.size += len(name)
		}
		if err != nil || r.r.Bad {
			d.t.s.corrupt(bucketDocs, key)
		}
	}
	d.blocks[n] = b
	d.bytes += docBlockSize + b.size
	return b
}

const docBlockSize = blockLen*32 + 64

// set makes a doc id stand for e, or for nothing if e is zero.
func (d *docTable) set(id uint64, e docEnt) {
	if e.kind == docNone {
		d.setZone(id, record.NoZone)
	}
	b := d.block(id)
	at := &b.ents[id%blockLen]
	if *at == e {
		return
	}
	switch {
	case at.kind == docNone:
		d.t.state.docs++
		d.t.changes.Add(id)
	case e.kind == docNone:
		d.t.state.docs--
		d.t.changes.Delete(id)
	}
	d.bytes += len(e.name) - len(at.name)
	b.size += len(e.name) - len(at.name)
	*at = e
	b.dirty = true
}

// add allocates a doc id that stands for e. Ids are never reused.
func (d *docTable) add(e docEnt) uint64 {
	id := d.t.state.nextDoc
	d.t.state.nextDoc++
	d.set(id, e)
	return id
}

// flush writes the changed blocks of docs.
func (d *docTable) flush() error {
	for _, n := range slices.Sorted(maps.Keys(d.blocks)) {
		b := d.blocks[n]
		if !b.dirty {
			continue
		}
		key := blockKey(n * blockLen)
		var err error
		if b.ents == ([blockLen]docEnt{}) {
			err = d.t.tx.Delete(d.t.b.docs, key)
		} else {
			err = d.t.tx.Put(d.t.b.docs, key, codec.AddChecksum(key, b.append(make([]byte, 0, 8+b.size+blockLen*4), n*blockLen)))
		}
		if err != nil {
			return err
		}
		b.dirty = false
	}
	return nil
}

// zonesOf returns the block of zones of a doc, to be changed.
func (d *docTable) zonesOf(id uint64) *dirtyZones {
	n := id / blockLen
	if b := d.zones[n]; b != nil {
		return b
	}
	key := blockKey(id)
	val := d.t.b.zones.Get(key)
	b := &dirtyZones{dirty: val == nil}
	rows, err := record.DecodeZones(key, val)
	switch {
	case err == nil:
		for i := range b.rows {
			b.rows[i] = rows.Row(i)
		}
	case val != nil || d.t.b.docs.Get(key) != nil:
		d.t.s.corrupt(bucketZones, key)
	}
	d.zones[n] = b
	d.bytes += zoneBlockSize
	return b
}

func (d *docTable) setZone(id uint64, row record.ZoneRow) {
	b := d.zonesOf(id)
	if at := &b.rows[id%blockLen]; *at != row {
		*at = row
		b.dirty = true
	}
}

// flushZones writes the changed blocks of zones. It must come after flush, because there is no
// block of zones without one of docs.
func (d *docTable) flushZones() error {
	for _, n := range slices.Sorted(maps.Keys(d.zones)) {
		b := d.zones[n]
		key := blockKey(n * blockLen)
		var err error
		if d.t.b.docs.Get(key) == nil {
			err = d.t.tx.Delete(d.t.b.zones, key)
		} else if b.dirty {
			err = d.t.tx.Put(d.t.b.zones, key, b.rows.Encode(key))
		}
		if err != nil {
			return err
		}
		b.dirty = false
	}
	return nil
}

// dirtyZones is a block of zones as a transaction changes it.
type dirtyZones struct {
	rows  record.ZoneBlock
	dirty bool
}

const zoneBlockSize = blockLen*8 + 64
