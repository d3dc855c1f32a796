package postings

import (
	"encoding/binary"
	"indexd/store/internal/codec"

	"github.com/RoaringBitmap/roaring/v2"
)

// set is one of the sets of doc ids that the store keeps beside the postings.
type set byte

const (
	// unindexedDocs gained a name that no posting knows, so they are always
	// candidates.
	unindexedDocs set = iota
	// mergingDocs were fresh and are being merged into a segment; they are
	// candidates still.
	mergingDocs
	// deletedDocs stand for nothing any more, but a segment may have them.
	deletedDocs
	// unreadableDocs are always candidates: when they were to be merged their names
	// could not be read.
	unreadableDocs

	setCount = iota
)

// setLen is the number of ids that one value of the fresh bucket is about. A set
// of a few hundred ids takes two bytes for each of them, and what a commit
// rewrites of a large one is bounded by the 8 KiB of a bit for each id.
const setLen = 1 << 16

func setKey(s set, part uint16) []byte {
	return []byte{byte(s), byte(part >> 8), byte(part)}
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
	r.Corrupt(Sets, key)
	return roaring.New()
}

// readSet returns a set, in memory of its own.
func readSet(r Reader, s set) *roaring.Bitmap {
	m := roaring.New()
	c := r.Bucket(Sets).Cursor()
	for k, v := c.Seek([]byte{byte(s)}); len(k) == 3 && k[0] == byte(s); k, v = c.Next() {
		m.Or(decodePart(r, binary.BigEndian.Uint16(k[1:]), k, v))
	}
	return m
}

// putSet stores what one value of a set is to be.
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

// eachPart calls fn with what add and del have of each value that either is about.
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
