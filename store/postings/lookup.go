package postings

import (
	"cmp"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"

	"indexd/store/internal/codec"
	"indexd/store/postings/trigram"
)

// Candidates returns the ids of the docs that may have names that meet need: all living ones
// that do, and maybe others, such as all unindexed docs. nil stands for every doc. The bitmap
// is the caller's, and outlives the snapshot. The error is one of Reader.Corrupt.
func Candidates(r Reader, need *trigram.Need) (*roaring.Bitmap, error) {
	if need.Any() {
		return nil, nil
	}
	out := roaring.New()
	l := lookup{c: r.Bucket(Pages).Cursor()}
	segs := r.Bucket(Segments).Cursor()
	for k, v := segs.First(); k != nil; k, v = segs.Next() {
		g, err := decodeSegment(k, v, true)
		if err != nil {
			return nil, r.Corrupt(Segments, k)
		}
		if g.state != segLive {
			continue
		}
		l.seg = g.num
		docs, all, err := l.need(need, nil, true)
		switch {
		case err != nil:
			return nil, r.Corrupt(Pages, k)
		case all:
			out.Or(g.docs)
		default:
			g.add(out, docs)
		}
	}
	out.AndNot(readSet(r, deletedDocs))
	for _, set := range [...]set{unindexedDocs, mergingDocs, unreadableDocs} {
		out.Or(readSet(r, set))
	}
	// Whole containers may still alias the records of segments.
	out.CloneCopyOnWriteContainers()
	return out, nil
}

// add adds docs to a bitmap of ids, given their numbers in the segment.
func (g *segment) add(out *roaring.Bitmap, docs []uint16) {
	if len(docs) == 0 {
		return
	}
	ids := make([]uint32, 0, len(docs))
	switch first := g.docs.Minimum(); {
	case int(g.docs.Maximum()-first)+1 == g.n:
		for _, d := range docs {
			ids = append(ids, first+uint32(d))
		}
	case len(docs) < g.n/256:
		for _, d := range docs {
			if id, err := g.docs.Select(uint32(d)); err == nil {
				ids = append(ids, id)
			}
		}
	default:
		var buf [256]uint32
		it := g.docs.ManyIterator()
		at := 0
		for len(docs) > 0 {
			n := it.NextMany(buf[:])
			if n == 0 {
				break
			}
			for len(docs) > 0 && int(docs[0]) < at+n {
				ids = append(ids, buf[int(docs[0])-at])
				docs = docs[1:]
			}
			at += n
		}
	}
	out.AddMany(ids)
}

// lookup finds lists in the pages of a segment.
type lookup struct {
	c    *bolt.Cursor
	seg  uint32
	last trigram.T // the trigram that left fewest docs in the last segment, looked up first
}

// foundList is where the list of a trigram begins, and its approximate length.
type foundList struct {
	t    trigram.T
	n    int
	key  []byte // of the page
	page []byte // nil: there is no such list
	more bool   // it may go on in the next page
}

// Reading a doc takes about 3 µs, a number of a list 5 ns, and finding a list 1 µs. So another
// list is worth reading if it is no longer than paysLen times the docs that are left, and more
// than paysDocs are left.
const (
	paysLen  = 512
	paysDocs = 2
)

// maxLists is how many trigrams of one text are looked up. More would hardly narrow the result.
const maxLists = 16

// need returns those of docs or, with all, of the whole segment that meet n. It does not change
// docs.
func (l *lookup) need(n *trigram.Need, docs []uint16, all bool) ([]uint16, bool, error) {
	docs, all, err := l.each(n.All, docs, all)
	for i := range n.And {
		if err != nil || !all && len(docs) <= paysDocs {
			return docs, all, err
		}
		docs, all, err = l.need(&n.And[i], docs, all)
	}
	if err != nil || len(n.Or) == 0 || !all && len(docs) <= paysDocs || slices.ContainsFunc(n.Or, func(k trigram.Need) bool { return k.Any() }) {
		return docs, all, err
	}
	var some, both []uint16
	for i := range n.Or {
		part, whole, err := l.need(&n.Or[i], docs, all)
		if err != nil || whole || !all && len(part) == len(docs) {
			return docs, all, err
		}
		both = unite(both[:0], some, part)
		some, both = both, some
		if !all && len(some) == len(docs) {
			break
		}
	}
	return some, false, nil
}

