package postings

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/postings/trigram"
)

// joining is a merge of segments into one.
type joining struct {
	segs   []segment
	left   []*roaring.Bitmap // for each segment the docs that are kept
	docs   *roaring.Bitmap   // all docs that are kept
	others *roaring.Bitmap   // docs of all other segments
}

func (j *joining) do(m *merging) error {
	var seg segment
	if !j.docs.IsEmpty() {
		err := m.apply(Step{Wait: true, Do: func(w Writer) (err error) {
			seg.num, err = newSegment(w)
			return err
		}})
		if err != nil {
			return err
		}
		seg.state, seg.docs = segLive, j.docs
		readers := make([]*pageReader, len(j.segs))
		sources, to := make([]trigram.Source, len(j.segs)), make([][]int32, len(j.segs))
		for i := range j.segs {
			readers[i] = readPages(m.db, j.segs[i].num, m.stop)
			sources[i], to[i] = trigram.Unpack(readers[i].page), renumber(&j.segs[i], j.left[i], j.docs)
		}
		seg.pages, err = m.writePages(seg.num, trigram.Merge(sources, to))
		for _, r := range readers {
			err = cmp.Or(r.err, err)
		}
		if err != nil {
			return fmt.Errorf("merge segments of the postings: %w", err)
		}
		j.others.Or(j.docs)
	}
	return m.apply(Step{Wait: true, Do: func(w Writer) error {
		if seg.num != 0 {
			if err := publish(w, &seg); err != nil {
				return err
			}
		}
		for _, g := range j.segs {
			if err := putSegment(w, &segment{num: g.num, state: segDropping, pages: g.pages}); err != nil {
				return err
			}
		}
		return forgetDeleted(w, j.others)
	}})
}

// renumber returns for each doc of a segment its number among docs, -1 if it is not in left.
func renumber(g *segment, left, docs *roaring.Bitmap) []int32 {
	to := make([]int32, 0, g.n)
	keep, all := left.Iterator(), docs.Iterator()
	rank := int32(-1)
	for it := g.docs.Iterator(); it.HasNext(); {
		doc := it.Next()
		if !keep.HasNext() || keep.PeekNext() != doc {
			to = append(to, -1)
			continue
		}
		keep.Next()
		for {
			rank++
			if all.Next() == doc {
				break
			}
		}
		to = append(to, rank)
	}
	return to
}

// dropLen is how many pages one step deletes, and maxDrops about how many steps a merge has.
const (
	dropLen  = 32
	maxDrops = 64
)

// drop deletes what is left of segments.
func (m *merging) drop(segs []segment) error {
	steps := 0
	for i := range segs {
		num, pages := segs[i].num, segs[i].pages
		// Only a segment that was live has a count of its pages. Without it each step says
		// whether another one follows.
		last := pages == 0
		for more := true; more && steps < maxDrops; steps++ {
			if err := m.stop(); err != nil {
				return err
			}
			if !last {
				if more = pages >= dropLen; more {
					pages -= dropLen
				}
			}
			// The next step depends on what is left then.
			wait := last || !more && i == len(segs)-1 || steps == maxDrops-1
			var left bool
			err := m.apply(Step{Bytes: stepLen, Wait: wait, Do: func(w Writer) (err error) {
				left, err = dropPages(w, num)
				return err
			}})
			if err != nil {
				return err
			}
			if last {
				more = left
			}
		}
	}
	return nil
}

// dropPages deletes some pages of a segment or, if none is left, its record. It returns
// whether there is more to delete.
func dropPages(w Writer, num uint32) (more bool, err error) {
	var keys [][]byte
	c := w.Bucket(Pages).Cursor()
	k, _ := c.Seek(segKey(num))
	for ; isPageOf(k, num) && len(keys) < dropLen; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	more = isPageOf(k, num)
	for _, k := range keys {
		if err := w.Delete(Pages, k); err != nil {
			return more, err
		}
	}
	if more {
		return true, nil
	}
	return false, w.Delete(Segments, segKey(num))
}
