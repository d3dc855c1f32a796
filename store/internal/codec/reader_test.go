package codec

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// TestUvarints: numbers of all lengths, and bytes that are none, are read as
// encoding/binary reads them, and passed over as they are read.
func TestUvarints(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		var b []byte
		for range 1 + r.IntN(12) {
			b = binary.AppendUvarint(b, r.Uint64()>>r.IntN(64))
		}
		switch r.IntN(4) {
		case 0:
			b = b[:r.IntN(len(b)+1)]
		case 1:
			b[r.IntN(len(b))] |= 0x80
		}
		in := Reader{B: b}
		for p, n := 0, 0; ; n++ {
			skip := Reader{B: b}
			skip.SkipUvarints(n)
			if skip.Pos != in.Pos || skip.Bad != in.Bad {
				t.Fatalf("%x: behind %d numbers is %d, %v, want %d, %v", b, n, skip.Pos, skip.Bad, in.Pos, in.Bad)
			}
			if in.Bad {
				break
			}
			want, size := binary.Uvarint(b[p:])
			got := in.Uvarint()
			if p += size; size <= 0 {
				want, p = 0, len(b)
			}
			if got != want || in.Pos != p || in.Bad != (size <= 0) {
				t.Fatalf("%x: number %d is %d up to %d, %v, want %d up to %d", b, n, got, in.Pos, in.Bad, want, p)
			}
		}
	}
}
