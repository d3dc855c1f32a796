package postings

import (
	"errors"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/internal/codec"
	"indexd/store/postings/trigram"
)

var (
	errTwoMerges  = errors.New("store: another merge is under way")
	errNoSegments = errors.New("store: no number is left for a segment of the postings")
)

// recover clears away what an unfinished merge left behind: its docs become unindexed again,
// and its segment is dropped.
func (m *merging) recover() error {
	return m.apply(Step{Wait: true, Do: func(w Writer) error {
		for _, g := range readSegments(w) {
			if g.state == segBuilding {
				if err := putSegment(w, &segment{num: g.num, state: segDropping}); err != nil {
					return err
				}
			}
		}
		for _, s := range [...]set{mergingDocs, unreadableDocs} {
			docs := readSet(w, s)
			if err := errors.Join(changeSet(w, s, nil, docs), changeSet(w, unindexedDocs, docs, nil)); err != nil {
				return err
			}
		}
		return nil
	}})
}

// newSegment makes a record for a new segment. Numbers are never used twice.
func newSegment(w Writer) (num uint32, err error) {
	c := w.Counts()
	if c.Segment == 1<<32-1 {
		return 0, errNoSegments
	}
	c.Segment++
	num = uint32(c.Segment)
	return num, putSegment(w, &segment{num: num, state: segBuilding})
}

// build builds a segment of unindexed docs.
func (m *merging) build() error {
	var num uint32
	err := m.apply(Step{Wait: true, Do: func(w Writer) (err error) {
		num, err = beginBuild(w)
		return err
	}})
	if err != nil || num == 0 {
		return err
	}
	var docs *roaring.Bitmap
	indexed := roaring.New()
	err = m.db.View(func(r Reader) error {
		docs = readSet(r, mergingDocs)
		for _, g := range readSegments(r) {
			if g.state == segLive {
				indexed.Or(g.docs)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b := trigram.NewBuilder()
	g := gathering{db: m.db, stop: m.stop}
	if err := g.gather(b, docs.ToArray()); err != nil {
		return err
	}
	seg := segment{num: num, state: segLive, docs: roaring.BitmapOf(g.added...)}
	if seg.pages, err = m.writePages(num, b.Source()); err != nil {
		return err
	}
	rest, unreadable := roaring.BitmapOf(g.rest...), roaring.BitmapOf(g.unreadable...)
	indexed.Or(seg.docs)
	return m.apply(Step{Wait: true, Do: func(w Writer) error {
		if err := publish(w, &seg); err != nil {
			return err
		}
		deleted := readSet(w, deletedDocs)
		return errors.Join(
			changeSet(w, mergingDocs, nil, readSet(w, mergingDocs)),
			changeSet(w, unindexedDocs, roaring.AndNot(rest, deleted), nil),
			changeSet(w, unreadableDocs, roaring.AndNot(unreadable, deleted), nil),
			forgetDeleted(w, indexed),
		)
	}})
}

// beginBuild moves unindexed docs, as many as a segment can have, to the set of those that are
// being merged. It returns the number of their segment, 0 if there are no such docs.
func beginBuild(w Writer) (num uint32, err error) {
	if w.Counts().Merging > 0 {
		return 0, errTwoMerges
	}
	docs := readSet(w, unindexedDocs)
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
	if num, err = newSegment(w); err != nil {
		return 0, err
	}
	return num, errors.Join(changeSet(w, unindexedDocs, nil, docs), changeSet(w, mergingDocs, docs, nil))
}

// publish makes queries read a segment whose pages are all written. A segment without docs is
// deleted.
func publish(w Writer, g *segment) error {
	key := segKey(g.num)
	is, err := decodeSegment(key, w.Bucket(Segments).Get(key), false)
	if err != nil || is.state != segBuilding {
		return errTwoMerges
	}
	if g.docs.IsEmpty() {
		return w.Delete(Segments, key)
	}
	return putSegment(w, g)
}

// forgetDeleted keeps only those deleted docs that are in a segment.
func forgetDeleted(w Writer, indexed *roaring.Bitmap) error {
	return changeSet(w, deletedDocs, nil, roaring.AndNot(readSet(w, deletedDocs), indexed))
}

// stepLen is about how many bytes of pages one step writes.
const stepLen = 64 << 10

// writePages writes the lists of a source as the pages of a segment and returns the number of
// pages.
func (m *merging) writePages(num uint32, src trigram.Source) (n uint64, err error) {
	p := trigram.NewPacker(src)
	var keys, vals [][]byte
	size := 0
	flush := func() error {
		keys, vals := keys, vals
		return m.apply(Step{Bytes: size, Adds: true, Do: func(w Writer) error {
			w.Bucket(Pages).FillPercent = 1
			for i := range keys {
				if err := w.Put(Pages, keys[i], vals[i]); err != nil {
					return err
				}
			}
			return nil
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
