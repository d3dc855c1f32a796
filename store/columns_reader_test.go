package store

import (
	"encoding/binary"
	"testing"
)

// TestUvarints: numbers of all lengths, and bytes that are none, are read as
// encoding/binary reads them, and passed over as they are read.
func TestUvarints(t *testing.T) {
	r := seeded(t)
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
		in := reader{b: b}
		for p, n := 0, 0; ; n++ {
			skip := reader{b: b}
			skip.skipUvarints(n)
			if skip.p != in.p || skip.bad != in.bad {
				t.Fatalf("%x: behind %d numbers is %d, %v, want %d, %v", b, n, skip.p, skip.bad, in.p, in.bad)
			}
			if in.bad {
				break
			}
			want, size := binary.Uvarint(b[p:])
			got := in.uvarint()
			if p += size; size <= 0 {
				want, p = 0, len(b)
			}
			if got != want || in.p != p || in.bad != (size <= 0) {
				t.Fatalf("%x: number %d is %d up to %d, %v, want %d up to %d", b, n, got, in.p, in.bad, want, p)
			}
		}
	}
}