// each returns those of docs that have each of some trigrams. It reads the rarest list first,
// and stops when another list is not worth reading.
func (l *lookup) each(ts []trigram.T, docs []uint16, all bool) ([]uint16, bool, error) {
	if len(ts) == 0 || !all && len(docs) <= paysDocs {
		return docs, all, nil
	}
	var space [maxLists + 1]foundList
	lists := space[:0]
	if i := slices.Index(ts, l.last); i >= 0 {
		f, err := l.find(l.last)
		if err != nil || f.n == 0 {
			return nil, false, err
		}
		lists = append(lists, f)
	}
	for i := range min(len(ts), maxLists) {
		t := ts[i*len(ts)/min(len(ts), maxLists)]
		if t == l.last {
			continue
		}
		f, err := l.find(t)
		if err != nil {
			return nil, false, err
		}
		if f.n == 0 {
			l.last = t
			return nil, false, nil
		}
		lists = append(lists, f)
	}
	slices.SortFunc(lists, func(a, b foundList) int { return cmp.Compare(a.n, b.n) })
	l.last = lists[0].t
	var buf []uint16
	for i := range lists {
		f := &lists[i]
		if !all && f.n > paysLen*len(docs) { // also if none is left
			break
		}
		var err error
		if buf, err = l.read(f, buf[:0]); err != nil {
			return nil, false, err
		}
		if all {
			docs, all, buf = buf, false, nil
		} else {
			docs = intersect(docs, buf)
		}
	}
	return docs, all, nil
}

// find finds the list of a trigram. n is 0 if there is none.
func (l *lookup) find(t trigram.T) (f foundList, err error) {
	f.t = t
	at := pageKey(l.seg, trigram.Mark{T: t})
	after, val := l.c.Seek(at)
	key := after
	if !slices.Equal(after, at) {
		// The list begins in the page before, or with this one.
		if k, v := l.c.Prev(); isPageOf(k, l.seg) {
			key, val = k, v
		} else if key, val = l.c.Seek(at); !isPageOf(key, l.seg) {
			return f, nil
		}
	}
	for {
		page, err := codec.VerifyChecksum(key, val)
		if err != nil {
			return f, err
		}
		n, more, err := trigram.Len(page, t)
		if err != nil {
			return f, err
		}
		if n > 0 {
			f.n, f.key, f.page, f.more = n, key, page, more
			if more {
				f.n += longList // it is not worth finding out
			}
			return f, nil
		}
		if key, val = l.c.Next(); !more || !l.goesOn(key, t) {
			return f, nil
		}
	}
}

// longList is about how many docs a list has on further pages.
const longList = 8192

// goesOn reports whether a page may begin with the rest of the list of t.
func (l *lookup) goesOn(key []byte, t trigram.T) bool {
	return isPageOf(key, l.seg) && trigram.T(key[4])<<16|trigram.T(key[5])<<8|trigram.T(key[6]) == t
}

// read appends a whole list to dst.
func (l *lookup) read(f *foundList, dst []uint16) ([]uint16, error) {
	dst, more, err := trigram.Find(f.page, f.t, dst)
	if err != nil || !more {
		return dst, err
	}
	l.c.Seek(f.key)
	for more {
		key, val := l.c.Next()
		if !l.goesOn(key, f.t) {
			break
		}
		page, err := codec.VerifyChecksum(key, val)
		if err != nil {
			return dst, err
		}
		if dst, more, err = trigram.Find(page, f.t, dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// intersect returns the numbers that are in a and in b, both ascending.
func intersect(a, b []uint16) []uint16 {
	both := make([]uint16, 0, min(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		switch x, y := a[0], b[0]; {
		case x < y:
			a = a[1:]
		case x > y:
			b = b[1:]
		default:
			both = append(both, x)
			a, b = a[1:], b[1:]
		}
	}
	return both
}

// unite appends the numbers of a and b, both ascending, to dst, each once.
func unite(dst, a, b []uint16) []uint16 {
	for len(a) > 0 && len(b) > 0 {
		x, y := a[0], b[0]
		dst = append(dst, min(x, y))
		if x <= y {
			a = a[1:]
		}
		if y <= x {
			b = b[1:]
		}
	}
	return append(append(dst, a...), b...)
}
