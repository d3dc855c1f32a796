package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"indexd/store/internal/codec"
)

// Body is the encoded entries of one record, and their Aggregates. It comes from Encode,
// EncodeBody or a stored record, and is never modified. Encoding is deterministic: the same
// entries give the same Body. The zero value stands for no entries.
type Body struct {
	agg  Aggregates
	crc  uint32 // of cols
	cols []byte
}

// Agg returns the aggregates of the entries.
func (b *Body) Agg() *Aggregates { return &b.agg }

// Size returns the encoded size in bytes.
func (b *Body) Size() int { return len(b.cols) }

// MaxRecord returns an upper bound of the length in bytes of a record with the entries of b.
func (b *Body) MaxRecord() int { return maxHeader + 8 + len(b.cols) }

// Equal reports whether a and b hold the same entries.
func (b *Body) Equal(c *Body) bool {
	return b.crc == c.crc && b.agg == c.agg && bytes.Equal(b.cols, c.cols)
}

// Clone returns a copy that shares nothing with b.
func (b *Body) Clone() Body {
	c := *b
	c.cols = bytes.Clone(b.cols)
	return c
}

// Entries returns the entries of b, which alias it. It returns ErrCorrupt if b does not match
// its checksum or cannot be decoded.
func (b *Body) Entries() (Entries, error) {
	if crc32.Checksum(b.cols, codec.Castagnoli) != b.crc {
		return Entries{}, codec.ErrCorrupt
	}
	var e Entries
	err := e.open(b)
	return e, err
}

// The bytes of a record are the length of its header, one byte; the header; the CRC32C of the
// record's key and both of these; and, unless the listing is chunked or has no entries, the
// CRC32C of the columns and the columns. Checksums are little-endian.

// maxHeader is an upper bound of the length of a header.
const maxHeader = 256

// Record is a stored listing or chunk. It aliases the bytes that it was decoded from, which
// are the database's: the record and all strings that come from it are valid as long as the
// snapshot is. It is not for concurrent use.
type Record struct {
	raw     []byte // the header
	head    Header
	aggOK   bool // head.Agg is decoded
	headOK  bool // all of head is decoded
	headBad bool // raw is not a header although its checksum matches; Verify reports that
	crc     uint32
	cols    []byte
	Entries
}

// Decode decodes the record stored under key. It returns ErrCorrupt if the checksum of the
// header, which covers the key, does not match. Call Load before reading the entries.
func Decode(key, val []byte) (Record, error) {
	var r Record
	err := r.Decode(key, val)
	return r, err
}

// Decode is the function Decode into a Record that is reused, for scans. The header is
// decoded when it is needed.
func (r *Record) Decode(key, val []byte) error {
	r.Entries.close()
	r.aggOK, r.headOK, r.headBad = false, false, false
	r.raw, r.crc, r.cols = nil, 0, nil
	in := codec.Reader{B: val}
	in.Skip(int(in.Byte()))
	raw := val[:in.Pos]
	if sum := in.Uint32(); in.Bad || sum != codec.Checksum(key, raw) {
		return codec.ErrCorrupt
	}
	r.raw = raw
	if in.Left() > 0 {
		r.crc = in.Uint32()
		r.cols = val[in.Pos:]
	}
	return nil
}

// Append appends to dst the record of h and b that is to be stored under key. h.Agg is taken
// from b unless h.Chunked, in which case b must be empty.
func Append(dst, key []byte, h *Header, b *Body) []byte {
	agg := &h.Agg
	if !h.Chunked {
		agg = &b.agg
	}
	dst = slices.Grow(dst, b.MaxRecord())
	start := len(dst)
	dst = h.append(append(dst, 0), agg)
	dst[start] = byte(len(dst) - start - 1)
	dst = binary.LittleEndian.AppendUint32(dst, codec.Checksum(key, dst[start:]))
	if len(b.cols) > 0 {
		dst = binary.LittleEndian.AppendUint32(dst, b.crc)
		dst = append(dst, b.cols...)
	}
	return dst
}

