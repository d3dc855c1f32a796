package exec

import (
	"bytes"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store"
	"indexd/store/record"
)

// maxBelow bounds the directories that are spans with everything below them. One record may have
// thousands of names.
const maxBelow = 8 << 10

// span is a record or a range of records.
type span struct {
	lo record.Key // a raw key, perhaps of a chunk
	hi record.Key // exclusive; nil means lo alone
}

// ends reports whether p ends at or before key.
func (p *span) ends(key record.Key) bool {
	if p.hi == nil {
		return bytes.Compare(p.lo, key) < 0
	}
	return bytes.Compare(p.hi, key) <= 0
}

// cut finds the spans. It returns false if they cannot be read or there are too many.
func (c *candidates) cut(a *answer, ks *keyspace) bool {
	keys := a.keys(ks.sn, c.docs)
	if keys == nil {
		return false
	}
	add := func(key record.Key) { c.spans = append(c.spans, span{key, key.SubtreeEnd()}) }
	if c.dir != nil && !c.below(a, ks, keys, add) {
		return false
	}
	if len(c.spans) > maxBelow {
		return false
	}
	trees := c.spans
	slices.SortFunc(trees, func(p, q span) int { return bytes.Compare(p.lo, q.lo) })
	c.spans = make([]span, 0, len(keys)+len(trees))
	end := record.Key(nil) // of the last subtree
	put := func(p span) {
		if end == nil || bytes.Compare(p.lo, end) >= 0 {
			c.spans = append(c.spans, p)
			if p.hi != nil {
				end = p.hi
			}
		}
	}
	for _, key := range keys {
		for len(trees) > 0 && bytes.Compare(trees[0].lo, key) <= 0 {
			put(trees[0])
			trees = trees[1:]
		}
		put(span{lo: key})
	}
	for _, p := range trees {
		put(p)
	}
	return true
}

// keys returns the keys of docs, in order; nil if they cannot be read or the context is done.
func (a *answer) keys(sn *store.Snap, docs *roaring.Bitmap) []record.Key {
	const batch = 2048 // some 5 ms
	var runs [][]record.Key
	buf := make([]uint32, min(batch, int(docs.GetCardinality())))
	for it := docs.ManyIterator(); ; {
		n := it.NextMany(buf)
		if n == 0 {
			break
		}
		keys, err := sn.Keys(roaring.BitmapOf(buf[:n]...))
		if err != nil || a.ctx.Err() != nil {
			return nil
		}
		runs = append(runs, keys)
	}
	for len(runs) > 1 {
		runs = append(runs[2:], mergeKeys(runs[0], runs[1]))
	}
	if len(runs) == 0 || runs[0] == nil {
		return []record.Key{}
	}
	return runs[0]
}

// mergeKeys merges two sorted lists.
func mergeKeys(a, b []record.Key) []record.Key {
	all := make([]record.Key, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if bytes.Compare(a[0], b[0]) <= 0 {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// below adds the accepted directories that the records of keys name. It also adds roots and the
// survivors of tombstones, which no record has to name. It returns false if a record cannot be
// read or the context is done.
func (c *candidates) below(a *answer, ks *keyspace, keys []record.Key, add func(record.Key)) bool {
	for key := range ks.sn.Values(store.Roots) {
		if n := c.accepts(key[2:]); n >= 0 {
			add(slices.Clone(key[:2+n]))
		}
	}
	for key := range ks.sn.Survivors() {
		add(slices.Clone(key))
	}
	cur := ks.sn.Cursor(nil, nil)
	for i, key := range keys {
		if i%64 == 0 && a.ctx.Err() != nil {
			return false
		}
		cur.Seek(key)
		if !cur.Next() || !bytes.Equal(cur.Key(), key) {
			if cur.Err() != nil {
				return false
			}
			continue
		}
		rec := cur.Record()
		if rec.Load() != nil {
			return false
		}
		for name := range rec.Dirs() {
			if len(c.spans) <= maxBelow && c.dir(name) {
				add(cur.Dir().Child(name))
			}
		}
	}
	return true
}

// within returns the spans, from the first on, of which something is in [lo, hi).
func (c *candidates) within(lo, hi record.Key) []span {
	from, _ := slices.BinarySearchFunc(c.spans, lo, func(p span, key record.Key) int {
		if p.ends(key) {
			return -1
		}
		return 1
	})
	to, _ := slices.BinarySearchFunc(c.spans, hi, func(p span, key record.Key) int {
		return bytes.Compare(p.lo, key)
	})
	return c.spans[from:max(from, to)]
}
