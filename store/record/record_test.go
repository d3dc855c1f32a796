package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"indexd/listing"
	"indexd/store/internal/codec"
)

// someEntries returns up to n entries, valid, of hostile names and any values.
func someEntries(r *rand.Rand, n int) []listing.Entry {
	names := map[string]bool{}
	for range n {
		var name []byte
		if r.IntN(2) == 0 {
			name = fmt.Appendf(nil, "file-%04d.go", r.IntN(10*n))
		} else {
			name = make([]byte, 1+r.IntN(12))
			if r.IntN(20) == 0 {
				name = make([]byte, 255)
			}
			for i := range name {
				for name[i] == 0 || name[i] == '/' {
					name[i] = byte(r.Uint32())
				}
			}
		}
		names[string(name)] = true
	}
	delete(names, "")
	out := make([]listing.Entry, 0, n)
	for name := range names {
		out = append(out, listing.Entry{Name: name})
	}
	slices.SortFunc(out, func(a, b listing.Entry) int { return strings.Compare(a.Name, b.Name) })
	inos, sizes, secs, nsecs := numbers(r, n), numbers(r, n), numbers(r, n), numbers(r, n)
	blocks, links, owners := numbers(r, n), numbers(r, n), numbers(r, n)
	plain := r.IntN(2) == 0
	for i := range out {
		e := &out[i]
		e.Mode = uint32(commonModes[r.IntN(len(commonModes))])
		e.Ino, e.Size = inos[i], int64(sizes[i])
		e.Mtime = listing.Time{Sec: int64(secs[i]), Nsec: uint32(nsecs[i] % 1e9)}
		if r.IntN(50) == 0 {
			*e = listing.Entry{Name: e.Name, StatErrno: 13, Stat: listing.Stat{Mode: e.Mode & 0o170000}}
			continue
		}
		if plain {
			e.Blocks, e.Nlink = usualBlocks(e.Size, e.Type()), uint32(usualLinks(e.Type()))
			continue
		}
		e.Blocks, e.Nlink = int64(blocks[i]), uint32(links[i])
		e.UID, e.GID = uint32(owners[i]>>3), uint32(owners[i])
		if r.IntN(30) == 0 {
			e.Mode ^= r.Uint32() & 0o7777
		}
	}
	return out
}

func someTime(r *rand.Rand) listing.Time {
	switch r.IntN(4) {
	case 0:
		return listing.Time{}
	case 1:
		return listing.Time{Sec: int64(r.Uint64() >> r.UintN(64)), Nsec: r.Uint32N(1e9)}
	}
	return listing.Time{Sec: 1_700_000_000 + r.Int64N(1e8), Nsec: r.Uint32N(3) * 500_000_000}
}

func someHeader(r *rand.Rand) Header {
	flip := func() bool { return r.IntN(2) == 0 }
	h := Header{Doc: r.Uint64() >> r.UintN(64), Stamp: r.Uint64() >> r.UintN(64)}
	if flip() {
		h.Listed = time.UnixMilli(1_700_000_000_000 + r.Int64N(1e12))
	}
	if flip() {
		h.Errno, h.ErrAt = uint16(1+r.IntN(200)), time.UnixMilli(r.Int64N(1e13))
	}
	if flip() {
		h.Dir = listing.Stat{
			Ino: r.Uint64() >> r.UintN(64), Size: 4096, Blocks: 8, Mode: 0o040755, Nlink: 2,
			Mtime: someTime(r), Ctime: someTime(r), Btime: someTime(r),
		}
		if flip() {
			h.Dir.Ctime = h.Dir.Mtime
		}
		if flip() {
			h.Dir.UID, h.Dir.GID, h.Dir.Mode = r.Uint32(), r.Uint32(), r.Uint32()
		}
		if flip() {
			h.NoACL = true
		}
		if flip() {
			h.Dir.Size, h.Dir.Blocks, h.Dir.Nlink = int64(r.Uint64()), int64(r.Uint64()), r.Uint32()
		}
	}
	h.TrustTimes, h.InProgress = flip(), flip()
	return h
}

