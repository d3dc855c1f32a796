package walker

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"indexd/listing"
)

// takeAll returns the names in the order in which they are taken.
func takeAll(ns *names) (out []string) {
	for {
		n, ok := ns.take()
		if !ok {
			return out
		}
		if *ns.pointer(n) != ns.bytes(n)[0] || ns.blocks[n.at>>blockBits][int(n.at&(blockSize-1))+int(n.len)] != 0 {
			panic("not ended by NUL")
		}
		out = append(out, strings.Clone(ns.string(n)))
	}
}

func TestNamesComeOutSortedAndOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var ns names
	for _, count := range []int{0, 1, 2, 3, 20, 1000, runLen - 1, runLen, runLen + 1, 3*runLen + 5, 5 * runLen} {
		for _, alphabet := range []string{"ab", "\x01\x7f\x80\xff", "abcdefghijklmnopqrstuvwxyz0123456789.-_"} {
			for _, prefix := range []string{"", "x", "12345678", "a-rather-long-prefix"} {
				want := map[string]bool{}
				ns.reset()
				for range count {
					b := []byte(prefix)
					for range rnd.IntN(20) {
						b = append(b, alphabet[rnd.IntN(len(alphabet))])
					}
					if rnd.IntN(50) == 0 {
						b = append(b, strings.Repeat("z", 255-len(b))...)
					}
					if len(b) == 0 {
						b = []byte("e")
					}
					want[string(b)] = true
					if !ns.add(b, listing.Regular) {
						t.Fatal("no room")
					}
				}
				ns.finish()
				got := takeAll(&ns)
				sorted := make([]string, 0, len(want))
				for s := range want {
					sorted = append(sorted, s)
				}
				slices.Sort(sorted)
				if !slices.Equal(got, sorted) {
					t.Fatalf("%d names of %q behind %q: %d came out of %d different ones", count, alphabet, prefix, len(got), len(want))
				}
			}
		}
	}
}

// Names are bounded: an endless directory is an error and does not exhaust the memory.
func TestThereIsRoomForSoMuch(t *testing.T) {
	f := newFakeFS()
	f.dir("/", strings.Repeat("x", 200))
	ls := newLister(f, func() uint64 { return 0 }, &bufferPool{})
	ls.stop = new(atomic.Bool)
	r := ls.begin("/")
	r.names.blocks, r.names.used = make([][]byte, maxBlocks), blockSize-200
	if err := ls.read(r, 100, nil); !errorsIs(err, ErrTooLarge) || f.leaked() != 0 {
		t.Errorf("%v, %d descriptors left open", err, f.leaked())
	}
}

func FuzzDirents(f *testing.F) {
	record := func(typ byte, name string) []byte {
		b := make([]byte, (direntName+len(name)+1+7)&^7)
		binary.NativeEndian.PutUint16(b[direntReclen:], uint16(len(b)))
		b[direntType] = typ
		copy(b[direntName:], name)
		return b
	}
	f.Add(slices.Concat(record(4, "."), record(4, ".."), record(8, "file"), record(10, "a\nb"), record(0, "")))
	f.Add(slices.Concat(record(8, "a/b"), record(8, "/"), record(8, strings.Repeat("x", 255))))
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, buf []byte) {
		var ns names
		if len(buf) > direntBuffer || !addDirents(&ns, buf) {
			return
		}
		ns.finish()
		last := ""
		for _, s := range takeAll(&ns) {
			if s <= last || s == "." || s == ".." || strings.ContainsAny(s, "/\x00") {
				t.Errorf("%q after %q", s, last)
			}
			last = s
		}
	})
}

// Every valid name is kept unchanged.
func TestEveryByteInANameIsKept(t *testing.T) {
	f := newFakeFS()
	d := f.dir("/")
	var want []string
	for c := 1; c < 256; c++ {
		if c != '/' && c != '.' {
			want = append(want, string([]byte{byte(c)}))
		}
	}
	for _, bad := range append([]string{"", ".", "..", "a/b", "/"}, want...) {
		d.entries = append(d.entries, fakeEntry{bad, 8})
	}
	slices.Reverse(d.entries)
	r := visitOne(t, f, Options{}, "/")
	if got := namesOf(r.Listing); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
