package trigram_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"indexd/store/postings/trigram"
)

// Whatever is built is found, and comes out as it went in.
func TestLists(t *testing.T) {
	rounds(t, 12, func(t *testing.T, r *rand.Rand) {
		docs := documents(r, r.IntN(1<<r.IntN(12)))
		want := brute(docs)
		b := build(docs)
		if b.Docs() != len(docs) {
			t.Fatalf("%d documents, want %d", b.Docs(), len(docs))
		}
		equal(t, "built", b.Source(), want)
		p := pack(t, build(docs).Source())
		equal(t, "unpacked", p.unpack(), want)
		holds(t, p, want)
	})
}

// holds fails unless each list of want is found in p, and no other.
func holds(t *testing.T, p paged, want lists) {
	t.Helper()
	check := func(w trigram.T) {
		if got := p.find(t, w&0xffffff); !slices.Equal(got, want[w&0xffffff]) {
			t.Fatalf("found %06x in %v, want %v", w, got, want[w&0xffffff])
		}
	}
	for w := range want {
		check(w)
		check(w + 1)
		check(w - 1)
	}
	check(0)
	check(1<<24 - 1)
	for i, page := range p.pages {
		u := paged{pages: [][]byte{page}}.unpack()
		last := trigram.T(0)
		for w, ok := u.Next(); ok; w, ok = u.Next() {
			last = w
			on := i+1 < len(p.marks) && p.marks[i+1].T == w
			if _, more, err := trigram.Len(page, w); more != on || err != nil {
				t.Fatalf("page %d: more of %06x: %v, %v, want %v", i, w, more, err, on)
			}
		}
		if u.Err() != nil { // the last list goes on
			continue
		}
		if _, more, err := trigram.Len(page, last+1); !more || err != nil {
			t.Fatalf("page %d: %06x, over its last, cannot be in the next: %v", i, last+1, err)
		}
	}
}

// Lists of every density and shape, many of them longer than a page, of trigrams near
// each other and far apart.
func TestShapes(t *testing.T) {
	shapes := func(r *rand.Rand) func(d int) bool {
		p, q := r.Float64(), r.Float64()
		switch r.IntN(7) {
		case 0:
			return func(int) bool { return true }
		case 1:
			return func(int) bool { return r.Float64() < p }
		case 2:
			return func(int) bool { return r.Float64() < p*p*p*p*p*p }
		case 3: // a cluster here and there
			in := false
			return func(int) bool {
				if in {
					in = r.Float64() > p/10
				} else {
					in = r.Float64() < q/1000
				}
				return in && r.Float64() < q
			}
		case 4:
			n := 1 + r.IntN(5000)
			return func(d int) bool { return d%n == n-1 }
		case 5:
			n := r.IntN(trigram.MaxDocs)
			return func(d int) bool { return d == n || d == trigram.MaxDocs-1 }
		}
		n := r.IntN(trigram.MaxDocs)
		return func(d int) bool { return d == n }
	}
	rounds(t, 2, func(t *testing.T, r *rand.Rand) {
		want := lists{}
		near := r.IntN(2) == 0
		for w := range 60 {
			tri := trigram.T(w)
			if !near {
				tri = trigram.T(r.IntN(1 << 24))
			}
			has := shapes(r)
			var docs []uint16
			for d := range trigram.MaxDocs {
				if has(d) {
					docs = append(docs, uint16(d))
				}
			}
			if docs != nil {
				want[tri] = docs
			}
		}
		p := pack(t, want.source())
		equal(t, "unpacked", p.unpack(), want)
		holds(t, p, want)
	})
}

// A list of half of the documents or more costs about a bit for each there is.
func TestDense(t *testing.T) {
	rounds(t, 3, func(t *testing.T, r *rand.Rand) {
		for _, part := range []float64{0.5, 0.7, 0.9, 1} {
			var docs []uint16
			for d := range trigram.MaxDocs {
				if r.Float64() < part {
					docs = append(docs, uint16(d))
				}
			}
			total := 0
			for _, page := range pack(t, lists{0x616263: docs}.source()).pages {
				total += len(page)
			}
			if most := trigram.MaxDocs/8 + 100; total > most {
				t.Errorf("a list of %.1f of all takes %d bytes, want at most %d", part, total, most)
			}
		}
	})
}