func someAggregates(r *rand.Rand) Aggregates {
	if r.IntN(4) == 0 {
		return Aggregates{}
	}
	n := numbers(r, 8)
	return Aggregates{
		Count: max(2, n[0]), Dirs: n[1], Bytes: int64(n[2]), Blocks: int64(n[3]), MinSize: int64(n[4]), MaxSize: int64(n[5]),
		Oldest: listing.Time{Sec: int64(n[6])}, Newest: listing.Time{Sec: int64(n[7])},
	}
}

// testKey is the key of the records that are encoded here.
var testKey = []byte("\x00\x01\x00name")

func load(t *testing.T, val []byte) Record {
	t.Helper()
	r, err := Decode(testKey, slices.Clip(val))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Load(); err != nil {
		t.Fatal(err)
	}
	return r
}

// checkEntries compares every way of reading c with entries.
func checkEntries(t *testing.T, c *Entries, entries []listing.Entry) {
	t.Helper()
	if c.Len() != len(entries) {
		t.Fatalf("%d entries of %d", c.Len(), len(entries))
	}
	var names []byte
	dirs := map[string]uint64{}
	for i, e := range entries {
		names = append(append(names, e.Name...), 0)
		if e.Type() == listing.Dir {
			dirs[e.Name] = e.Ino
		}
		var got listing.Entry
		if c.Entry(i, &got); got != e {
			t.Fatalf("entry %d: %s", i, cmp.Diff(e, got))
		}
	}
	for _, i := range rand.Perm(len(entries)) {
		var got listing.Entry
		if c.Entry(i, &got); got != entries[i] || c.Name(i) != entries[i].Name || c.Type(i) != entries[i].Type() {
			t.Fatalf("entry %d: %s", i, cmp.Diff(entries[i], got))
		}
	}
	if !bytes.Equal(c.Names(), names) {
		t.Fatalf("names %q, not %q", c.Names(), names)
	}
	n := 0
	for i, e := range c.All() {
		if i != n || *e != entries[i] {
			t.Fatalf("entry %d as number %d: %s", i, n, cmp.Diff(entries[i], *e))
		}
		n++
	}
	if n != len(entries) {
		t.Fatalf("All stopped after %d of %d", n, len(entries))
	}
	for name, ino := range c.Dirs() {
		if dirs[name] != ino {
			t.Fatalf("directory %q is %d, not %d", name, ino, dirs[name])
		}
		delete(dirs, name)
	}
	if len(dirs) > 0 {
		t.Fatalf("left out: %v", dirs)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	r := seeded(t)
	for range 200 {
		entries := someEntries(r, 1+r.IntN(30)*r.IntN(20))
		h := someHeader(r)
		body := EncodeBody(entries)
		val := Append(nil, testKey, &h, &body)
		h.Agg = *body.Agg()
		rec := load(t, val)
		checkParts(t, val, &h)
		if diff := cmp.Diff(h, *rec.Header()); diff != "" {
			t.Fatal(diff)
		}
		checkEntries(t, &rec.Entries, entries)
		if err := rec.Verify(); err != nil {
			t.Fatal(err)
		}
		if again := EncodeBody(entries); !again.Equal(&body) {
			t.Fatal("the same entries gave another body")
		}
		// Another header, the same entries.
		h2 := someHeader(r)
		kept := rec.Body()
		rec = load(t, Append([]byte("xy"), testKey, &h2, &kept)[2:])
		h2.Agg = h.Agg
		if diff := cmp.Diff(h2, *rec.Header()); diff != "" {
			t.Fatal(diff)
		}
		checkEntries(t, &rec.Entries, entries)
		got, err := kept.Entries()
		if err != nil {
			t.Fatal(err)
		}
		checkEntries(t, &got, entries)
	}
}

// checkParts checks what is read of a header by itself, before and after the rest.
func checkParts(t *testing.T, val []byte, h *Header) {
	t.Helper()
	rec, err := Decode(testKey, val)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if diff := cmp.Diff(h.Agg, *rec.Agg()); diff != "" || rec.Doc() != h.Doc || rec.Chunked() != h.Chunked || rec.Origin() != h.Origin() {
			t.Fatalf("doc %d, chunked %v, want %d, %v; %s", rec.Doc(), rec.Chunked(), h.Doc, h.Chunked, diff)
		}
		rec.Header()
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	r := seeded(t)
	for range 2000 {
		h := someHeader(r)
		h.Agg, h.Chunked = someAggregates(r), true
		val := Append(nil, testKey, &h, &Body{})
		rec := load(t, val)
		checkParts(t, val, &h)
		if diff := cmp.Diff(h, *rec.Header()); diff != "" {
			t.Fatal(diff)
		}
		if rec.Len() != 0 {
			t.Fatal("entries in a chunked record")
		}
	}
}

func TestEmptyDirectoryIsTiny(t *testing.T) {
	h := Header{Doc: 600_000, Stamp: 612_000, Listed: time.UnixMilli(1_790_000_000_000), TrustTimes: true, Dir: listing.Stat{
		Ino: 9_000_000, Mode: 0o040755, Size: 4096, Blocks: 8, Nlink: 2,
		Mtime: listing.Time{Sec: 1_780_000_000}, Ctime: listing.Time{Sec: 1_789_000_000, Nsec: 1}, Btime: listing.Time{Sec: 1_789_000_000, Nsec: 1},
	}}
	if n := len(Append(nil, testKey, &h, &Body{})); n > 45 {
		t.Errorf("%d bytes", n)
	}
}

// Any damage is seen: every bit of a record is under a checksum.
func TestRecordDamage(t *testing.T) {
	r := seeded(t)
	for range 10 {
		body := EncodeBody(someEntries(r, 1+r.IntN(12)))
		h := someHeader(r)
		val := Append(nil, testKey, &h, &body)
		check := func(what string, val []byte) {
			t.Helper()
			rec, err := Decode(testKey, slices.Clip(val))
			if err == nil {
				err = rec.Load()
			}
			if !errors.Is(err, codec.ErrCorrupt) {
				t.Fatalf("%s: %v", what, err)
			}
		}
		for i := range val {
			for bit := range 8 {
				val[i] ^= 1 << bit
				check(fmt.Sprintf("bit %d of byte %d of %d", bit, i, len(val)), val)
				val[i] ^= 1 << bit
			}
			check(fmt.Sprintf("%d bytes of %d", i, len(val)), val[:i])
		}
		check("a byte more", append(val, 0))
		if _, err := Decode([]byte("\x00\x01\x00nbme"), val); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("under another key: %v", err)
		}
	}
}

