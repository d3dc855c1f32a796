package record

import (
	"encoding/binary"
	"math"
	"math/bits"

	"indexd/listing"
	"indexd/store/internal/codec"
)

// Zone bounds the entries of one record. The bounds include the size and mtime of every entry.
// They are wider than those of the record's Aggregates, by up to a quarter for a size, 256 s
// for the newest mtime and a day for the oldest. A bound that is not known is the end of its
// range.
//
// Count and Dirs are not numbers of entries: Dirs is 1 if some entry is a directory, else 0,
// and Count is always 2. So a Zone can say that no entry is a directory, but never that all
// are.
type Zone struct {
	Count, Dirs      uint64
	MinSize, MaxSize int64
	Oldest, Newest   listing.Time
}

// ZoneRow is a Zone as it is stored, in seven bytes, little-endian:
//
//	largest   1 byte, zoneSize, rounded up; 255 if not known
//	least     1 byte, zoneSize plus 2, rounded down; 1 if not known; 0 if the
//	          record has no entries, and then the whole row is 0
//	oldest    15 bits, days since 1970, rounded down; 0 if not known
//	dirs      1 bit, some entry is a directory
//	newest    3 bytes, units of 256 s since 1970, rounded up; all bits if not known
//
// The newest mtime is that coarse so that a row does not change all the time in a directory
// where files are written all the time.
type ZoneRow uint64

const (
	zoneRowLen = 7
	zoneLen    = BlockLen * zoneRowLen

	NoZone   ZoneRow = 0                                  // no entry
	WideZone ZoneRow = 1<<56 - 1<<32 | 1<<31 | 1<<8 | 255 // nothing is known

	zoneDays   = 24 * 60 * 60 // seconds
	zoneUnit   = 256          // seconds
	MaxOldest  = 1<<15 - 1
	maxNewest  = 1<<24 - 1
	unknownMax = 255
)

// ZoneRowOf returns the row of a record with header h and aggregates agg.
func ZoneRowOf(h *Header, agg *Aggregates) ZoneRow {
	if h.Chunked || agg.Count == 0 {
		return NoZone
	}
	least := uint64(1)
	if agg.MinSize >= 0 {
		least = 2 + zoneSize(agg.MinSize)
	}
	largest := zoneSize(max(agg.MaxSize, 0))
	if largest < unknownMax && sizeOfZone(largest) < agg.MaxSize {
		largest++
	}
	oldest := uint64(min(max(agg.Oldest.Sec, 0)/zoneDays, MaxOldest))
	newest := uint64(maxNewest)
	if s := max(agg.Newest.Sec, 0); s < maxNewest*zoneUnit {
		newest = uint64(s+zoneUnit-1) / zoneUnit
	}
	row := largest | least<<8 | oldest<<16 | newest<<32
	if agg.Dirs > 0 {
		row |= 1 << 31
	}
	return ZoneRow(row)
}

// Bounds sets z to the Zone of a row that is not NoZone.
func (r ZoneRow) Bounds(z *Zone) {
	*z = Zone{Count: 2, Dirs: uint64(r >> 31 & 1), MinSize: math.MinInt64, MaxSize: math.MaxInt64}
	z.Oldest.Sec, z.Newest.Sec = math.MinInt64, math.MaxInt64
	if largest := r.Largest(); largest < unknownMax {
		z.MaxSize = sizeOfZone(largest)
	}
	if least := r.Least(); least > 1 {
		z.MinSize = sizeOfZone(least - 2)
	}
	if oldest := r.Oldest(); oldest > 0 {
		z.Oldest.Sec = int64(oldest) * zoneDays
	}
	if newest := r.Newest(); newest < maxNewest {
		z.Newest.Sec = int64(newest) * zoneUnit
	}
}

func (r ZoneRow) Largest() uint64 { return uint64(r) & 0xff }
func (r ZoneRow) Least() uint64   { return uint64(r) >> 8 & 0xff }
func (r ZoneRow) Oldest() uint64  { return uint64(r) >> 16 & MaxOldest }
func (r ZoneRow) Newest() uint64  { return uint64(r) >> 32 & maxNewest }

// zoneSize encodes a size of at least 0 as a floating-point number with a mantissa of three
// bits, of which the first is implied, rounded down: sizes below 8 as they are, then four
// numbers for each power of two, up to 247.
func zoneSize(size int64) uint64 {
	if size < 8 {
		return uint64(size)
	}
	e := bits.Len64(uint64(size)) - 3 // what is cut off
	return uint64(4*e) + uint64(size)>>e
}

// sizeOfZone returns the least size that zoneSize encodes as n, or the largest size there is.
func sizeOfZone(n uint64) int64 {
	switch {
	case n < 8:
		return int64(n)
	case n > 247:
		return math.MaxInt64
	}
	return int64(4+n%4) << (n/4 - 1)
}

// BlockLen is the number of docs in one value of the zones bucket, and in one of the docs
// bucket.
const BlockLen = 64

// ZoneBlock is the rows of one value of the zones bucket.
type ZoneBlock [BlockLen]ZoneRow

// Encode returns the value to store under key.
func (b *ZoneBlock) Encode(key []byte) []byte {
	buf := make([]byte, 0, zoneLen+1)
	for _, r := range b {
		buf = binary.LittleEndian.AppendUint64(buf, uint64(r))[:len(buf)+zoneRowLen]
	}
	return codec.AddChecksum(key, buf)
}

// DecodeZones returns the rows of an encoded block, which alias it. It returns ErrCorrupt if
// the block is damaged.
func DecodeZones(key, val []byte) (ZoneRows, error) {
	b, err := codec.VerifyChecksum(key, val)
	if err != nil || len(b) != zoneLen {
		return nil, codec.ErrCorrupt
	}
	return b, nil
}

// ZoneRows are the rows of an encoded block.
type ZoneRows []byte

func (z ZoneRows) Row(i int) ZoneRow {
	if i == BlockLen-1 {
		return ZoneRow(binary.LittleEndian.Uint64(z[zoneLen-8:]) >> 8)
	}
	return ZoneRow(binary.LittleEndian.Uint64(z[i*zoneRowLen:]) & (1<<56 - 1))
}
