package store

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// Docs returns the number of doc ids in use, which is the number of records, including those
// that are gone but not purged.
func (sn *Snap) Docs() uint64 { return sn.state.docs }

// Keys returns the keys in the listings bucket of the records that doc ids stand for, in key
// order: a directory's, or for a chunk the directory's with the chunk's first name, see
// record.SplitChunk. Ids that stand for nothing, or for a record that is gone, have none.
//
// It takes about a hundred bytes per id besides the keys, and twice that for the ids above
// them, so the caller must limit the number of ids. The keys belong to the caller.
func (sn *Snap) Keys(docs *roaring.Bitmap) ([]record.Key, error) {
	a := ancestry{sn: sn}
	if err := a.read(docs); err != nil {
		return nil, err
	}
	keys := make([]record.Key, 0, a.wanted)
	var loose []uint32
	for i := range a.wanted {
		key, state := a.key(int32(i))
		switch state {
		case lineWhole:
			keys = append(keys, key)
		case lineLoose:
			loose = append(loose, a.nodes[i].doc)
		case lineWrong:
			return nil, fmt.Errorf("doc %d: %w", a.nodes[i].doc, codec.ErrCorrupt)
		}
	}
	slices.SortFunc(keys, record.Key.Compare)
	keys = sn.living(keys)
	if len(loose) == 0 {
		return keys, nil
	}
	more, err := sn.orphans(loose)
	if len(more) > 0 {
		keys = append(keys, more...)
		slices.SortFunc(keys, record.Key.Compare)
	}
	return keys, err
}

// ancestry is what the docs bucket says about a set of ids and everything above them.
type ancestry struct {
	sn     *Snap
	nodes  []docNode
	wanted int              // the number of requested docs, which are the first nodes, ascending
	at     map[uint32]int32 // nodes by doc
	next   []uint32         // docs above, not read yet
	slab   []byte           // space for keys
}

type docNode struct {
	name []byte // aliases the database
	doc  uint32
	up   int32 // node of the parent
	kind docKind
}

// read reads the requested docs, then those above them, and so on, each time in the order of
// ids, so that each block is read once.
func (a *ancestry) read(docs *roaring.Bitmap) error {
	todo := docs.ToArray()
	a.wanted = len(todo)
	a.at = make(map[uint32]int32, 2*len(todo))
	a.nodes = make([]docNode, 0, 2*len(todo))
	for _, doc := range todo {
		a.node(doc)
	}
	for len(todo) > 0 {
		a.next = nil
		for n := 0; n < len(todo); {
			block, first := todo[n]/blockLen, n
			for n++; n < len(todo) && todo[n]/blockLen == block; n++ {
			}
			if err := a.block(todo[first:n]); err != nil {
				return err
			}
		}
		todo = a.next
		slices.Sort(todo)
	}
	return nil
}

// node returns the node of doc, which it adds if necessary.
func (a *ancestry) node(doc uint32) int32 {
	i, ok := a.at[doc]
	if !ok {
		i = int32(len(a.nodes))
		a.nodes = append(a.nodes, docNode{doc: doc})
		a.at[doc] = i
	}
	return i
}

// block reads what one block says about docs, ascending, and about those of their parents that
// come before them in it.
func (a *ancestry) block(docs []uint32) error {
	key := blockKey(uint64(docs[0]))
	val := a.sn.b.docs.Get(key)
	if val == nil {
		return nil // none is in use
	}
	d, err := readBlock(key, val)
	if err != nil {
		return a.sn.s.corrupt(bucketDocs, key)
	}
	var ents [blockLen]struct {
		name   []byte
		parent uint64
		kind   docKind
	}
	var want uint64
	for _, doc := range docs {
		want |= 1 << (doc % blockLen)
	}
	for d.there != 0 && want>>bits.TrailingZeros64(d.there) != 0 {
		i, kind, parent, name, ok := d.next()
		if !ok {
			return a.sn.s.corrupt(bucketDocs, key)
		}
		e := &ents[i]
		e.name, e.parent, e.kind = name, parent, kind
	}
	for want != 0 {
		i := bits.Len64(want) - 1
		want &^= 1 << i
		e := &ents[i]
		if e.kind == docNone {
			continue
		}
		n := docNode{name: e.name, doc: uint32(d.first) + uint32(i), kind: e.kind, up: -1}
		if e.kind != docTop {
			if e.parent > math.MaxUint32 {
				return a.sn.s.corrupt(bucketDocs, key)
			}
			known := len(a.nodes)
			n.up = a.node(uint32(e.parent))
			switch up := e.parent - d.first; {
			case int(n.up) < known: // it was read, or will be
			case up < uint64(i):
				want |= 1 << up
			default:
				a.next = append(a.next, uint32(e.parent))
			}
		}
		a.nodes[a.at[n.doc]] = n
	}
	return nil
}