func TestFind(t *testing.T) {
	r := seeded(t)
	for range 200 {
		entries := someEntries(r, 1+r.IntN(300))
		body := EncodeBody(entries)
		c, err := body.Entries()
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"", "\x01", "\xff\xff", "file-", "file-0001.go"}
		for _, e := range entries {
			names = append(names, e.Name, e.Name+"\x01", e.Name[:len(e.Name)-1])
		}
		for _, name := range names {
			i, ok := c.Find(name)
			want, wantOK := slices.BinarySearchFunc(entries, name, func(e listing.Entry, name string) int { return strings.Compare(e.Name, name) })
			if i != want || ok != wantOK {
				t.Fatalf("%q: %d %v, not %d %v", name, i, ok, want, wantOK)
			}
		}
	}
}

func TestAggregates(t *testing.T) {
	r := seeded(t)
	for range 200 {
		entries := someEntries(r, 1+r.IntN(100))
		var want Aggregates
		want.MinSize, want.MaxSize = math.MaxInt64, math.MinInt64
		want.Oldest.Sec, want.Newest.Sec = math.MaxInt64, math.MinInt64
		for _, e := range entries {
			want.Count++
			if e.Mode&0o170000 == 0o040000 {
				want.Dirs++
			}
			want.MinSize, want.MaxSize = min(want.MinSize, e.Size), max(want.MaxSize, e.Size)
			want.Oldest.Sec = min(want.Oldest.Sec, e.Mtime.Sec)
			up := e.Mtime.Sec
			if e.Mtime.Nsec > 0 && up != math.MaxInt64 {
				up++
			}
			want.Newest.Sec = max(want.Newest.Sec, up)
		}
		cut := r.IntN(len(entries) + 1)
		a, b, whole := EncodeBody(entries[:cut]), EncodeBody(entries[cut:]), EncodeBody(entries)
		got := *a.Agg()
		got.Merge(b.Agg())
		for _, got := range []Aggregates{got, *whole.Agg()} {
			got.Bytes, got.Blocks = 0, 0 // saturating: their own test
			if got != want {
				t.Fatal(cmp.Diff(want, got))
			}
		}
	}
	var a Aggregates
	for range 3 {
		a.Add(&listing.Entry{Stat: listing.Stat{Size: math.MaxInt64 / 2, Blocks: 3}})
	}
	if a.Bytes != math.MaxInt64 || a.Blocks != 9 {
		t.Errorf("%d bytes, %d blocks", a.Bytes, a.Blocks)
	}
}

