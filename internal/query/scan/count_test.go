package scan

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// Names that nearly match are counted, in longer columns than those of the other tests.
// Package bytes is the oracle.
func TestCount(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		letters := pick(g, "ab", "aAbB", "ab.", "aks\xc5\xbf", "abcdefgh")
		text := func(max int) []byte {
			b := make([]byte, 1+g.IntN(max))
			for i := range b {
				b[i] = letters[g.IntN(len(letters))]
			}
			return b
		}
		var col []byte
		var names [][]byte
		for range g.IntN(40) {
			name := text(1 + g.IntN(20))
			names = append(names, name)
			col = append(append(col, name...), 0)
		}
		pat := text(1 + g.IntN(12))
		fold := IsASCII(pat) && !bytes.ContainsAny(pat, "ks") && g.IntN(2) == 0
		if fold {
			pat = lowered(pat)
		}
		start, end, stem := g.IntN(3) == 0, g.IntN(2) == 0, false
		if end && !start {
			stem = g.IntN(2) == 0
		}
		n := NewColumnSearcher(string(pat), fold, start, end)
		want := 0
		for _, name := range names {
			if fold {
				name = lowered(name)
			}
			if (!start || bytes.HasPrefix(name, pat)) && (!end || bytes.HasSuffix(name, pat)) && bytes.Contains(name, pat) &&
				(!start || !end || len(name) == len(pat)) && (!stem || len(name) > len(pat)) {
				want++
			}
		}
		if got := n.Count(col, stem); got != want {
			t.Fatalf("%q (fold %v, start %v, end %v, stem %v) in %q: %d, want %d", pat, fold, start, end, stem, col, got, want)
		}
		frame := bytes.Clone(n.pat)
		hay := bytes.Clone(col)
		if fold {
			hay = lowered(hay)
		}
		if got, want := n.pair.Find(col), bytes.Index(hay, frame); got != want {
			t.Fatalf("%q (fold %v) is found at %d of %q, want %d", frame, fold, got, col, want)
		}
	}
}

// A byte is counted in names of any length, including those longer than the eight bytes that
// are compared at once.
func TestCountLetters(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for size := range 600 {
		col := make([]byte, size)
		for i := range col {
			col[i] = byte(rnd.Uint32() & rnd.Uint32() & rnd.Uint32())
		}
		col = append(col, 0)
		for c := 1; c < 256; c++ {
			want := 0
			for name := range bytes.SplitSeq(col[:size], []byte{0}) {
				if bytes.IndexByte(name, byte(c)) >= 0 {
					want++
				}
			}
			if ascii := !slices.ContainsFunc(col, func(c byte) bool { return c >= 0x80 }); IsASCII(col) != ascii {
				t.Fatalf("%q is ASCII: %v", col, IsASCII(col))
			}
			if got := NewBytePair([]byte{byte(c)}, false).count(col, false); got != want {
				t.Fatalf("%#x in %q: %d, want %d", c, col, got, want)
			}
		}
	}
}

// lowered returns a copy of s with ASCII letters in lower case.
func lowered(s []byte) []byte {
	s = bytes.Clone(s)
	for i, c := range s {
		s[i] = lower(c)
	}
	return s
}

func pick(g *rand.Rand, list ...string) string { return list[g.IntN(len(list))] }