func TestMerge(t *testing.T) {
	rounds(t, 5, func(t *testing.T, r *rand.Rand) {
		n := 1 + r.IntN(1500)
		docs := documents(r, n)
		// Each document is of one source, and a few are in no merged list.
		parts := make([][][]byte, 1+r.IntN(8))
		to := make([][]int32, len(parts))
		kept, run := docs[:0:0], 0
		for _, d := range docs {
			if r.IntN(5) == 0 {
				run = r.IntN(len(parts))
			}
			number := int32(len(kept))
			if r.IntN(4) == 0 {
				number = -1
			} else {
				kept = append(kept, d)
			}
			parts[run], to[run] = append(parts[run], d), append(to[run], number)
		}
		sources := make([]trigram.Source, len(parts))
		for i, part := range parts {
			sources[i] = build(part).Source()
			if r.IntN(2) == 0 {
				sources[i] = pack(t, sources[i]).unpack()
			}
		}
		want := brute(kept)
		m := trigram.Merge(sources, to)
		if r.IntN(2) == 0 {
			equal(t, "merged", m, want)
			return
		}
		p := pack(t, m)
		equal(t, "merged and packed", p.unpack(), want)
		holds(t, p, want)
	})
}

// Documents that get one number become one.
func TestMergeSame(t *testing.T) {
	a := lists{1: {0, 1, 2, 3}, 2: {0, 2}}
	b := lists{1: {0, 1, 2}, 2: {1}, 3: {1}}
	m := trigram.Merge([]trigram.Source{a.source(), b.source()}, [][]int32{{1, 3, 5, 7}, {3, 5, 6}})
	equal(t, "merged", m, lists{1: {1, 3, 5, 6, 7}, 2: {1, 5}, 3: {5}})
}

// What ends a source ends all that is made of it, with the same error.
func TestSourceFails(t *testing.T) {
	bad := errors.New("bad")
	src := func() trigram.Source { return &given{l: lists{5: {1, 2}}, left: []trigram.T{5}, err: bad} }
	p := trigram.NewPacker(src())
	if _, _, ok := p.Next(); ok || p.Err() != bad {
		t.Errorf("Packer: %v, %v", ok, p.Err())
	}
	m := trigram.Merge([]trigram.Source{lists{6: {0}}.source(), src()}, [][]int32{{1}, {0, 2, 3}})
	for ok := true; ok; _, ok = m.Next() {
	}
	if m.Err() != bad {
		t.Errorf("Merge: %v", m.Err())
	}
	m = trigram.Merge([]trigram.Source{lists{6: {0, 1}}.source()}, [][]int32{{1}})
	if _, ok := m.Next(); ok || m.Err() != trigram.ErrPage {
		t.Errorf("Merge of a document without a number: %v, %v", ok, m.Err())
	}
}

// Unpack does not take pages in the wrong order, or with one missing in the middle
// of a list, for whole.
func TestUnpackOrder(t *testing.T) {
	long := make([]uint16, 0, trigram.MaxDocs)
	for d := range trigram.MaxDocs {
		long = append(long, uint16(d))
	}
	p := pack(t, lists{1: {5}, 2: long, 3: {9}}.source())
	if len(p.pages) < 4 {
		t.Fatalf("%d pages", len(p.pages))
	}
	one := pack(t, lists{1: {5}}.source()).pages[0]
	for what, pages := range map[string][][]byte{
		"none":        {{}},
		"one twice":   {one, one},
		"the end cut": p.pages[:2],
		"swapped":     {p.pages[0], p.pages[2], p.pages[1], p.pages[3]},
		"twice":       {p.pages[0], p.pages[1], p.pages[1], p.pages[2]},
	} {
		u := paged{pages: pages}.unpack()
		for ok := true; ok; _, ok = u.Next() {
		}
		if u.Err() != trigram.ErrPage {
			t.Errorf("%s: %v", what, u.Err())
		}
	}
}

// exercise does with a page, which may be anything, all that can be done. It fails if
// what comes of it is not bounded, or differs between the ways to get it.
func exercise(t *testing.T, page []byte) {
	t.Helper()
	whole := trigram.Verify(page) == nil
	given := false
	u := trigram.Unpack(func() ([]byte, bool) {
		if given {
			return nil, false
		}
		given = true
		return page, true
	})
	total := 0
	var docs []uint16
	for {
		w, ok := u.Next()
		if !ok {
			break
		}
		if docs = u.Docs(docs[:0]); len(docs) == 0 || len(docs) > 8*trigram.PageLen || cap(docs) > 1<<16 {
			t.Fatalf("%d numbers, %d allocated", len(docs), cap(docs))
		}
		if total++; total > 8*trigram.PageLen {
			t.Fatal("no end of lists")
		}
		if !whole {
			continue
		}
		got, _, err := trigram.Find(page, w, nil)
		if err != nil || !slices.Equal(got, docs) {
			t.Fatalf("%06x: found %v, %v, unpacked %v", w, got, err, docs)
		}
		if !slices.IsSorted(docs) || len(slices.Compact(slices.Clone(docs))) != len(docs) {
			t.Fatalf("%06x: %v", w, docs)
		}
	}
	for _, w := range []trigram.T{0, 1, 0x2e676f, 0x616263, 0x746573, 1<<24 - 1} {
		n, more, err := trigram.Len(page, w)
		got, m, ferr := trigram.Find(page, w, []uint16{3})
		if got[0] != 3 || ferr == nil && (err != nil || len(got) != n+1 || m != more) || ferr != nil && (len(got) != 1 || m) {
			t.Fatalf("%06x: Len %d, %v, %v; Find %d, %v, %v", w, n, more, err, len(got)-1, m, ferr)
		}
		if n > 8*trigram.PageLen || whole && (err != nil || ferr != nil) {
			t.Fatalf("%06x: Len %d, %v, Find %v in a page that is whole: %v", w, n, err, ferr, whole)
		}
	}
}

