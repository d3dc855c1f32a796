package store

import (
	"encoding/binary"
	"indexd/store/internal/codec"
	"math"

	"github.com/RoaringBitmap/roaring/v2"
)

// docSet is one of the sets of doc ids that the store keeps beside the postings.
type docSet byte

const (
	// freshDocs gained a name that no posting knows, so they are always
	// candidates.
	freshDocs docSet = iota
	// takenDocs were fresh and are being merged into a segment; they are
	// candidates still.
	takenDocs
	// goneDocs stand for nothing any more, but a segment may have them.
	goneDocs
	// oddDocs are always candidates: when they were to be merged their names
	// could not be read.
	oddDocs

	docSets = iota
)

// maxDoc is the highest doc id that the sets and postings can hold. Ids are never
// used twice; beyond it, which 100 new directories a second reach after a year,
// every doc is a candidate.
const maxDoc = math.MaxUint32

// setLen is the number of ids that one value of the fresh bucket is about. A set
// of a few hundred ids takes two bytes for each of them, and what a commit
// rewrites of a large one is bounded by the 8 KiB of a bit for each id.
const setLen = 1 << 16

func setKey(set docSet, part uint16) []byte {
	return []byte{byte(set), byte(part >> 8), byte(part)}
}

// decodeSet reads a bitmap of doc ids, in memory of its own.
func decodeSet(b []byte) (*roaring.Bitmap, error) {
	m := roaring.New()
	if m.UnmarshalBinary(b) != nil || m.Validate() != nil && !m.IsEmpty() {
		return nil, codec.ErrCorrupt
	}
	return m, nil
}

func encodeSet(m *roaring.Bitmap) ([]byte, error) {
	m.RunOptimize()
	return m.ToBytes()
}

// part returns the ids of one value of a set. Where it is damaged, ok is false
// and all ids that it could have are returned, or, for what is gone, none: to
// look at too many costs time, to pass over one hides what is there.
func (sn *Snap) setPart(set docSet, part uint16) (m *roaring.Bitmap, ok bool) {
	key := setKey(set, part)
	val := sn.b.fresh.Get(key)
	if val == nil {
		return roaring.New(), true
	}
	return sn.decodePart(set, part, key, val)
}

func (sn *Snap) decodePart(set docSet, part uint16, key, val []byte) (m *roaring.Bitmap, ok bool) {
	b, err := codec.VerifyChecksum(key, val)
	if err == nil {
		if m, err = decodeSet(b); err == nil && (m.IsEmpty() || m.Minimum()>>16 == uint32(part) && m.Maximum()>>16 == uint32(part)) {
			return m, true
		}
	}
	m = roaring.New()
	if lo := uint64(part) * setLen; set != goneDocs && lo < sn.state.nextDoc {
		m.AddRange(lo, min(lo+setLen, sn.state.nextDoc))
	}
	return m, false
}

// docSet returns a set, in memory of its own, and whether all of it could be read.
func (sn *Snap) docSet(set docSet) (m *roaring.Bitmap, ok bool) {
	m, ok = roaring.New(), true
	c := sn.b.fresh.Cursor()
	for k, v := c.Seek([]byte{byte(set)}); len(k) == 3 && k[0] == byte(set); k, v = c.Next() {
		p, fits := sn.decodePart(set, binary.BigEndian.Uint16(k[1:]), k, v)
		m.Or(p)
		ok = ok && fits
	}
	return m, ok
}

// putSet stores what one value of a set is to be.
func (t *Tx) putSet(set docSet, part uint16, was, m *roaring.Bitmap, readable bool) error {
	if readable && was.Equals(m) {
		return nil
	}
	switch set {
	case freshDocs:
		t.state.fresh += m.GetCardinality() - was.GetCardinality()
	case takenDocs:
		t.state.taken += m.GetCardinality() - was.GetCardinality()
	}
	key := setKey(set, part)
	if m.IsEmpty() {
		return t.del(t.b.fresh, key)
	}
	b, err := encodeSet(m)
	if err != nil {
		return err
	}
	return t.put(t.b.fresh, key, codec.AddChecksum(key, b))
}

// changeSet takes the ids of del from a set and adds those of add; either may be
// nil.
func (t *Tx) changeSet(set docSet, add, del *roaring.Bitmap) error {
	return eachPart(func(part uint16, adds, dels *roaring.Bitmap) error {
		was, ok := t.snap.setPart(set, part)
		if !ok {
			t.s.log.Warn("a set of doc ids is damaged and is made anew", "set", set, "part", part)
			t.recount(set)
		}
		m := was.Clone()
		m.AndNot(dels)
		m.Or(adds)
		return t.putSet(set, part, was, m, ok)
	}, add, del)
}

// recount has the number of docs in a set counted anew at the end: what a damaged
// value had counted for is not known.
func (t *Tx) recount(set docSet) {
	if set == freshDocs || set == takenDocs {
		t.uncounted = true
	}
}

// eachPart calls fn with what add and del have of each value that either is about.
func eachPart(fn func(part uint16, add, del *roaring.Bitmap) error, add, del *roaring.Bitmap) error {
	at := uint64(0)
	next := func(m *roaring.Bitmap) uint64 {
		if m == nil || at > maxDoc {
			return 1 << 32
		}
		it := m.Iterator()
		it.AdvanceIfNeeded(uint32(at))
		if !it.HasNext() {
			return 1 << 32
		}
		return uint64(it.Next())
	}
	cut := func(m *roaring.Bitmap) *roaring.Bitmap {
		p := roaring.New()
		if m != nil {
			p.AddRange(at, at+setLen)
			p.And(m)
		}
		return p
	}
	for {
		first := min(next(add), next(del))
		if first > maxDoc {
			return nil
		}
		at = first &^ (setLen - 1)
		if err := fn(uint16(at>>16), cut(add), cut(del)); err != nil {
			return err
		}
		at += setLen
	}
}

// addBlock adds the ids of the docs that a value of the docs bucket has; of a
// damaged one all that it may have.
func addBlock(all *roaring.Bitmap, k, v []byte) {
	d, err := readBlock(k, v)
	if err != nil {
		if len(k) != 5 {
			return
		}
		d.first, d.there = (uint64(k[0])<<32|uint64(binary.BigEndian.Uint32(k[1:])))*blockLen, 1<<blockLen-1
	}
	for i := range uint64(blockLen) {
		if id := d.first + i; d.there>>i&1 != 0 && id <= maxDoc {
			all.Add(uint32(id))
		}
	}
}
