package store

import (
	"encoding/binary"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/record"
)

// Zones returns the doc ids of the records whose zone accept accepts; nil stands for all docs.
// Records without entries, such as the directory's own record of a chunked listing, are not
// among them. Records that are gone may be among them, which Keys leaves out.
//
// accept is called by the calling goroutine, 650,000 times with as many records. Its argument
// is valid until it returns.
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

// eachZone calls yield with the docs whose zones accept accepts, in the order of ids. A nil
// accept accepts all.
func (sn *Snap) eachZone(accept func(*record.Zone) bool, yield func(doc uint32, row record.ZoneRow)) {
	var (
		z    record.Zone
		last = record.NoZone // the previous row; equal ones often follow each other
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

// blockNumber returns the block number in a key of docs or zones.
func blockNumber(key []byte) uint64 {
	if len(key) != 5 {
		return 0
	}
	return uint64(key[0])<<32 | uint64(binary.BigEndian.Uint32(key[1:]))
}