// sealed puts checksums on any header and columns, as a hostile writer would.
func sealed(head, cols []byte) []byte {
	head = append([]byte{byte(min(len(head), 255))}, head[:min(len(head), 255)]...)
	val := binary.LittleEndian.AppendUint32(slices.Clone(head), codec.Checksum(testKey, head))
	if len(cols) > 0 {
		val = binary.LittleEndian.AppendUint32(val, crc32.Checksum(cols, crc32.MakeTable(crc32.Castagnoli)))
	}
	return slices.Clip(append(val, cols...))
}

// FuzzRecord reads any header and columns, under checksums that fit: no panic,
// nothing read beyond them, no memory taken that the bytes only claim to need;
// and what Verify is content with encodes to what reads the same.
func FuzzRecord(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		body, h := EncodeBody(someEntries(r, 1+r.IntN(20))), someHeader(r)
		val := Append(nil, testKey, &h, &body)
		n := int(val[0]) + 1
		f.Add(val[1:n], val[n+8:])
	}
	f.Fuzz(func(t *testing.T, head, cols []byte) {
		rec, err := Decode(testKey, sealed(head, cols))
		if err != nil {
			t.Fatal(err)
		}
		rec.Header()
		if rec.Load() != nil {
			return
		}
		rec.Body()
		var entries []listing.Entry
		for i, e := range rec.All() {
			var again listing.Entry
			if rec.Entry(i, &again); again.Name != e.Name {
				t.Fatalf("entry %d is %q and %q", i, again.Name, e.Name)
			}
			e := *e
			entries = append(entries, e)
		}
		for range rec.Dirs() {
		}
		rec.Find("m")
		if rec.Verify() != nil {
			return
		}
		body := EncodeBody(entries)
		c, err := body.Entries()
		if err != nil {
			t.Fatal(err)
		}
		checkEntries(t, &c, entries)
	})
}

// FuzzDecode reads any bytes at all.
func FuzzDecode(f *testing.F) {
	body := EncodeBody(someEntries(rand.New(rand.NewPCG(1, 2)), 5))
	f.Add(Append(nil, testKey, &Header{Doc: 1}, &body))
	f.Fuzz(func(t *testing.T, val []byte) {
		rec, err := Decode(testKey, slices.Clip(val))
		if err == nil {
			err = rec.Load()
		}
		if err != nil && !errors.Is(err, codec.ErrCorrupt) {
			t.Fatal(err)
		}
		rec.Header()
		for range rec.All() {
		}
	})
}
