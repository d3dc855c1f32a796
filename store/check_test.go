package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"indexd/store"
	"indexd/store/record"
)

// TestCheckFinds: each kind of damage that bbolt's pages survive.
func TestCheckFinds(t *testing.T) {
	good := read(t, filled(t))
	key := func(rel string) []byte { return record.MakeKey(1, rel) }
	flip := func(bucket string, key []byte, at int) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			if key == nil {
				key, _ = b.Cursor().First()
			}
			val := bytes.Clone(b.Get(key))
			val[(at+len(val))%len(val)] ^= 4
			return b.Put(bytes.Clone(key), val)
		}
	}
	drop := func(bucket string, key []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Delete(key) }
	}
	move := func(bucket string, from, to []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			return b.Put(to, bytes.Clone(b.Get(from)))
		}
	}
	rekey := func(from, to []byte) func(*bolt.Tx) error { // with checksums that match
		return func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("listings"))
			rec, err := record.Decode(from, b.Get(from))
			if err != nil {
				return err
			}
			body := rec.Body()
			return b.Put(to, record.Append(nil, to, rec.Header(), &body))
		}
	}
	for _, c := range []struct {
		name   string
		change func(*bolt.Tx) error
		want   string // in one of the problems
	}{
		{"nothing", func(*bolt.Tx) error { return nil }, ""},
		{"a bit of a header", flip("listings", key("d07"), 3), "header: "},
		{"a bit of the entries", flip("listings", key("d07"), -1), "d07: store: corrupt"},
		{"a bit of a chunk", flip("listings", record.MakeKey(1, "big").Chunk("n00512"), 60), `big chunk "n00512": store: corrupt`},
		{"a bit of doc ids", flip("docs", nil, 40), "docs"},
		{"a bit of a volume", flip("volumes", nil, 9), "volumes"},
		{"a bit of counts", flip("counts", nil, 5), "counts"},
		{"a record is gone", drop("listings", key("d07")), `its child "d07" has no record`},
		{"a chunk is gone", drop("listings", record.MakeKey(1, "big").Chunk("n00512")), "the chunks come to"},
		{"a record under another key", move("listings", key("d07"), key("d07/x")), "header: "},
		{"a record too many", rekey(key("d07"), key("d07/x")), "no record above names it"},
		{"a record in another's place", rekey(key("d07"), key("d08")), "stands for"},
		{"a chunk in another's place", rekey(record.MakeKey(1, "big").Chunk("n00512"), record.MakeKey(1, "big").Chunk("n00768")), "begins with"},
		{"a chunk of no big listing", rekey(record.MakeKey(1, "big").Chunk("n00512"), record.MakeKey(1, "d07").Chunk("n00512")), "its listing has no chunks"},
		{"doc ids in another's place", move("docs", []byte{0, 0, 0, 0, 0}, []byte{0, 0, 0, 0, 1}), "corrupt"},
		{"a bit of zones", flip("zones", nil, 40), "zones"},
		{"zones in another's place", move("zones", []byte{0, 0, 0, 0, 0}, []byte{0, 0, 0, 0, 9}), "zones"},
		{"counts are gone", drop("docs", []byte{0, 0, 0, 0, 0}), "docs"},
		{"no key", func(tx *bolt.Tx) error { return tx.Bucket([]byte("listings")).Put([]byte{0}, []byte("x")) }, "no key"},
		{"a mark that is none", func(tx *bolt.Tx) error { return tx.Bucket([]byte("pending")).Put(key("d07"), []byte("x")) }, "pending"},
		{"a death that is none", func(tx *bolt.Tx) error { return tx.Bucket([]byte("tombstones")).Put(key("d07"), []byte("x")) }, "tombstones"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index.db")
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			store.Change(t, path, c.change)
			var got []string
			s, err := store.Open(path, store.Options{})
			if errors.Is(err, store.ErrDamaged) && strings.Contains(err.Error(), c.want) {
				return // small values are read first
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = s.Check(t.Context(), func(p store.Problem) { got = append(got, p.String()) })
			if err != nil && !errors.Is(err, store.ErrDamaged) {
				t.Fatal(err)
			}
			all := strings.Join(got, "\n")
			if !strings.Contains(all, c.want) || (c.want == "") != (all == "") {
				t.Errorf("found:\n%s\nwant %q", all, c.want)
			}
		})
	}
}

// TestDamagedListing: a directory whose entries are damaged is listed again, and what was
// known only through them is not lost. A damaged header is ErrDamaged.
func TestDamagedListing(t *testing.T) {
	for _, at := range []int{2, -1} { // in the header, in the entries
		w := newWorld(t, "a/b/c", "a/gone/x", "d")
		if err := w.s.Close(); err != nil {
			t.Fatal(err)
		}
		store.Change(t, w.s.Path(), func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("listings"))
			val := bytes.Clone(b.Get(w.key("a")))
			val[(at+len(val))%len(val)] ^= 1
			return b.Put(w.key("a"), val)
		})
		s := must(store.Open(w.s.Path(), store.Options{}))(t)
		defer s.Close()
		w.s = s
		w.remove(w.at("a"), "gone")
		w.make("a/new")
		damaged := false
		err := s.View(func(sn *store.Snap) error {
			c := sn.Cursor(nil, nil)
			for c.Next() {
				damaged = damaged || c.Record().Load() != nil
			}
			return c.Err()
		})
		if at == 2 {
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("a damaged header: %v", err)
			}
			continue
		}
		if !damaged || err != nil {
			t.Errorf("damaged entries: %v, %v", damaged, err)
		}
		w.look("a")()
		w.want("a/gone", false)
		w.want("a/gone/x", false)
		w.want("a/b/c", true)
		w.look("")()
		w.drain()
		check(t, w.s)
	}
}

func TestCheckStops(t *testing.T) {
	s := openAt(t, filled(t))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := fmt.Errorf("enough")
	cancel(why)
	if err := s.Check(ctx, func(store.Problem) {}); !errors.Is(err, why) {
		t.Error(err)
	}
}
