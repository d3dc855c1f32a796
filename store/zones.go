package store

import (
	"encoding/binary"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/record"
)

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
