package store

import (
	"encoding/binary"
	"math"

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

// ZoneOrder is an order of records by the best values that their entries can have.
type ZoneOrder uint8

// The orders.
const (
	LargestFirst ZoneOrder = iota
	SmallestFirst
	NewestFirst
	OldestFirst
)

// Ranking returns records in an order, those first whose entries can come first. A caller that
// wants the first few entries can stop when no remaining record can have a better one:
//
//	r := sn.Rank(LargestFirst, accept)
//	for n := 64; !r.Done(); n *= 4 {
//		read the records of r.Next(n)
//		if there are enough entries, none of them below r.Bound() {
//			break
//		}
//	}
//
// It is used by one goroutine, and does not need its snapshot any more.
type Ranking struct {
	by   ZoneOrder
	heap []uint64 // a heap of rank<<32 | ^doc; a higher rank is better
}

// Rank ranks the records that Zones would return, taking eight bytes for each. It returns nil
// if Zones would return nil.
func (sn *Snap) Rank(by ZoneOrder, accept func(*record.Zone) bool) *Ranking {
	if sn.state.nextDoc > maxDoc {
		return nil
	}
	r := &Ranking{by: by, heap: make([]uint64, 0, sn.state.docs)}
	sn.eachZone(accept, func(doc uint32, row record.ZoneRow) {
		r.heap = append(r.heap, by.rank(row)<<32|uint64(^doc))
	})
	for i := len(r.heap)/2 - 1; i >= 0; i-- {
		r.sink(i)
	}
	return r
}

func (by ZoneOrder) rank(row record.ZoneRow) uint64 {
	switch by {
	case SmallestFirst:
		return 255 - row.Least()
	case NewestFirst:
		return row.Newest()
	case OldestFirst:
		return record.MaxOldest - row.Oldest()
	}
	return row.Largest()
}

// sink moves entry i down to its place.
func (r *Ranking) sink(i int) {
	h := r.heap
	for {
		kid := 2*i + 1
		if kid >= len(h) {
			return
		}
		if kid+1 < len(h) && h[kid+1] > h[kid] {
			kid++
		}
		if h[i] >= h[kid] {
			return
		}
		h[i], h[kid] = h[kid], h[i]
		i = kid
	}
}

// Done reports whether Next has returned all records.
func (r *Ranking) Done() bool { return len(r.heap) == 0 }

// Next returns the doc ids of the next n records, or of those that are left.
func (r *Ranking) Next(n int) *roaring.Bitmap {
	docs := roaring.New()
	for ; n > 0 && len(r.heap) > 0; n-- {
		docs.Add(^uint32(r.heap[0]))
		last := len(r.heap) - 1
		r.heap[0] = r.heap[last]
		r.heap = r.heap[:last]
		r.sink(0)
	}
	return docs
}

// Bound returns a bound of all entries in the remaining records: the largest or least size in
// bytes, the newest or oldest mtime in seconds. If no records remain, every entry is better
// than the bound.
func (r *Ranking) Bound() int64 {
	low := r.by == LargestFirst || r.by == NewestFirst
	if r.Done() {
		if low {
			return math.MinInt64
		}
		return math.MaxInt64
	}
	var z record.Zone
	row := record.ZoneRow(0)
	rank := r.heap[0] >> 32
	switch r.by {
	case LargestFirst:
		row = record.ZoneRow(rank)
	case SmallestFirst:
		row = record.ZoneRow(255-rank) << 8
	case NewestFirst:
		row = record.ZoneRow(rank) << 32
	case OldestFirst:
		row = record.ZoneRow(record.MaxOldest-rank) << 16
	}
	row.Bounds(&z)
	switch r.by {
	case LargestFirst:
		return z.MaxSize
	case SmallestFirst:
		return z.MinSize
	case NewestFirst:
		return z.Newest.Sec
	}
	return z.Oldest.Sec
}
