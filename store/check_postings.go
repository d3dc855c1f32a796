package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/internal/codec"
	"indexd/store/postings/trigram"
	"indexd/store/record"
)

// postings checks that every living doc is a candidate for what its names have:
// that it is in one of the sets, or that the postings of the newest segment which
// has it have all its trigrams.
func (c *checker) postings() error {
	var sets [docSets]*roaring.Bitmap
	for set := range docSet(docSets) {
		sets[set] = c.sn.docSet(set)
	}
	for set, n := range map[docSet]uint64{freshDocs: c.sn.state.fresh, takenDocs: c.sn.state.taken} {
		if got := sets[set].GetCardinality(); got != n {
			c.problem("fresh", "set %d has %d docs, counted %d", set, got, n)
		}
	}
	if both := roaring.And(sets[goneDocs], c.living); !both.IsEmpty() {
		c.problem("fresh", "%d docs that live are said to be gone, %d the first", both.GetCardinality(), both.Minimum())
	}
	segs := c.sn.postSegs()
	whole, err := c.pages(segs)
	if err != nil {
		return err
	}
	left := c.living.Clone()
	for _, set := range [...]docSet{freshDocs, takenDocs, oddDocs} {
		left.AndNot(sets[set])
	}
	for i := len(segs) - 1; i >= 0; i-- {
		if segs[i].state != segLive {
			continue
		}
		mine := roaring.And(left, segs[i].docs)
		left.AndNot(mine)
		if !whole[segs[i].num] {
			continue // said already
		}
		if err := c.cover(&segs[i], mine.ToArray()); err != nil {
			return err
		}
	}
	if !left.IsEmpty() {
		c.problem("postings", "%d docs are in no segment and not fresh, %d the first", left.GetCardinality(), left.Minimum())
	}
	return nil
}

// pages checks each page by itself, and returns the segments of which all are
// there and whole.
func (c *checker) pages(segs []postSeg) (whole map[uint32]bool, err error) {
	whole = make(map[uint32]bool)
	count := make(map[uint32]uint64)
	for i := range segs {
		whole[segs[i].num] = true
	}
	n := 0
	err = c.sn.b.postings.ForEach(func(k, v []byte) error {
		if n++; n%1024 == 0 && c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		where := fmt.Sprintf("postings %x", k)
		if len(k) != 4+markLen {
			c.problem(where, "no key of a page")
			return nil
		}
		num := binary.BigEndian.Uint32(k)
		if _, ok := whole[num]; !ok {
			c.problem(where, "there is no such segment")
			return nil
		}
		count[num]++
		page, err := codec.VerifyChecksum(k, v)
		if err == nil {
			err = trigram.Verify(page)
		}
		if err != nil {
			c.problem(where, "%v", err)
			whole[num] = false
		}
		return nil
	})
	for i := range segs {
		if g := &segs[i]; g.state == segLive && g.pages != count[g.num] {
			c.problem(fmt.Sprintf("segments %d", g.num), "%d pages, counted %d", count[g.num], g.pages)
			whole[g.num] = false
		}
	}
	return whole, err
}

// cover checks that a segment has all trigrams of some of its docs.
func (c *checker) cover(g *postSeg, docs []uint32) error {
	var names nameReader
	names.begin(c.sn)
	var rec record.Record
	rank, at := int32(-1), g.docs.Iterator()
	for len(docs) > 0 {
		b := trigram.NewBuilder()
		var to []int32
		for len(docs) > 0 && b.Size() < builderLen {
			if len(to)%1024 == 0 && c.ctx.Err() != nil {
				return context.Cause(c.ctx)
			}
			doc := docs[0]
			docs = docs[1:]
			for rank++; at.Next() != doc; {
				rank++
			}
			// What cannot be read is said already.
			if list, ok, _ := names.names(c.sn, uint64(doc), &rec); ok {
				b.Add(list)
				to = append(to, rank)
			}
		}
		want := trigram.Merge([]trigram.Source{b.Source()}, [][]int32{to})
		cur := c.sn.b.postings.Cursor()
		k, v := cur.Seek(segKey(g.num))
		have := trigram.Unpack(func() ([]byte, bool) {
			if !isPageOf(k, g.num) {
				return nil, false
			}
			page := v[4:] // its seal was looked at
			k, v = cur.Next()
			return page, true
		})
		if missing, t := uncovered(want, have); missing >= 0 {
			doc, _ := g.docs.Select(uint32(missing))
			c.problem(fmt.Sprintf("postings of segment %d", g.num), "doc %d is not in the list of %06x", doc, t)
		}
		if err := have.Err(); err != nil {
			c.problem(fmt.Sprintf("postings of segment %d", g.num), "%v", err)
			return nil
		}
	}
	return nil
}

// uncovered returns a number that one of the lists of want has and the list of have
// has not; -1: there is none.
func uncovered(want, have trigram.Source) (doc int, t trigram.T) {
	h, ok := have.Next()
	var need, got []uint16
	for {
		t, more := want.Next()
		if !more {
			break
		}
		for ok && h < t {
			h, ok = have.Next()
		}
		need, got = want.Docs(need[:0]), got[:0]
		if ok && h == t {
			got = have.Docs(got)
			h, ok = have.Next()
		}
		if miss := slices.IndexFunc(need, func(d uint16) bool { _, in := slices.BinarySearch(got, d); return !in }); miss >= 0 {
			return int(need[miss]), t
		}
	}
	for ok { // so that damage further on shows
		_, ok = have.Next()
	}
	return -1, 0
}
