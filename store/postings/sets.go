package postings

import (
	"encoding/binary"
	"indexd/store/internal/codec"

	"github.com/RoaringBitmap/roaring/v2"
)

// set is one of the sets of doc ids beside the segments.
type set byte

const (
	// unindexedDocs have gained a name that no segment knows, so they are always candidates.
	unindexedDocs set = iota
	// mergingDocs were unindexed and are being merged into a segment. They remain candidates.
	mergingDocs
	// deletedDocs no longer exist, but a segment may still have them.
	deletedDocs
	// unreadableDocs are always candidates, because their names could not be read when they
	// were to be merged.
	unreadableDocs

	setCount = iota
)

// setLen is the range of ids that one value of a set covers. A set of a few hundred ids takes
// two bytes for each, and of a large one a commit rewrites at most 8 KiB, a bit for each id.
const setLen = 1 << 16

func setKey(s set, part uint16) []byte {
	return []byte{byte(s), byte(part >> 8), byte(part)}
}

// decodeSet decodes a bitmap of doc ids, which does not alias b.
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
func setPart(r Reader, s set, part uint16) *roaring.Bitmap {
	key := setKey(s, part)
	val := r.Bucket(Sets).Get(key)
	if val == nil {
		return roaring.New()
	}
	return decodePart(r, part, key, val)
}

func decodePart(r Reader, part uint16, key, val []byte) *roaring.Bitmap {
	b, err := codec.VerifyChecksum(key, val)
	if err == nil {
		if m, err := decodeSet(b); err == nil && (m.IsEmpty() || m.Minimum()>>16 == uint32(part) && m.Maximum()>>16 == uint32(part)) {
			return m
		}
	}
	_ = r.Corrupt(Sets, key) // the reader's owner now fails every later read
	return roaring.New()
}

// readSet returns a set, which the caller may change.
func readSet(r Reader, s set) *roaring.Bitmap {
	m := roaring.New()
	c := r.Bucket(Sets).Cursor()
	for k, v := c.Seek([]byte{byte(s)}); len(k) == 3 && k[0] == byte(s); k, v = c.Next() {
		m.Or(decodePart(r, binary.BigEndian.Uint16(k[1:]), k, v))
	}
	return m
}

// putSet stores one value of a set, and counts the difference from was.
func putSet(w Writer, s set, part uint16, was, m *roaring.Bitmap) error {
	if was.Equals(m) {
		return nil
	}
	switch s {
	case unindexedDocs:
		w.Counts().Unindexed += m.GetCardinality() - was.GetCardinality()
	case mergingDocs:
		w.Counts().Merging += m.GetCardinality() - was.GetCardinality()
	}
	key := setKey(s, part)
	if m.IsEmpty() {
		return w.Delete(Sets, key)
	}
	b, err := encodeSet(m)
	if err != nil {
		return err
	}
	return w.Put(Sets, key, codec.AddChecksum(key, b))
}

// changeSet takes the ids of del from a set and adds those of add; either may be
// nil.
func changeSet(w Writer, s set, add, del *roaring.Bitmap) error {
	return eachPart(func(part uint16, adds, dels *roaring.Bitmap) error {
		was := setPart(w, s, part)
		m := was.Clone()
		m.AndNot(dels)
		m.Or(adds)
		return putSet(w, s, part, was, m)
	}, add, del)
}

// eachPart calls fn for each value of a set that has ids of add or del, with these ids.
func eachPart(fn func(part uint16, add, del *roaring.Bitmap) error, add, del *roaring.Bitmap) error {
	at := uint64(0)
	next := func(m *roaring.Bitmap) uint64 {
		if m == nil || at > MaxDoc {
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
		if first > MaxDoc {
			return nil
		}
		at = first &^ (setLen - 1)
		if err := fn(uint16(at>>16), cut(add), cut(del)); err != nil {
			return err
		}
		at += setLen
	}
}

// anySet reports whether a set has anything in it.
func anySet(r Reader, s set) bool {
	k, _ := r.Bucket(Sets).Cursor().Seek([]byte{byte(s)})
	return k != nil && k[0] == byte(s)
}
