package postings

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/internal/codec"
	"indexd/store/postings/trigram"
)

// Check checks that every living doc is a candidate for its names: that it is in one of the
// sets, or that the newest segment that has it lists it under all of its trigrams. It calls
// report with everything that is wrong, and stop now and then, whose error it returns.
func Check(r Reader, living *roaring.Bitmap, report func(where, what string), stop func() error) error {
	c := checker{r: r, report: report, stop: stop}
	var sets [setCount]*roaring.Bitmap
	for s := range set(setCount) {
		sets[s] = readSet(r, s)
	}
	counts := r.Counts()
	for s, n := range map[set]uint64{unindexedDocs: counts.Unindexed, mergingDocs: counts.Merging} {
		if got := sets[s].GetCardinality(); got != n {
			c.problem("fresh", "set %d has %d docs, counted %d", s, got, n)
		}
	}
	if both := roaring.And(sets[deletedDocs], living); !both.IsEmpty() {
		c.problem("fresh", "%d docs that live are said to be gone, %d the first", both.GetCardinality(), both.Minimum())
	}
	segs := readSegments(r)
	whole, err := c.pages(segs)
	if err != nil {
		return err
	}
	left := living.Clone()
	for _, s := range [...]set{unindexedDocs, mergingDocs, unreadableDocs} {
		left.AndNot(sets[s])
	}
	for i := len(segs) - 1; i >= 0; i-- {
		if segs[i].state != segLive {
			continue
		}
		mine := roaring.And(left, segs[i].docs)
		left.AndNot(mine)
		if !whole[segs[i].num] {
			continue // reported already
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

type checker struct {
	r      Reader
	report func(where, what string)
	stop   func() error
}

func (c *checker) problem(where, format string, args ...any) {
	c.report(where, fmt.Sprintf(format, args...))
}

// pages checks each page by itself, and returns the segments of which all are
// there and whole.
func (c *checker) pages(segs []segment) (whole map[uint32]bool, err error) {
	whole = make(map[uint32]bool)
	count := make(map[uint32]uint64)
	for i := range segs {
		whole[segs[i].num] = true
	}
	n := 0
	err = c.r.Bucket(Pages).ForEach(func(k, v []byte) error {
		if n++; n%1024 == 0 {
			if err := c.stop(); err != nil {
				return err
			}
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
func (c *checker) cover(g *segment, docs []uint32) error {
	rank, at := int32(-1), g.docs.Iterator()
	for len(docs) > 0 {
		b := trigram.NewBuilder()
		var to []int32
		for len(docs) > 0 && b.Size() < builderLen {
			if len(to)%1024 == 0 {
				if err := c.stop(); err != nil {
					return err
				}
			}
			doc := docs[0]
			docs = docs[1:]
			for rank++; at.Next() != doc; {
				rank++
			}
			// What cannot be read was reported already.
			if list, ok, _ := c.r.Names(doc); ok {
				b.Add(list)
				to = append(to, rank)
			}
		}
		want := trigram.Merge([]trigram.Source{b.Source()}, [][]int32{to})
		cur := c.r.Bucket(Pages).Cursor()
		k, v := cur.Seek(segKey(g.num))
		have := trigram.Unpack(func() ([]byte, bool) {
			if !isPageOf(k, g.num) {
				return nil, false
			}
			page := v[4:] // pages verified its checksum
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
