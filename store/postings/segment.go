package postings

import (
	"bytes"
	"encoding/binary"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/internal/codec"
	"indexd/store/postings/trigram"
)

// segState is the state of a segment.
type segState byte

const (
	segBuilding segState = 1 + iota // its pages are being written
	segLive
	segDropping // its pages are being deleted; other segments have its docs
)

// segment is a set of up to trigram.MaxDocs docs with their lists. In it the docs are numbered
// from 0 up, in the order of their ids. Of the segments that have a doc, the one with the
// highest number knows all its names, unless the doc is unindexed.
type segment struct {
	num   uint32
	state segState
	pages uint64          // how many, where live
	docs  *roaring.Bitmap // where live
	n     int             // docs
}

func segKey(num uint32) []byte { return binary.BigEndian.AppendUint32(nil, num) }

// putSegment stores the record of a segment.
func putSegment(w Writer, g *segment) error {
	b := binary.AppendUvarint([]byte{byte(g.state)}, g.pages)
	if g.state == segLive {
		docs, err := encodeSet(g.docs)
		if err != nil {
			return err
		}
		b = append(b, docs...)
	}
	key := segKey(g.num)
	return w.Put(Segments, key, codec.AddChecksum(key, b))
}

// decodeSegment decodes the record of a segment. With alias its docs alias val and must not
// be changed.
func decodeSegment(key, val []byte, alias bool) (g segment, err error) {
	if len(key) != 4 {
		return g, codec.ErrCorrupt
	}
	g.num = binary.BigEndian.Uint32(key)
	b, err := codec.VerifyChecksum(key, val)
	if err != nil || len(b) == 0 {
		return g, codec.ErrCorrupt
	}
	r := codec.Reader{B: b, Pos: 1}
	g.state, g.pages = segState(b[0]), r.Uvarint()
	if r.Bad || g.state < segBuilding || g.state > segDropping {
		return g, codec.ErrCorrupt
	}
	if g.state != segLive {
		return g, nil
	}
	g.docs = roaring.New()
	if alias {
		_, err = g.docs.FromBuffer(b[r.Pos:])
	} else {
		g.docs, err = decodeSet(b[r.Pos:])
	}
	if err != nil {
		return g, codec.ErrCorrupt // the set is not fit even to be counted
	}
	if g.n = int(g.docs.GetCardinality()); g.n > trigram.MaxDocs {
		return g, codec.ErrCorrupt
	}
	return g, nil
}

// readSegments returns all segments in the order of their numbers. They alias nothing.
func readSegments(r Reader) (segs []segment) {
	c := r.Bucket(Segments).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if g, err := decodeSegment(k, v, false); err == nil {
			segs = append(segs, g)
		} else {
			_ = r.Corrupt(Segments, k) // the reader's owner now fails every later read
		}
	}
	return segs
}

// markLen is the length of the rest of a page's key after the segment's number.
const markLen = 3 + 2

func pageKey(seg uint32, m trigram.Mark) []byte {
	key := binary.BigEndian.AppendUint32(make([]byte, 0, 4+markLen), seg)
	key = append(key, byte(m.T>>16), byte(m.T>>8), byte(m.T))
	return binary.BigEndian.AppendUint16(key, m.Doc)
}

// isPageOf reports whether key is that of a page of a segment.
func isPageOf(key []byte, seg uint32) bool {
	return len(key) == 4+markLen && binary.BigEndian.Uint32(key) == seg
}

// pageReader returns the pages of a segment one after the other, copied in short snapshots, for
// trigram.Unpack. After an error, which Unpack does not see, it has no more pages and err is
// set.
type pageReader struct {
	db   DB
	stop func() error // asked between snapshots
	seg  uint32
	next []byte   // the key at which to go on
	vals [][]byte // not given out yet
	done bool
	err  error
}

// readLen is about how many bytes are copied from one snapshot.
const readLen = 64 << 10

func readPages(db DB, seg uint32, stop func() error) *pageReader {
	return &pageReader{db: db, stop: stop, seg: seg, next: segKey(seg)}
}

// page returns the next page without its checksum.
func (r *pageReader) page() ([]byte, bool) {
	if len(r.vals) == 0 && !r.done && r.err == nil {
		if r.err = r.stop(); r.err == nil {
			r.err = r.db.View(func(in Reader) error { return r.read(in) })
		}
	}
	if len(r.vals) == 0 || r.err != nil {
		return nil, false
	}
	page := r.vals[0][4:] // read checked it
	r.vals = r.vals[1:]
	return page, true
}

func (r *pageReader) read(in Reader) error {
	c := in.Bucket(Pages).Cursor()
	size := 0
	k, v := c.Seek(r.next)
	for ; isPageOf(k, r.seg) && size < readLen; k, v = c.Next() {
		if _, err := codec.VerifyChecksum(k, v); err != nil {
			return in.Corrupt(Pages, k)
		}
		r.vals = append(r.vals, bytes.Clone(v))
		size += len(v)
	}
	if r.done = !isPageOf(k, r.seg); !r.done {
		r.next = bytes.Clone(k)
	}
	return nil
}

// EachSegment calls fn with the number and the docs of each segment that queries read.
func EachSegment(r Reader, fn func(num uint32, docs *roaring.Bitmap)) {
	for _, g := range readSegments(r) {
		if g.state == segLive {
			fn(g.num, g.docs)
		}
	}
}
