package record

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"indexd/listing"
)

// TestZoneSizes: every size lies between its own step and the next, and a step is
// a quarter at most.
func TestZoneSizes(t *testing.T) {
	for n := range uint64(248) {
		lo, hi := sizeOfZone(n), sizeOfZone(n+1)
		if lo >= hi || n >= 8 && n < 247 && float64(hi)/float64(lo) > 1.25 {
			t.Errorf("step %d is from %d to %d", n, lo, hi)
		}
		for _, size := range []int64{lo, lo + (hi-lo)/2, hi - 1} {
			if got := zoneSize(size); got != n {
				t.Errorf("size %d is in step %d, want %d", size, got, n)
			}
		}
	}
	if n := zoneSize(math.MaxInt64); n != 247 {
		t.Error(n)
	}
}

// TestZoneCovers: the bounds of a row are outside of those it was made of, and
// not far.
func TestZoneCovers(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	num := func() int64 {
		switch r.IntN(8) {
		case 0:
			return []int64{0, 1, 4096, math.MaxInt64, math.MinInt64, -1, 1<<32 - 1, 1 << 32}[r.IntN(8)]
		case 1:
			return 1_700_000_000 + r.Int64N(1e8)
		}
		return int64(r.Uint64()) >> r.IntN(64)
	}
	for range 200_000 {
		agg := Aggregates{Count: 1 + r.Uint64N(3), Dirs: r.Uint64N(2), MinSize: num(), Oldest: listing.Time{Sec: num()}}
		agg.MaxSize, agg.Newest.Sec = max(agg.MinSize, num()), max(agg.Oldest.Sec, num())
		row := ZoneRowOf(&Header{}, &agg)
		var buf ZoneBlock
		at := r.IntN(BlockLen)
		buf[at] = row
		rows, err := DecodeZones([]byte("k"), buf.Encode([]byte("k")))
		if err != nil || rows.Row(at) != row || row == NoZone || row >= 1<<56 {
			t.Fatalf("%+v: row %x is read as %x at %d, %v", agg, row, rows.Row(at), at, err)
		}
		var z, wide Zone
		row.Bounds(&z)
		WideZone.Bounds(&wide)
		if z.MinSize > agg.MinSize || z.MaxSize < agg.MaxSize || z.Oldest.Compare(agg.Oldest) > 0 || z.Newest.Compare(agg.Newest) < 0 ||
			(z.Dirs == 0) != (agg.Dirs == 0) || z.Count == z.Dirs {
			t.Fatalf("%+v becomes %+v", agg, z)
		}
		if agg.MaxSize > 0 && agg.MaxSize < 1<<61 && float64(z.MaxSize) > 1.25*float64(agg.MaxSize) ||
			agg.MinSize >= 0 && float64(z.MinSize) < 0.79*float64(agg.MinSize) ||
			agg.Newest.Sec >= 0 && agg.Newest.Sec <= 1<<32-512 && z.Newest.Sec >= agg.Newest.Sec+256 ||
			agg.Oldest.Sec >= 86400 && agg.Oldest.Sec < 2_800_000_000 && z.Oldest.Sec <= agg.Oldest.Sec-86400 {
			t.Fatalf("%+v becomes %+v, which is too wide", agg, z)
		}
		if wide.MinSize != math.MinInt64 || wide.MaxSize != math.MaxInt64 || wide.Oldest.Sec != math.MinInt64 || wide.Newest.Sec != math.MaxInt64 || wide.Dirs != 1 {
			t.Fatalf("what is not known is %+v", wide)
		}
	}
	if ZoneRowOf(&Header{}, &Aggregates{}) != NoZone || ZoneRowOf(&Header{Chunked: true}, &Aggregates{Count: 9}) != NoZone {
		t.Error("a record without entries of its own has a row")
	}
}
