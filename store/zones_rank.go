package store

import (
	"math"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/record"
)

// ZoneOrder is an order of records by what their entries can be at best.
type ZoneOrder uint8

// The orders.
const (
	LargestFirst ZoneOrder = iota
	SmallestFirst
	NewestFirst
	OldestFirst
)

// Ranking gives out records beginning with those whose entries can come first in
// an order, for whoever wants the first few entries and can stop when no other
// record can have a better one:
//
//	r := sn.Rank(LargestFirst, accept)
//	for n := 64; !r.Done(); n *= 4 {
//		look at r.Next(n)
//		if I have enough, and none of them is below r.Bound() {
//			break
//		}
//	}
//
// It is for one goroutine, and needs its snapshot no more.
type Ranking struct {
	by   ZoneOrder
	heap []uint64 // the rank, more is better, above ^doc; the best is the first
}

// Rank ranks the records that Zones would return, in eight bytes for each; nil where
// that would be nil.
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

// sink moves entry i down to where it belongs.
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

// Done reports whether Next has given out all.
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

// Bound returns what no entry in the records that are left goes beyond: the
// largest or least size in bytes, the newest or oldest mtime in seconds. Where
// nothing is left it is what any entry goes beyond.
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
