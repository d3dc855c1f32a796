package postings

import (
	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/postings/trigram"
)

// A segment costs a query up to 1 µs for each trigram in it, and an unindexed doc costs 3 µs. A
// merge of 256 docs writes about 40 KB.
const (
	// mergeUnindexed is the number of unindexed docs that are merged at once.
	mergeUnindexed = 256
	// mergeWay is the number of segments of one tier that become one of the next.
	mergeWay = 8
	// mergeLate is the number of segments of one tier that are merged before unindexed docs.
	mergeLate = 2 * mergeWay
)

// tiers are the numbers of docs from which a segment is of the next tier. Segments of the last
// tier are only rewritten.
var tiers = [...]int{1 << 10, 1 << 13, 1 << 15}

func tierOf(docs int) int {
	i := 0
	for i < len(tiers) && docs >= tiers[i] {
		i++
	}
	return i
}

// mergePlan is what Merger.Next decides by.
type mergePlan struct {
	merger     *Merger
	segs       []segment
	deleted    *roaring.Bitmap
	merging    bool
	unreadable bool
}

func (p *mergePlan) read(r Reader) {
	p.segs = readSegments(r)
	p.deleted = readSet(r, deletedDocs)
	p.unreadable = !readSet(r, unreadableDocs).IsEmpty()
	p.merging = r.Counts().Merging > 0
}

// next chooses what is due.
func (p *mergePlan) next(build, bulk bool) *Merge {
	for i := range p.segs {
		if p.segs[i].state == segBuilding || p.merging {
			return &Merge{p.merger, "recover", false, (*merging).recover}
		}
	}
	if p.merging || p.unreadable && !p.merger.begun {
		return &Merge{p.merger, "recover", false, (*merging).recover}
	}
	var live, dropping []segment
	for _, g := range p.segs {
		switch g.state {
		case segLive:
			live = append(live, g)
		case segDropping:
			dropping = append(dropping, g)
		}
	}
	left := p.left(live)
	if m := p.join(live, left, mergeLate); m != nil && !bulk {
		return m
	}
	wasBuild := p.merger.wasBuild
	p.merger.wasBuild = false
	switch {
	case build && (!wasBuild || len(dropping) == 0):
		p.merger.wasBuild = true
		return &Merge{p.merger, "build", true, (*merging).build}
	case len(dropping) > 0: // in turns, so that what was dropped does not gather
		return &Merge{p.merger, "drop", false, func(m *merging) error { return m.drop(dropping) }}
	case bulk:
		return nil
	}
	if m := p.join(live, left, mergeWay); m != nil {
		return m
	}
	return p.rewrite(live, left)
}

// left returns for each segment its docs that no newer segment has and that exist.
func (p *mergePlan) left(live []segment) []*roaring.Bitmap {
	left := make([]*roaring.Bitmap, len(live))
	newer := p.deleted.Clone()
	for i := len(live) - 1; i >= 0; i-- {
		left[i] = roaring.AndNot(live[i].docs, newer)
		newer.Or(live[i].docs)
	}
	return left
}

// join returns the merge of way segments of one tier, nil if there are fewer.
func (p *mergePlan) join(live []segment, left []*roaring.Bitmap, way int) *Merge {
	var of [len(tiers)][]int
	for i := range live {
		if t := tierOf(live[i].n); t < len(tiers) {
			of[t] = append(of[t], i)
		}
	}
	for _, which := range of {
		if len(which) >= way {
			return p.merge("join", live, left, which)
		}
	}
	return nil
}

// rewrite returns the merge of segments half of whose docs are no longer needed.
func (p *mergePlan) rewrite(live []segment, left []*roaring.Bitmap) *Merge {
	var which []int
	for i := range live {
		if n := int(left[i].GetCardinality()); n == 0 || tierOf(live[i].n) > 0 && 2*n < live[i].n {
			which = append(which, i)
		}
	}
	if len(which) == 0 {
		return nil
	}
	return p.merge("rewrite", live, left, which)
}

// merge returns the merge of as many of some segments as fit into one.
func (p *mergePlan) merge(what string, live []segment, left []*roaring.Bitmap, which []int) *Merge {
	j := joining{docs: roaring.New(), others: roaring.New()}
	in := make([]bool, len(live))
	n := uint64(0)
	for _, i := range which {
		if c := left[i].GetCardinality(); n+c <= trigram.MaxDocs {
			n += c
			in[i] = true
		}
	}
	for i := range live {
		if in[i] {
			j.segs, j.left = append(j.segs, live[i]), append(j.left, left[i])
			j.docs.Or(left[i])
		} else {
			j.others.Or(live[i].docs)
		}
	}
	return &Merge{p.merger, what, true, j.do}
}
