package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"

	"indexd/store"
	"indexd/store/postings/trigram"
	"indexd/store/record"
)

// relist verifies s and lists the damaged listings again, as an indexer does, from f. It
// reports whether the database was of no use any more.
func relist(t *testing.T, s *store.Store, v record.Volume, f *fakeFS) (useless bool) {
	t.Helper()
	damaged, err := s.Verify(t.Context())
	if errors.Is(err, store.ErrDamaged) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *store.Tx) {
		for _, key := range damaged {
			if err := tx.PutPending(key, store.Pending{Stamp: s.LastStamp() + 1}); err != nil {
				t.Fatal(err)
			}
		}
	})
	f.stamp = max(f.stamp, s.LastStamp())
	for s.PendingCount() > 0 {
		var keys []record.Key
		view(t, s, func(sn *store.Snap) {
			for key := range sn.Pending(nil, nil) {
				keys = append(keys, bytes.Clone(key))
			}
		})
		update(t, s, func(tx *store.Tx) {
			for _, key := range keys {
				n := f.at(key.Rel())
				if n == nil || key.Volume() != v {
					if err := tx.Drop(key, s.LastStamp()+1); err != nil {
						t.Fatal(err)
					}
					continue
				}
				for _, l := range f.list(n, 1<<20) {
					if _, err := tx.Apply(key, f.prepare(l)); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
	reapAll(t, s)
	mergeAll(t, s)
	s.RequestVerify()
	if left, err := s.Verify(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("after it was listed again: %v, %v", left, err)
	}
	return false
}

// someDatabase makes a database of some size with postings, closed.
func someDatabase(t *testing.T) (path string, v record.Volume, f *fakeFS) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "index.db")
	s := openAt(t, path)
	v = newVolume(t, s, "/")
	f = newFakeFS(true)
	for i := range 60 {
		d := f.create(f.root, fmt.Sprintf("d%02d", i), true)
		for j := range 12 {
			f.create(d, fmt.Sprintf("f%02d-%d", j, i*j), false)
		}
		for j := range 4 {
			e := f.create(d, fmt.Sprintf("sub%d", j), true)
			f.create(e, "leaf", false)
		}
	}
	big := f.create(f.root, "big", true)
	for i := range 1500 {
		f.create(big, fmt.Sprintf("n%05d", i), false)
	}
	for i := range 5 {
		f.create(f.create(big, fmt.Sprintf("dir%d", i), true), "x", false)
	}
	load(t, s, v, f)
	mergeAll(t, s)
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, v, f
}

// names is all that a database says of what there is.
func names(t *testing.T, s *store.Store) []string {
	t.Helper()
	var all []string
	view(t, s, func(sn *store.Snap) {
		c := sn.Cursor(nil, nil)
		for c.Next() {
			if err := c.Record().Load(); err != nil {
				t.Fatal(err)
			}
			for _, e := range c.Record().All() {
				all = append(all, fmt.Sprintf("%s/%s %v", c.Dir().Rel(), e.Name, e))
			}
		}
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
	})
	slices.Sort(all)
	return all
}

// TestAnyBit: whatever bit is flipped, in whichever page, either it is found and the
// database given up, or everything is as it was when the damaged listings were listed again.
func TestAnyBit(t *testing.T) {
	path, v, f := someDatabase(t)
	good := read(t, path)
	want := names(t, openAt(t, path))
	given, relisted := 0, 0
	var log bytes.Buffer
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of the last: %s", &log)
		}
	})
	for _, seed := range seeds(t, 80) {
		r := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		path := filepath.Join(dir, "index.db")
		b := bytes.Clone(good)
		at := r.IntN(pages(good) * 4096)
		b[at] ^= 1 << r.IntN(8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Logf("STORE_SEED=%d, byte %d of page %d", seed, at%4096, at/4096)
		log.Reset()
		s, err := store.Open(path, store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrNotDatabase) {
			given++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		store.NoSync(s)
		if relist(t, s, v, f) {
			given++
			s.Close()
			continue
		}
		relisted++
		if got := names(t, s); !slices.Equal(got, want) {
			t.Errorf("there are %d entries, want %d", len(got), len(want))
		}
		n := 0
		if err := s.Check(context.Background(), func(p store.Problem) {
			if n++; n < 5 {
				t.Errorf("check: %v", p)
			}
		}); err != nil {
			t.Error(err)
		}
		s.Close()
		if t.Failed() {
			break
		}
	}
	t.Logf("%d given up, %d listed again or not touched", given, relisted)
}

// TestMetaHeader checks that Verify finds damage to the header of a meta page, which bbolt's
// checksum of the meta does not cover.
func TestMetaHeader(t *testing.T) {
	path, _, _ := someDatabase(t)
	good := read(t, path)
	for _, at := range []int{0, 8, 4096, 4096 + 8} {
		b := bytes.Clone(good)
		b[at] ^= 8
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.RequestVerify()
		if _, err := s.Verify(t.Context()); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("byte %d: %v", at, err)
		}
		s.Close()
	}
}

