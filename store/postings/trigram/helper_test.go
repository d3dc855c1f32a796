package trigram_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"indexd/internal/casefold"
	"indexd/store/postings/trigram"
)

// rounds runs test n times with a random seed of its own each, or once with that in
// TRIGRAM_SEED.
func rounds(t *testing.T, n int, test func(t *testing.T, r *rand.Rand)) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TRIGRAM_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed, n = v, 1
	}
	for i := range n {
		s := seed + uint64(i)
		ok := t.Run(strconv.FormatUint(s, 10), func(t *testing.T) {
			t.Logf("TRIGRAM_SEED=%d", s)
			test(t, rand.New(rand.NewPCG(s, 0)))
		})
		if !ok {
			return
		}
	}
}

// lists is the oracle: the documents of each trigram, ascending.
type lists map[trigram.T][]uint16

// brute gathers the lists of documents, of which each is its names, ended by 0x00.
func brute(docs [][]byte) lists {
	l := lists{}
	for d, names := range docs {
		have := map[string]bool{}
		for _, name := range strings.Split(string(names), "\x00") {
			f := casefold.String(name)
			for i := range max(len(f)-2, 0) {
				have[f[i:i+3]] = true
			}
		}
		for s := range have {
			t := trigram.T(s[0])<<16 | trigram.T(s[1])<<8 | trigram.T(s[2])
			l[t] = append(l[t], uint16(d))
		}
	}
	return l
}

func (l lists) trigrams() []trigram.T { return slices.Sorted(maps.Keys(l)) }

// source gives l as a Source.
func (l lists) source() trigram.Source { return &given{l: l, left: l.trigrams()} }

type given struct {
	l    lists
	left []trigram.T
	t    trigram.T
	err  error
}

func (g *given) Err() error                 { return g.err }
func (g *given) Docs(dst []uint16) []uint16 { return append(dst, g.l[g.t]...) }

func (g *given) Next() (trigram.T, bool) {
	if len(g.left) == 0 {
		return 0, false
	}
	g.t, g.left = g.left[0], g.left[1:]
	return g.t, true
}

// equal fails unless src gives the lists of want.
func equal(t *testing.T, what string, src trigram.Source, want lists) {
	t.Helper()
	for _, w := range want.trigrams() {
		got, ok := src.Next()
		if !ok || got != w {
			t.Fatalf("%s: next list is that of %06x, %v, %v, want %06x", what, got, ok, src.Err(), w)
		}
		if docs := src.Docs([]uint16{7})[1:]; !slices.Equal(docs, want[w]) {
			t.Fatalf("%s: %06x is in %v, want %v", what, w, docs, want[w])
		}
	}
	if got, ok := src.Next(); ok || src.Err() != nil {
		t.Fatalf("%s: after the last list comes that of %06x, %v, %v", what, got, ok, src.Err())
	}
}

// paged are the pages of some lists.
type paged struct {
	marks []trigram.Mark
	pages [][]byte
}

func compare(a, b trigram.Mark) int {
	if a.T != b.T {
		return int(a.T) - int(b.T)
	}
	return int(a.Doc) - int(b.Doc)
}

// pack packs src, and fails unless each page holds together.
func pack(t testing.TB, src trigram.Source) paged {
	t.Helper()
	var all paged
	for p := trigram.NewPacker(src); ; {
		mark, page, ok := p.Next()
		if !ok {
			if err := p.Err(); err != nil {
				t.Fatal(err)
			}
			return all
		}
		if len(page) > trigram.PageLen {
			t.Fatalf("page of %d bytes", len(page))
		}
		if err := trigram.Verify(page); err != nil {
			t.Fatalf("page %d: %v", len(all.pages), err)
		}
		if n := len(all.marks); n > 0 && compare(all.marks[n-1], mark) >= 0 {
			t.Fatalf("mark %v after %v", mark, all.marks[n-1])
		}
		all.marks, all.pages = append(all.marks, mark), append(all.pages, slices.Clone(page))
	}
}

// unpack gives the lists of the pages. Each page is spoilt when the next is asked for.
func (p paged) unpack() trigram.Source {
	i, buf := 0, []byte(nil)
	return trigram.Unpack(func() ([]byte, bool) {
		for j := range buf {
			buf[j] = 0xa5
		}
		if i == len(p.pages) {
			return nil, false
		}
		buf = append(buf[:0], p.pages[i]...)
		i++
		return buf, true
	})
}

// find looks in the pages as one does who has them by their marks.
func (p paged) find(t testing.TB, w trigram.T) []uint16 {
	i, ok := slices.BinarySearchFunc(p.marks, trigram.Mark{T: w}, compare)
	if !ok && i > 0 {
		i--
	}
	var docs []uint16
	for more := true; more && i < len(p.pages); i++ {
		n, m, err := trigram.Len(p.pages[i], w)
		if err != nil {
			t.Fatal(err)
		}
		had := len(docs)
		if docs, more, err = trigram.Find(p.pages[i], w, docs); err != nil {
			t.Fatal(err)
		}
		if len(docs)-had != n || m != more {
			t.Fatalf("page %d: Len of %06x gives %d, %v, Find %d, %v", i, w, n, m, len(docs)-had, more)
		}
	}
	return docs
}

// documents returns n random ones: words in directories that are like their
// neighbours, in any case and script, some of them no UTF-8.
func documents(r *rand.Rand, n int) [][]byte {
	words := make([]string, 40+r.IntN(400))
	for i := range words {
		b := make([]byte, 1+r.IntN(8))
		for j := range b {
			b[j] = byte('a' + min(r.IntN(26), r.IntN(26)))
		}
		words[i] = string(b)
		switch r.IntN(12) {
		case 0:
			words[i] = strings.ToUpper(words[i])
		case 1:
			words[i] = "Äß\u212aſΣ漢字"[r.IntN(5):]
		case 2:
			words[i] += string([]byte{byte(r.IntN(255) + 1), 0xc3})
		}
	}
	docs := make([][]byte, n)
	near := 0
	for i := range docs {
		if r.IntN(10) == 0 {
			near = r.IntN(len(words))
		}
		for range r.IntN(12) {
			for range 1 + r.IntN(3) {
				w := near + r.IntN(20)
				if r.IntN(10) == 0 {
					w = r.IntN(len(words))
				}
				docs[i] = append(docs[i], words[w%len(words)]...)
				docs[i] = append(docs[i], ".-_ "[r.IntN(4)])
			}
			docs[i] = append(docs[i], "txt.go\x00.C\x00"[r.IntN(7):]...)
		}
	}
	return docs
}

func build(docs [][]byte) *trigram.Builder {
	b := trigram.NewBuilder()
	for _, d := range docs {
		b.Add(d)
	}
	return b
}