func TestDamage(t *testing.T) {
	rounds(t, 4, func(t *testing.T, r *rand.Rand) {
		docs := documents(r, 600)
		for _, page := range pack(t, build(docs).Source()).pages {
			for range 100 {
				bad := slices.Clone(page)
				for range 1 + r.IntN(3) {
					i := r.IntN(len(bad))
					switch r.IntN(6) {
					case 0:
						bad[r.IntN(min(len(bad), 8))] ^= 1 << r.IntN(8)
					case 1:
						bad[i] = byte(r.Uint32())
					case 2:
						bad = bad[:1+i]
					case 3:
						bad[i] ^= 1 << r.IntN(8)
					case 4:
						clear(bad[i:min(i+20, len(bad))])
					case 5:
						copy(bad[i:], slices.Repeat([]byte{0xff}, 20))
					}
				}
				exercise(t, bad)
			}
		}
	})
}

// A page of which the lists are not where the directory says, or that has more than
// its lists, does not hold together.
func TestVerify(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	grown := false
	for _, page := range pack(t, build(documents(r, 700)).Source()).pages {
		h := binary.LittleEndian.Uint64(page)
		n, spread, place := int(h>>24&(1<<11-1)), int(h>>36&31), int(h>>41&15)
		dir := 8*len(page) - n*(spread+place)
		for range 60 {
			i := r.IntN(n * place)
			bad := slices.Clone(page)
			bit := dir + i/place*(spread+place) + i%place
			bad[bit/8] ^= 1 << (bit % 8)
			if trigram.Verify(bad) != trigram.ErrPage {
				t.Fatalf("list %d of %d may begin elsewhere", i/place, n)
			}
		}
		// A byte 0 between the lists and the directory.
		bad := make([]byte, len(page)+1)
		for i := range 8 * len(page) {
			to := i
			if i >= dir {
				to += 8
			}
			bad[to/8] |= page[i/8] >> (i % 8) & 1 << (to % 8)
		}
		if trigram.Verify(bad) != trigram.ErrPage {
			t.Fatal("there may be a byte more")
		}
		if len(bad) <= trigram.PageLen {
			grown = true
		}
		for bit := 50; bit < 64; bit++ {
			bad := slices.Clone(page)
			bad[bit/8] ^= 1 << (bit % 8)
			if trigram.Verify(bad) != trigram.ErrPage {
				t.Fatalf("bit %d of the header may be set", bit)
			}
		}
	}
	if !grown {
		t.Error("no page that has room for a byte more")
	}
}

// Heads that would give more numbers than can be, or numbers that do not ascend.
func TestHead(t *testing.T) {
	page := func(wide int, bits string) []byte {
		data := make([]byte, 64)
		binary.LittleEndian.PutUint64(data, 0x616263|1<<24|uint64(wide)<<45)
		for i, c := range bits {
			data[8+i/8] |= byte(c-'0') << (i % 8)
		}
		return data
	}
	for what, bad := range map[string][]byte{
		"1<<63 numbers":          page(16, strings.Repeat("0", 63)+"1"),
		"1<<15 numbers":          page(16, strings.Repeat("0", 15)+"1"),
		"a parameter over wide":  page(0, "010"+"0111"+strings.Repeat("0", 14+14)+"1"),
		"a gap over all numbers": page(16, "010"+strings.Repeat("1", 16)+"0000"+"1"),
		"no bit 1 at all":        page(16, "010"+strings.Repeat("0", 20)),
	} {
		exercise(t, bad)
		if _, _, err := trigram.Find(bad, 0x616263, nil); err != trigram.ErrPage {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzPage(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 3, 40, 300} {
		for _, page := range pack(f, build(documents(r, n)).Source()).pages[:1] {
			f.Add(page)
		}
	}
	f.Add([]byte{})
	f.Add(make([]byte, trigram.PageLen))
	f.Add(slices.Repeat([]byte{0xff}, trigram.PageLen+1))
	f.Fuzz(exercise)
}