// Header returns the record's header. The caller may modify a copy of it.
func (r *Record) Header() *Header {
	if !r.headOK {
		in := codec.Reader{B: r.raw, Pos: min(1, len(r.raw))}
		r.head.decode(&in)
		r.aggOK, r.headOK, r.headBad = true, true, in.Bad || in.Left() != 0
	}
	return &r.head
}

// Agg is Header().Agg; it decodes nothing else.
func (r *Record) Agg() *Aggregates {
	if !r.aggOK {
		in := codec.Reader{B: r.raw, Pos: min(1, len(r.raw))}
		decodeAgg(&in, &r.head.Agg)
		r.aggOK = true
	}
	return &r.head.Agg
}

// Chunked is Header().Chunked; it decodes nothing else.
func (r *Record) Chunked() bool {
	in := codec.Reader{B: r.raw, Pos: min(1, len(r.raw))}
	return in.Uvarint()&isChunked != 0
}

// Doc is Header().Doc; it decodes nothing else.
func (r *Record) Doc() uint64 {
	in := codec.Reader{B: r.raw, Pos: min(1, len(r.raw))}
	skipToDoc(&in)
	return in.Uvarint()
}

// Origin is Header().Origin(); it decodes nothing else.
func (r *Record) Origin() (o Origin) {
	in := codec.Reader{B: r.raw, Pos: min(1, len(r.raw))}
	if readOrigin(&in, &o); in.Bad {
		return Origin{}
	}
	return o
}

// Body returns the encoded entries, to compare them or to store them with another header. It
// does not need Load: a body that does not match its checksum will not match it afterwards
// either.
func (r *Record) Body() Body {
	if len(r.cols) == 0 {
		return Body{}
	}
	return Body{r.Header().Agg, r.crc, r.cols}
}

// Load verifies the checksum of the entries and makes them available; before it, the record
// seems to have none. It returns ErrCorrupt if they are damaged. A Chunked record has no
// entries of its own.
func (r *Record) Load() error {
	if crc32.Checksum(r.cols, codec.Castagnoli) != r.crc {
		return codec.ErrCorrupt
	}
	if len(r.cols) == 0 {
		if h := r.Header(); !h.Chunked && h.Agg.Count != 0 { // cut off
			return codec.ErrCorrupt
		}
	}
	r.Entries.close()
	r.Entries.raw = r.raw
	return r.openColumns(r.cols)
}

// Verify checks what Load does not: that the columns are consistent, that names are in order
// and values possible, and that the header's aggregates are those of the entries. The error
// wraps ErrCorrupt and says what is wrong. Decode must have succeeded.
func (r *Record) Verify() error {
	h := r.Header()
	if r.headBad {
		return fmt.Errorf("%w: header", codec.ErrCorrupt)
	}
	if h.Chunked {
		if len(r.cols) > 0 {
			return fmt.Errorf("%w: entries in the record of a chunked listing", codec.ErrCorrupt)
		}
		return nil
	}
	if err := r.Load(); err != nil {
		return err
	}
	var agg Aggregates
	last := ""
	for i, e := range r.All() {
		if e.Name <= last {
			return fmt.Errorf("%w: name %d, %q after %q", codec.ErrCorrupt, i, e.Name, last)
		}
		if e.Mtime.Nsec > 999_999_999 {
			return fmt.Errorf("%w: %q has %d nanoseconds", codec.ErrCorrupt, e.Name, e.Mtime.Nsec)
		}
		last = e.Name
		agg.Add(e)
	}
	if r.Entries.bad {
		return fmt.Errorf("%w: columns", codec.ErrCorrupt)
	}
	if agg != h.Agg {
		return fmt.Errorf("%w: aggregates %+v of entries that come to %+v", codec.ErrCorrupt, h.Agg, agg)
	}
	return nil
}
