package record

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"indexd/listing"
)

// checkEncoded compares p with the entries that it was to keep.
func checkEncoded(t *testing.T, p *EncodedListing, kept []listing.Entry, descend func(*listing.Entry) bool) {
	t.Helper()
	var agg Aggregates
	var children []Child
	for i := range kept {
		e := &kept[i]
		agg.Add(e)
		if e.Type() == listing.Dir {
			children = append(children, Child{Name: e.Name, Ino: e.Ino, Btime: e.Btime, Ctime: e.Ctime, Descend: descend == nil || descend(e)})
		}
		e.Ctime, e.Btime = listing.Time{}, listing.Time{} // are not stored
	}
	if diff := cmp.Diff(children, p.Children); diff != "" {
		t.Fatal(diff)
	}
	if p.Agg != agg {
		t.Fatal(cmp.Diff(agg, p.Agg))
	}
	n := 0
	for i := range p.Chunks {
		c, err := p.Chunks[i].Entries()
		if err != nil {
			t.Fatal(err)
		}
		part := kept[n : n+c.Len()]
		n += c.Len()
		checkEntries(t, &c, part)
		want := ""
		if len(part) > 0 {
			want = part[0].Name
		}
		if p.Chunks[i].First != want {
			t.Fatalf("chunk %d begins with %q, not %q", i, p.Chunks[i].First, want)
		}
		if len(p.Chunks) > 1 && (len(part) == 0 || len(part) > ChunkLen) {
			t.Fatalf("chunk %d of %d has %d entries", i, len(p.Chunks), len(part))
		}
	}
	if n != len(kept) {
		t.Fatalf("%d entries of %d", n, len(kept))
	}
}

func TestEncode(t *testing.T) {
	r := seeded(t)
	for _, n := range []int{0, 1, 2, 12, 100, MaxSingle - 1, MaxSingle, MaxSingle + 1, 3 * ChunkLen, 5000} {
		for _, part := range []string{"whole", "first", "middle", "last"} {
			var entries []listing.Entry
			for i := range n {
				e := listing.Entry{Name: fmt.Sprintf("n%05d", i), Stat: listing.Stat{Mode: 0o100644, Ino: r.Uint64(), Nlink: 1}}
				if r.IntN(10) == 0 {
					e.Mode, e.Btime, e.Ctime = 0o040755, someTime(r), someTime(r)
				}
				entries = append(entries, e)
			}
			l := &listing.Listing{Stamp: r.Uint64(), Dir: listing.Stat{Ino: 5}, First: part == "whole" || part == "first", Last: part == "whole" || part == "last", Entries: entries}
			for _, every := range []int{0, 1, 2, 1000000} { // one in so many is dropped
				keep := func(e *listing.Entry) bool { return int(e.Name[5]-'0')%every != 0 }
				descend := func(e *listing.Entry) bool { return e.Ino%2 == 0 }
				var p *EncodedListing
				kept := slices.Clone(entries)
				if every == 0 {
					p = Encode(l, nil, nil)
					checkEncoded(t, p, kept, nil)
				} else {
					kept = slices.DeleteFunc(kept, func(e listing.Entry) bool { return !keep(&e) })
					p = Encode(l, keep, descend)
					checkEncoded(t, p, kept, descend)
				}
				if p.Stamp != l.Stamp || p.Dir != l.Dir || p.First != l.First || p.Last != l.Last {
					t.Fatal("not the listing's")
				}
				upto := ""
				if n > 0 {
					upto = entries[n-1].Name
				}
				if p.Upto != upto {
					t.Fatalf("up to %q, not %q", p.Upto, upto)
				}
				if single := part == "whole" && len(kept) <= MaxSingle; single != (len(p.Chunks) == 1) && len(kept) > ChunkLen {
					t.Fatalf("%d entries in %d chunks", len(kept), len(p.Chunks))
				}
				if part == "whole" && len(kept) == 0 && len(p.Chunks) != 1 {
					t.Fatalf("no entries in %d chunks", len(p.Chunks))
				}
			}
		}
	}
}

// A EncodedListing owns its memory: the listing's may be used again at once.
func TestEncodeKeepsNothing(t *testing.T) {
	buf := []byte("dirfileodd")
	name := func(i, j int) string { return unsafe.String(&buf[i], j-i) }
	l := &listing.Listing{First: true, Last: true, Entries: []listing.Entry{
		{Name: name(0, 3), Stat: listing.Stat{Mode: 0o040755}},
		{Name: name(3, 7), Stat: listing.Stat{Mode: 0o100644}},
		{Name: name(7, 10), Stat: listing.Stat{Mode: 0o100644}},
	}}
	for _, keep := range []func(*listing.Entry) bool{nil, func(e *listing.Entry) bool { return e.Name != "odd" }} {
		copy(buf, "dirfileodd")
		p := Encode(l, keep, nil)
		copy(buf, "**********")
		if p.Children[0].Name != "dir" || p.Chunks[0].First != "dir" || p.Upto != "odd" {
			t.Fatalf("%q, %q, %q", p.Children[0].Name, p.Chunks[0].First, p.Upto)
		}
		if p.Size() < len("dir file odd") {
			t.Fatal("of no size")
		}
	}
}

func TestEncodeFromManyGoroutines(t *testing.T) {
	r := seeded(t)
	entries := someEntries(r, 700)
	whole := Encode(&listing.Listing{First: true, Last: true, Entries: entries}, nil, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				p := Encode(&listing.Listing{First: true, Last: true, Entries: entries}, nil, nil)
				for i := range p.Chunks {
					if !p.Chunks[i].Equal(&whole.Chunks[i].Body) {
						t.Error("another body")
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestEncodeAllocates(t *testing.T) {
	l := &listing.Listing{First: true, Last: true}
	for i := range 50 {
		l.Entries = append(l.Entries, listing.Entry{Name: strings.Repeat("x", 1+i), Stat: listing.Stat{Mode: 0o100644, Size: int64(i), Ino: uint64(i)}})
	}
	e := new(encoder)
	e.encode(l, nil, nil)
	if n := testing.AllocsPerRun(100, func() { e.encode(l, nil, nil) }); n > 2 {
		t.Errorf("%v allocations for a listing without directories", n)
	}
}
