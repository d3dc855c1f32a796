package postings

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/internal/codec"
)

var decoders = map[string]func(t *testing.T, key, val []byte) ([]byte, error){
	"fresh": func(_ *testing.T, key, val []byte) ([]byte, error) {
		b, err := codec.VerifyChecksum(key, val)
		if err != nil {
			return nil, err
		}
		m, err := decodeSet(b)
		if err != nil {
			return nil, err
		}
		for it := m.Iterator(); it.HasNext(); {
			it.Next()
		}
		m.Or(m.Clone())
		if again, err := encodeSet(m); err == nil {
			return codec.AddChecksum(key, again), nil
		}
		return nil, nil
	},
	"segments": func(t *testing.T, key, val []byte) ([]byte, error) {
		g, err := decodeSegment(key, val, false)
		h, err2 := decodeSegment(key, val, true) // which trusts the checksum
		if err != nil {
			return nil, err
		}
		if err2 != nil {
			t.Fatalf("with aliases %v", err2)
		}
		if g.docs != nil && !g.docs.Equals(h.docs) {
			t.Fatal("with aliases it has other docs")
		}
		return nil, nil
	},
}

// FuzzValues reads any value of a set or a segment under a checksum that matches: there is no
// panic, the error is ErrCorrupt, and what could be read is written so that it reads the same.
func FuzzValues(f *testing.F) {
	for _, ids := range [][]uint32{nil, {1}, {3, 4, 5, 6, 7, 8, 9}, {1, 70000, 1 << 31}} {
		b, err := encodeSet(roaring.BitmapOf(ids...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(false, setKey(unindexedDocs, 0), b)
		f.Add(true, segKey(3), append([]byte{byte(segLive), 9}, b...))
	}
	f.Fuzz(func(t *testing.T, segments bool, key, payload []byte) {
		name := "fresh"
		if segments {
			name = "segments"
		}
		val := codec.AddChecksum(key, payload)
		again, err := decoders[name](t, key, slices.Clip(val))
		if err != nil && !errors.Is(err, codec.ErrCorrupt) {
			t.Fatalf("%s: %v", name, err)
		}
		if err != nil || again == nil {
			return
		}
		third, err := decoders[name](t, key, again)
		if err != nil || !bytes.Equal(third, again) {
			t.Fatalf("%s: %x is written as %x, and read again as %x, %v", name, payload, again, third, err)
		}
	})
}