type lineState uint8

const (
	lineGone  lineState = iota // it stands for nothing
	lineWhole                  // it stands for a record, which may be gone
	lineLoose                  // something above it was purged
	lineWrong                  // no record has such a key
)

// key returns the key that a node stands for.
func (a *ancestry) key(i int32) (record.Key, lineState) {
	leaf := &a.nodes[i]
	if leaf.kind == docNone {
		return nil, lineGone
	}
	size := 0
	for n := leaf; ; n = &a.nodes[n.up] {
		switch {
		case n.kind == docNone:
			return nil, lineLoose
		case n.kind == docChunk && n != leaf, size > record.MaxRawKey:
			return nil, lineWrong
		case n.kind == docChunk:
			size++
		}
		size += len(n.name) + 1
		if n.kind == docTop {
			size--
			break
		}
	}
	if cap(a.slab)-len(a.slab) < size {
		a.slab = make([]byte, 0, max(size, 16<<10))
	}
	start := len(a.slab)
	a.slab = a.slab[:start+size]
	key := a.slab[start : start+size : start+size]
	end := size
	for n := leaf; ; n = &a.nodes[n.up] {
		end -= copy(key[end-len(n.name):], n.name)
		if n.kind == docTop {
			return record.Key(key), lineWhole
		}
		end--
		if n.kind == docChunk {
			end--
		}
	}
}

// living removes from keys, which are in order, those of records that are gone.
func (sn *Snap) living(keys []record.Key) []record.Key {
	if !sn.dead || len(keys) == 0 {
		return keys
	}
	dead := tombstoneWalk{c: sn.b.tombstones.Cursor()}
	dead.seek(sn, keys[0])
	kept := keys[:0]
	var (
		owner record.Key // the previous directory
		stamp uint64
	)
	for _, raw := range keys {
		dir, _, _ := record.SplitChunk(raw)
		died, leap := dead.at(dir)
		if leap != nil {
			continue
		}
		if died != 0 {
			if !bytes.Equal(owner, dir) {
				owner, stamp = dir, 0
				if rec, err := record.Decode(dir, sn.b.listings.Get(dir)); err == nil {
					stamp = rec.Header().Stamp
				}
			}
			if stamp <= died {
				continue
			}
		}
		kept = append(kept, raw)
	}
	return kept
}

// orphans returns the keys of living records with these doc ids, ascending, whose keys docs
// does not give because something above them was purged. They are survivors of a tombstone, of
// which there are few, for a short time.
func (sn *Snap) orphans(docs []uint32) ([]record.Key, error) {
	var keys []record.Key
	c := sn.b.tombstones.Cursor()
	for k, v := c.First(); k != nil; {
		d, err := decodeTombstone(k, v)
		if err == nil && d.complete {
			k, v = c.Next()
			continue
		}
		end := d.prefix.SubtreeEnd()
		recs := sn.Cursor(d.prefix, end)
		for recs.Next() {
			doc := recs.Record().Doc()
			if _, ok := slices.BinarySearch(docs, uint32(doc)); ok && doc <= math.MaxUint32 {
				keys = append(keys, bytes.Clone(recs.raw))
			}
		}
		if err := recs.Err(); err != nil {
			return nil, err
		}
		k, v = c.Seek(end)
	}
	return keys, nil
}

// samples is how many docs Splits looks up for each range it is asked for.
const samples = 24

// Splits cuts the keys of [lo, hi) into up to n about equal ranges for as many
// goroutines and returns the keys in between, ascending, at most n-1 of them;
// fewer where it finds little in the range. A nil hi is the end. The keys may be
// those of chunks. It goes by where evenly spaced doc ids are.
func (sn *Snap) Splits(lo, hi record.Key, n int) []record.Key {
	if n < 2 || sn.state.nextDoc <= uint64(n) {
		return nil
	}
	var keys []record.Key
	all := uint64(n * samples)
	for i := range all {
		id := 1 + (sn.state.nextDoc-1)/all*i + (sn.state.nextDoc-1)%all*i/all
		dir, first, ok, err := sn.Doc(id)
		if first != "" {
			dir = dir.Chunk(first)
		}
		if err == nil && ok && dir.Compare(lo) > 0 && (hi == nil || dir.Compare(hi) < 0) {
			keys = append(keys, dir)
		}
	}
	slices.SortFunc(keys, record.Key.Compare)
	keys = slices.CompactFunc(keys, record.Key.Equal)
	n = min(n, len(keys)+1)
	cuts := make([]record.Key, 0, n)
	for i := 1; i < n; i++ {
		cuts = append(cuts, keys[len(keys)*i/n])
	}
	return slices.CompactFunc(cuts, record.Key.Equal)
}
