package store

import (
	"errors"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/internal/codec"
	"indexd/store/postings/trigram"
)

// recover gives up what a merge left behind that did not come to its end: what it
// had taken is fresh again.
func (m *merging) recover() error {
	return m.apply(Step{Wait: true, Do: func(t *Tx) error {
		return t.do(func() error {
			segs := t.snap.postSegs()
			for _, g := range segs {
				if g.state == segBuilding {
					if err := t.putSeg(&postSeg{num: g.num, state: segDropping}); err != nil {
						return err
					}
				}
			}
			for _, set := range [...]docSet{takenDocs, oddDocs} {
				docs := t.snap.docSet(set)
				if err := errors.Join(t.changeSet(set, nil, docs), t.changeSet(freshDocs, docs, nil)); err != nil {
					return err
				}
			}
			return nil
		})
	}})
}

// beginSeg makes a new segment. Numbers are never given twice.
func (t *Tx) beginSeg() (num uint32, err error) {
	if t.state.segment == 1<<32-1 {
		return 0, errors.New("store: no number is left for a segment of the postings")
	}
	t.state.segment++
	num = uint32(t.state.segment)
	return num, t.putSeg(&postSeg{num: num, state: segBuilding})
}

// fresh merges fresh docs into a segment.
func (m *merging) fresh() error {
	var num uint32
	err := m.apply(Step{Wait: true, Do: func(t *Tx) error {
		return t.do(func() (err error) {
			num, err = t.take()
			return err
		})
	}})
	if err != nil || num == 0 {
		return err
	}
	var taken *roaring.Bitmap
	others := roaring.New()
	err = m.s.View(func(sn *Snap) error {
		taken = sn.docSet(takenDocs)
		segs := sn.postSegs()
		for i := range segs {
			if segs[i].state == segLive {
				others.Or(segs[i].docs)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b := trigram.NewBuilder()
	g := gathering{s: m.s, stop: m.stop}
	if err := g.gather(b, taken.ToArray()); err != nil {
		return err
	}
	seg := postSeg{num: num, state: segLive, docs: roaring.BitmapOf(g.added...)}
	if seg.pages, err = m.pages(num, b.Source()); err != nil {
		return err
	}
	rest, odd := roaring.BitmapOf(g.rest...), roaring.BitmapOf(g.odd...)
	others.Or(seg.docs)
	return m.apply(Step{Wait: true, Do: func(t *Tx) error {
		return t.do(func() error {
			if err := t.flushFresh(); err != nil {
				return err
			}
			if err := t.liveSeg(&seg); err != nil {
				return err
			}
			gone := t.snap.docSet(goneDocs)
			left := t.snap.docSet(takenDocs)
			unknown := roaring.AndNot(odd, gone)
			return errors.Join(
				t.changeSet(takenDocs, nil, left),
				t.changeSet(freshDocs, roaring.AndNot(rest, gone), nil),
				t.changeSet(oddDocs, unknown, nil),
				t.forgetGone(gone, others),
			)
		})
	}})
}

// take makes fresh docs, as many as a segment may have, taken ones, and returns
// the number of the segment that they are for; 0: there are none.
func (t *Tx) take() (num uint32, err error) {
	if err := t.flushFresh(); err != nil {
		return 0, err
	}
	if t.state.taken > 0 {
		return 0, errTwoMerges
	}
	docs := t.snap.docSet(freshDocs)
	if docs.IsEmpty() {
		return 0, nil
	}
	if docs.GetCardinality() > trigram.MaxDocs {
		last, err := docs.Select(trigram.MaxDocs)
		if err != nil {
			return 0, err
		}
		docs.RemoveRange(uint64(last), 1<<32)
	}
	if num, err = t.beginSeg(); err != nil {
		return 0, err
	}
	return num, errors.Join(t.changeSet(freshDocs, nil, docs), t.changeSet(takenDocs, docs, nil))
}

var errTwoMerges = errors.New("store: another merge is under way")

// liveSeg makes a segment that was built one that is looked into, if it has docs.
func (t *Tx) liveSeg(g *postSeg) error {
	key := segKey(g.num)
	is, err := decodeSeg(key, t.b.segments.Get(key), false)
	if err != nil || is.state != segBuilding {
		return errTwoMerges
	}
	if g.docs.IsEmpty() {
		return t.del(t.b.segments, key)
	}
	return t.putSeg(g)
}

// forgetGone keeps of the docs that are gone those that are in a segment.
func (t *Tx) forgetGone(gone, posted *roaring.Bitmap) error {
	return t.changeSet(goneDocs, nil, roaring.AndNot(gone, posted))
}

// stepLen is about how many bytes of pages are written by one step.
const stepLen = 64 << 10

// pages writes the lists of a source as the pages of a segment, and returns how
// many there are.
func (m *merging) pages(num uint32, src trigram.Source) (n uint64, err error) {
	p := trigram.NewPacker(src)
	var keys, vals [][]byte
	size := 0
	flush := func() error {
		keys, vals := keys, vals
		return m.apply(Step{Bytes: size, Adds: true, Do: func(t *Tx) error {
			return t.do(func() error {
				t.b.postings.FillPercent = 1
				for i := range keys {
					if err := t.put(t.b.postings, keys[i], vals[i]); err != nil {
						return err
					}
				}
				return nil
			})
		}})
	}
	for {
		if err := m.stop(); err != nil {
			return 0, err
		}
		first, page, ok := p.Next()
		if !ok {
			break
		}
		key := pageKey(num, first)
		keys, vals = append(keys, key), append(vals, codec.AddChecksum(key, page))
		n++
		if size += len(page); size >= stepLen {
			if err := flush(); err != nil {
				return 0, err
			}
			keys, vals, size = nil, nil, 0
		}
	}
	if err := p.Err(); err != nil {
		return 0, err
	}
	if len(keys) > 0 {
		err = flush()
	}
	return n, err
}
