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

// setPart returns the ids of one value of a set.
func (sn *Snap) setPart(set docSet, part uint16) *roaring.Bitmap {
	key := setKey(set, part)
	val := sn.b.fresh.Get(key)
	if val == nil {
		return roaring.New()
	}
	return sn.decodePart(part, key, val)
}

func (sn *Snap) decodePart(part uint16, key, val []byte) *roaring.Bitmap {
	b, err := codec.VerifyChecksum(key, val)
	if err == nil {
		if m, err := decodeSet(b); err == nil && (m.IsEmpty() || m.Minimum()>>16 == uint32(part) && m.Maximum()>>16 == uint32(part)) {
			return m
		}
	}
	sn.s.corrupt(bucketFresh, key)
	return roaring.New()
}

// docSet returns a set, in memory of its own.
func (sn *Snap) docSet(set docSet) *roaring.Bitmap {
	m := roaring.New()
	c := sn.b.fresh.Cursor()
	for k, v := c.Seek([]byte{byte(set)}); len(k) == 3 && k[0] == byte(set); k, v = c.Next() {
		m.Or(sn.decodePart(binary.BigEndian.Uint16(k[1:]), k, v))
	}
	return m
}

// putSet stores what one value of a set is to be.
func (t *Tx) putSet(set docSet, part uint16, was, m *roaring.Bitmap) error {
	if was.Equals(m) {
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
		was := t.snap.setPart(set, part)
		m := was.Clone()
		m.AndNot(dels)
		m.Or(adds)
		return t.putSet(set, part, was, m)
	}, add, del)
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
