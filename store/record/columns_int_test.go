package record

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"indexd/store/internal/codec"
)

// seeded returns a generator whose seed a failure prints.
func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// numbers returns n values of one of the shapes that columns have.
func numbers(r *rand.Rand, n int) []uint64 {
	v := make([]uint64, n)
	start, width := r.Uint64()>>r.UintN(64), r.UintN(65)
	shape := r.IntN(6)
	few := make([]uint64, 1+r.IntN(8))
	for i := range few {
		few[i] = start + r.Uint64()>>(64-width)
	}
	for i := range v {
		switch shape {
		case 0: // all alike
			v[i] = start
		case 1: // any
			v[i] = r.Uint64() >> (64 - width)
		case 2: // above a base
			v[i] = start + r.Uint64()>>(64-width)
		case 3: // some of a few
			v[i] = few[r.IntN(len(few))]
		case 4: // steps up and down
			start += r.Uint64N(16) - 4
			v[i] = start
		case 5: // mostly small
			v[i] = r.Uint64N(100)
			if r.IntN(20) == 0 {
				v[i] = r.Uint64()
			}
		}
	}
	return v
}

// codeColumn encodes vals and gives back where they are in the bytes.
func codeColumn(t *testing.T, vals []uint64, base uint64, known, ordered bool) (column, []byte) {
	t.Helper()
	b := new(intCoder).append([]byte("before"), vals, base, known, ordered)
	in := codec.Reader{B: b, Pos: len("before")}
	var c column
	c.parse(&in, len(vals), base, known)
	if in.Bad || in.Left() != 0 {
		t.Fatalf("%d values: bad %v, %d bytes left", len(vals), in.Bad, in.Left())
	}
	return c, b
}

func checkColumn(t *testing.T, vals []uint64, base uint64, known, ordered bool) (code uint8) {
	t.Helper()
	c, b := codeColumn(t, vals, base, known, ordered)
	for i, want := range vals {
		if got := c.get(b, i); got != want {
			t.Fatalf("code %d: value %d of %v is %d", c.code, i, vals, got)
		}
	}
	for _, i := range rand.Perm(len(vals)) {
		if got := c.get(b, i); got != vals[i] {
			t.Fatalf("code %d: value %d of %v is %d", c.code, i, vals, got)
		}
	}
	for _, n := range []int{1, 7, 16, len(vals)} {
		var got []uint64
		out := make([]uint64, n)
		for i := 0; i < len(vals); i += n {
			part := out[:min(n, len(vals)-i)]
			c.fill(b, i, part)
			got = append(got, part...)
		}
		if !slices.Equal(got, vals) {
			t.Fatalf("code %d: in blocks of %d, %v is %v", c.code, n, vals, got)
		}
	}
	return c.code
}

func TestColumnRoundTrip(t *testing.T) {
	r := seeded(t)
	var codes [3]int
	for range 300 {
		vals := numbers(r, 1+r.IntN(40)*r.IntN(15))
		least := slices.Min(vals)
		codes[checkColumn(t, vals, least, false, true)]++
		codes[checkColumn(t, vals, least, true, false)]++
		checkColumn(t, vals, 0, true, false)
		if least > 0 {
			checkColumn(t, vals, 1, true, false)
		}
	}
	for code, n := range codes {
		if n < 5 {
			t.Errorf("coding %d came up %d times", code, n)
		}
	}
}

func TestColumnExtremes(t *testing.T) {
	const top = math.MaxUint64
	for _, vals := range [][]uint64{
		{0}, {top}, {0, top}, {top, 0}, {top, top}, {1 << 63, 0, 1<<63 - 1},
		{0, 1 << 62, 0, 1 << 62}, {0, 1<<63 - 1, 1<<63 - 1, 0},
		slices.Repeat([]uint64{0, 0, 0, 0, 0, 0, top}, 20),
		slices.Repeat([]uint64{0, top, 1 << 57, 1<<57 - 1}, 20),
	} {
		for _, known := range []bool{false, true} {
			checkColumn(t, vals, slices.Min(vals), known, !known)
			checkColumn(t, vals, slices.Min(vals), known, false)
		}
	}
}

// Signed values are kept modulo 2^64: their least is not the least unsigned.
func TestColumnSigned(t *testing.T) {
	least, one := int64(-5), int64(-1)
	checkColumn(t, []uint64{uint64(least), 3, 0, uint64(one), 100}, uint64(least), true, false)
	least = math.MinInt64
	checkColumn(t, []uint64{0, uint64(least), math.MaxInt64, 12, 12, 12}, uint64(least), true, false)
}

func TestPacked(t *testing.T) {
	r := seeded(t)
	for w := range uint8(65) {
		n := 1 + r.IntN(100)
		vals := make([]uint64, n)
		for i := range vals {
			vals[i] = r.Uint64() >> (64 - w)
		}
		for _, after := range []int{0, 1, 7, 8, 20} {
			b := appendPacked([]byte{1, 2, 3}, vals, 0, w)
			if len(b) != 3+packedLen(n, w) {
				t.Fatalf("%d values of %d bits take %d bytes", n, w, len(b)-3)
			}
			for range after {
				b = append(b, byte(r.Uint32()))
			}
			b = slices.Clip(b)
			out := make([]uint64, n)
			unpack(b, 3, 0, w, 0, out)
			for i, want := range vals {
				if got := packedAt(b, 3, i, w); got != want || out[i] != want {
					t.Fatalf("%d bits: value %d is %d and %d, not %d", w, i, got, out[i], want)
				}
			}
		}
	}
}

// FuzzColumn reads any bytes as a column: no panic, nothing read beyond them.
func FuzzColumn(f *testing.F) {
	var ic intCoder
	f.Add(byte(7), ic.append(nil, []uint64{1, 2, 3, 4, 5, 6, 7}, 1, false, true))
	f.Add(byte(9), ic.append(nil, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 1 << 40}, 1, false, false))
	f.Add(byte(8), ic.append(nil, []uint64{9, 1 << 50, 9, 9, 9, 1 << 50, 9, 9}, 9, false, false))
	f.Add(byte(255), binary.AppendUvarint([]byte{codeDict<<6 | 63}, math.MaxUint64))
	f.Fuzz(func(t *testing.T, count byte, b []byte) {
		n := int(count)
		if n == 0 {
			return
		}
		b = slices.Clip(b)
		in := codec.Reader{B: b}
		var c column
		c.parse(&in, n, 0, false)
		if in.Bad {
			return
		}
		out := make([]uint64, n)
		c.fill(b, 0, out)
		for i := range n {
			if v := c.get(b, i); v != out[i] {
				t.Fatalf("value %d is %d alone and %d in a row", i, v, out[i])
			}
		}
	})
}