// TestVerifyFindsNothing checks that an intact database has no damage, and that Verify ends
// with its context.
func TestVerifyFindsNothing(t *testing.T) {
	path, _, _ := someDatabase(t)
	s := openAt(t, path)
	if damaged, err := s.Verify(t.Context()); len(damaged) > 0 || err != nil {
		t.Errorf("%v, %v", damaged, err)
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	s.RequestVerify()
	if _, err := s.Verify(ctx); err != nil && !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestDamagedEntries: the entries of some listings are damaged, of whole ones and of chunks.
// Verify returns the directories in order, each once, and nothing is given up.
func TestDamagedEntries(t *testing.T) {
	path, v, f := someDatabase(t)
	s := openAt(t, path)
	want := names(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	store.Change(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("listings"))
		n := 0
		for _, key := range keysOf(b) {
			dir, _, chunk := record.SplitChunk(key)
			if rel := dir.Rel(); rel != "" && rel != "d07" && !chunk {
				continue
			}
			val := bytes.Clone(b.Get(key))
			val[len(val)-1] ^= 1
			if err := b.Put(key, val); err != nil {
				return err
			}
			n++
		}
		if n < 5 {
			t.Errorf("%d records changed", n)
		}
		return nil
	})
	s = openAt(t, path)
	damaged := must(s.Verify(t.Context()))(t)
	if list := []record.Key{record.MakeKey(v, ""), record.MakeKey(v, "big"), record.MakeKey(v, "d07")}; !slices.EqualFunc(damaged, list, record.Key.Equal) {
		t.Errorf("damaged are %v", damaged)
	}
	s.RequestVerify()
	if relist(t, s, v, f) {
		t.Fatal("it was given up")
	}
	if got := names(t, s); !slices.Equal(got, want) {
		t.Errorf("there are %d entries, want %d", len(got), len(want))
	}
}

func keysOf(b *bolt.Bucket) (keys [][]byte) {
	_ = b.ForEach(func(k, _ []byte) error { keys = append(keys, bytes.Clone(k)); return nil })
	return keys
}

// TestDamagedValues: a reader or writer that meets a damaged value of any bucket, but for the
// entries of a listing, ends with ErrDamaged, and from then on so does everything else.
func TestDamagedValues(t *testing.T) {
	path, v, f := someDatabase(t)
	good := read(t, path)
	every := func(*record.Zone) bool { return true }
	for _, bucket := range []string{"listings", "docs", "zones", "postings", "segments", "fresh"} {
		for use, fn := range map[string]func(*store.Store, *store.Snap) error{
			"read": func(_ *store.Store, sn *store.Snap) error {
				c := sn.Cursor(nil, nil)
				for c.Next() {
				}
				docs := sn.Zones(every)
				_, err := sn.Keys(docs)
				_, cerr := sn.Candidates(&trigram.Need{All: trigram.Of("sub")})
				return errors.Join(c.Err(), err, cerr)
			},
			"write": nil,
		} {
			t.Run(bucket+" "+use, func(t *testing.T) {
				if err := os.WriteFile(path, good, 0o600); err != nil {
					t.Fatal(err)
				}
				n := 0
				store.Change(t, path, func(tx *bolt.Tx) error {
					b := tx.Bucket([]byte(bucket))
					for _, key := range keysOf(b) {
						val := bytes.Clone(b.Get(key))
						val[2] ^= 1
						if err := b.Put(key, val); err != nil {
							return err
						}
						n++
					}
					return nil
				})
				if n == 0 {
					t.Skip("the bucket is empty")
				}
				s, err := store.Open(path, store.Options{})
				if errors.Is(err, store.ErrDamaged) {
					return // it is small
				}
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if fn != nil {
					err = s.View(func(sn *store.Snap) error { return fn(s, sn) })
				} else {
					tx := must(s.Begin())(t)
					defer tx.Rollback()
					f.stamp = s.LastStamp() + 1
					f.create(f.at("d07"), "new-"+bucket, false)
					for _, l := range f.list(f.at("d07"), 1<<20) {
						_, aerr := tx.Apply(record.MakeKey(v, "d07"), f.prepare(l))
						err = errors.Join(err, aerr)
					}
					err = errors.Join(err, tx.Commit())
				}
				if !errors.Is(err, store.ErrDamaged) {
					t.Fatalf("%v", err)
				}
				select {
				case <-s.Damaged():
				default:
					t.Error("it is not known to be damaged")
				}
				if err := s.View(func(*store.Snap) error { return nil }); !errors.Is(err, store.ErrDamaged) {
					t.Errorf("a later snapshot: %v", err)
				}
			})
		}
	}
}

// TestRecordFromBefore: a page of the listings that is as it was before, since the
// disk lost a write, has whole records of directories that are gone. Their number tells.
func TestRecordFromBefore(t *testing.T) {
	path, v, f := someDatabase(t)
	kept := make(map[string][]byte)
	store.Change(t, path, func(tx *bolt.Tx) error {
		for _, rel := range []string{"d07/sub1", "big/dir2", "d20"} {
			key := record.MakeKey(v, rel)
			kept[string(key)] = bytes.Clone(tx.Bucket([]byte("listings")).Get(key))
		}
		return nil
	})
	s := openAt(t, path)
	f.remove(f.at("d07"), "sub1")
	f.remove(f.at("big"), "dir2")
	f.remove(f.root, "d20")
	load(t, s, v, f)
	for more := true; more; {
		update(t, s, func(tx *store.Tx) { more = must(tx.PurgeTombstones(1000))(t) })
	}
	check(t, s)
	must(0, s.Close())(t)
	store.Change(t, path, func(tx *bolt.Tx) error {
		for key, val := range kept {
			if err := tx.Bucket([]byte("listings")).Put([]byte(key), val); err != nil {
				return err
			}
		}
		return nil
	})
	s = openAt(t, path)
	if _, err := s.Verify(t.Context()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%v", err)
	}
}

// cycles calls look with a file of which one branch page leads back to itself or to
// one above it, for each such page.
func cycles(good []byte, look func(change func(b []byte))) {
	order := binary.NativeEndian
	const header, elem, branch, leaf, meta = 16, 16, 1, 2, 4096
	page := func(id uint64) []byte { return good[id*meta:] }
	var walk func(above []uint64, id uint64)
	walk = func(above []uint64, id uint64) {
		if order.Uint16(page(id)[8:])&branch == 0 {
			return
		}
		above = append(above[:len(above):len(above)], id)
		n := uint64(order.Uint16(page(id)[10:]))
		for _, back := range above {
			at := id*meta + header + (n-1)*elem + 8
			look(func(b []byte) { order.PutUint64(b[at:], back) })
		}
		for i := range n {
			walk(above, order.Uint64(page(id)[header+i*elem+8:]))
		}
	}
	root := page(uint64(rootPage(good)))
	if order.Uint16(root[8:]) != leaf {
		panic("there are more buckets than one page holds")
	}
	for i := range int(order.Uint16(root[10:])) {
		e := root[header+i*elem:]
		val := e[order.Uint32(e[4:])+order.Uint32(e[8:]):]
		if top := order.Uint64(val); top != 0 { // else it is within the value
			walk(nil, top)
		}
	}
}

// TestCycles: pages that lead back to where one comes from are found by who opens
// the file, and, where something damaged was met while it is open, before anything
// is written.
func TestCycles(t *testing.T) {
	path, _, _ := someDatabase(t)
	good := read(t, path)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	cycles(good, func(change func([]byte)) {
		n++
		bad := bytes.Clone(good)
		change(bad)
		do(os.WriteFile(path, bad, 0o600))
		if s, err := store.Open(path, store.Options{}); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("opened: %v", err)
			if err == nil {
				s.Close()
			}
		}

		do(os.WriteFile(path, good, 0o600))
		s := must(store.Open(path, store.Options{}))(t)
		must(s.Verify(t.Context()))(t)
		f := must(os.OpenFile(path, os.O_WRONLY, 0))(t)
		must(f.WriteAt(bad, 0))(t)
		do(f.Close())
		s.RequestVerify()
		if _, err := s.Verify(t.Context()); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("verified: %v", err)
		}
		select {
		case <-s.Damaged():
		default:
			t.Error("it is not known to be damaged")
		}
		s.Close()
	})
	if t.Logf("%d cycles", n); n == 0 {
		t.Error("there was no branch page")
	}
}
