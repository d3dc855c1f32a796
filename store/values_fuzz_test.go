package store

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// decoders are those of all values but records and pages of postings, which have
// fuzz tests of their own. Each reads a value and returns it encoded again, or
// nil where it is not to be.
var decoders = map[string]func(t *testing.T, key, val []byte) (again []byte, err error){
	"tombstones": func(_ *testing.T, key, val []byte) ([]byte, error) {
		d, err := decodeTombstone(key, val)
		return d.encode(), err
	},
	"docs": func(t *testing.T, key, val []byte) ([]byte, error) {
		d, err := readBlock(key, val)
		if err != nil {
			return nil, err
		}
		var b docBlock
		for {
			i, kind, parent, name, ok := d.next()
			if !ok {
				break
			}
			b.ents[i] = docEnt{kind, parent, string(name)}
		}
		if d.r.Bad {
			return nil, codec.ErrCorrupt
		}
		return codec.AddChecksum(key, b.append(nil, d.first)), nil
	},
	// FuzzValues of package postings has the rest of these two, which keep their places here
	// for the corpus.
	"fresh": func(_ *testing.T, key, val []byte) ([]byte, error) {
		_, err := codec.VerifyChecksum(key, val)
		return nil, err
	},
	"segments": func(_ *testing.T, key, val []byte) ([]byte, error) {
		_, err := codec.VerifyChecksum(key, val)
		return nil, err
	},
	"pending": func(_ *testing.T, key, val []byte) ([]byte, error) {
		p, err := decodePending(key, val)
		if err != nil {
			return nil, err
		}
		return p.encode(key), nil
	},
	"state": func(_ *testing.T, _, val []byte) ([]byte, error) {
		s, err := decodeState(val)
		if err != nil {
			return nil, err
		}
		return s.encode(), nil
	},
	"counts": func(_ *testing.T, key, val []byte) ([]byte, error) {
		c, err := decodeCounts(key, val)
		return c.encode(key), err
	},
	"volumes": func(_ *testing.T, key, val []byte) ([]byte, error) {
		var j volumeJSON
		if err := codec.DecodeJSON(key, val, &j); err != nil {
			return nil, err
		}
		return codec.EncodeJSON(key, &j)
	},
	"zones": func(t *testing.T, key, val []byte) ([]byte, error) {
		z, err := record.DecodeZones(key, val)
		if err != nil {
			return nil, err
		}
		var b record.ZoneBlock
		for i := range b {
			b[i] = z.Row(i)
			var zone record.Zone
			b[i].Bounds(&zone)
		}
		return b.Encode(key), nil
	},
}

// FuzzValues reads any bytes under a checksum that fits as each kind of value:
// no panic, no other error than ErrCorrupt, and what can be read encodes to what
// reads the same.
func FuzzValues(f *testing.F) {
	kinds := slices.Sorted(maps.Keys(decoders))
	kind := func(name string) byte { return byte(slices.Index(kinds, name)) }
	key := []byte{0, 1, 'a', 0, 'b'}
	payload := func(sealed []byte) []byte { return sealed[4:] }
	f.Add(kind("tombstones"), key, payload((&tombstone{prefix: key, stamp: 7, complete: true, resume: []byte("x")}).encode()))
	f.Add(kind("pending"), key, payload((&Pending{Subtree: true, Stamp: 300, Jobs: []uint64{1, 500}, Cursor: "m", Listing: 9}).encode(key)))
	f.Add(kind("state"), keyState, payload((&state{clock: 1, stamp: 1 << 60, nextDoc: 300}).encode()))
	f.Add(kind("counts"), key[:2], payload((&Counts{Dirs: 3, Entries: 400, Bytes: -1, Blocks: 1 << 50}).encode(key[:2])))
	volume, err := codec.EncodeJSON(key[:2], &volumeJSON{Identity: []byte("uuid\xff"), MountPoint: []byte("/mnt"), FSType: "ext4"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(kind("volumes"), key[:2], payload(volume))
	var docs docBlock
	docs.ents[0] = docEnt{docTop, 0, "\x00\x01"}
	docs.ents[1] = docEnt{docChild, 5 * blockLen, "usr"}
	docs.ents[63] = docEnt{docChunk, 3, "m"}
	f.Add(kind("docs"), blockKey(5*blockLen), docs.append(nil, 5*blockLen))
	var zones record.ZoneBlock
	zones[0], zones[63] = 1<<56-1, 12345678
	f.Add(kind("zones"), blockKey(1), payload(zones.Encode(blockKey(1))))

	f.Fuzz(func(t *testing.T, k byte, key, payload []byte) {
		name := kinds[int(k)%len(kinds)]
		if name == "state" {
			key = keyState
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

// TestEveryValueIsFuzzed names the buckets whose values some fuzz test reads.
func TestEveryValueIsFuzzed(t *testing.T) {
	covered := map[string]string{
		"listings": "FuzzRecord, FuzzDecode", "docs": "FuzzValues", "postings": "trigram.FuzzPage", "segments": "postings.FuzzValues",
		"fresh": "postings.FuzzValues", "zones": "FuzzValues", "pending": "FuzzValues", "tombstones": "FuzzValues", "failed": "a checksum alone",
		"volumes": "FuzzValues", "counts": "FuzzValues", "meta": "FuzzValues",
		"roots": "JSON", "jobs": "JSON", "settings": "JSON", "boundaries": "a checksum alone",
	}
	for i := range reflect.TypeFor[buckets]().NumField() {
		if name := reflect.TypeFor[buckets]().Field(i).Name; covered[name] == "" {
			t.Errorf("no fuzz test reads values of %s", name)
		}
	}
}
