package store

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"indexd/listing"

	"indexd/store/internal/codec"
	"indexd/store/trigram"
)

// migrationCases has a test for each migration, by the version that it leads
// to: what a database of the version before is like, and what is then expected.
var migrationCases = map[int]struct {
	before func(*bolt.Tx) error
	after  func(*testing.T, *bolt.Tx)
}{
	// See TestMigrateZones too.
	2: {
		before: func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketZones) },
		after: func(t *testing.T, tx *bolt.Tx) {
			if b := tx.Bucket(bucketZones); b == nil || b.Stats().KeyN != 0 {
				t.Error("an empty database has no empty zones")
			}
		},
	},
	3: {
		before: func(tx *bolt.Tx) error {
			for _, name := range [...][]byte{bucketPostings, bucketSegments, bucketFresh} {
				if err := tx.DeleteBucket(name); err != nil {
					return err
				}
			}
			// Docs 3 and 70, and the seven numbers that there were of the state.
			block := docBlock{}
			block.ents[3] = docEnt{docTop, 0, "\x00\x01"}
			a, b := blockKey(3), blockKey(70)
			docs := tx.Bucket(bucketDocs)
			if err := docs.Put(a, codec.AddChecksum(a, block.append(nil, 0))); err != nil {
				return err
			}
			block = docBlock{}
			block.ents[6] = docEnt{docChild, 3, "name"}
			if err := docs.Put(b, codec.AddChecksum(b, block.append(nil, 64))); err != nil {
				return err
			}
			return tx.Bucket(bucketMeta).Put(keyState, codec.AddChecksum(keyState, []byte{9, 8, 71, 0, 0, 2, 1}))
		},
		after: func(t *testing.T, tx *bolt.Tx) {
			st, err := decodeState(tx.Bucket(bucketMeta).Get(keyState))
			if want := (state{clock: 9, stamp: 8, nextDoc: 71, docs: 2, volume: 1, fresh: 2}); err != nil || st != want {
				t.Errorf("state %+v, %v; want %+v", st, err, want)
			}
			key := setKey(freshDocs, 0)
			b, err := codec.VerifyChecksum(key, tx.Bucket(bucketFresh).Get(key))
			if err != nil {
				t.Fatal(err)
			}
			if docs, err := decodeSet(b); err != nil || !slices.Equal(docs.ToArray(), []uint32{3, 70}) {
				t.Errorf("fresh are %v, %v", docs, err)
			}
		},
	},
	4: {
		before: func(tx *bolt.Tx) error {
			err := tx.DeleteBucket(bucketFailed)
			for i, errno := range []syscall.Errno{0, syscall.EACCES, syscall.EPERM, syscall.EIO, syscall.ENAMETOOLONG} {
				h := Header{Doc: uint64(i + 1), Stamp: 1, Errno: uint16(errno)}
				key := MakeKey(1, fmt.Sprint(i))
				err = errors.Join(err, tx.Bucket(bucketListings).Put(key, AppendRecord(nil, &h, &Body{})))
			}
			return err
		},
		after: func(t *testing.T, tx *bolt.Tx) {
			var keys []string
			_ = tx.Bucket(bucketFailed).ForEach(func(k, v []byte) error {
				if _, err := codec.VerifyChecksum(k, v); err != nil {
					t.Errorf("%x: %v", k, err)
				}
				keys = append(keys, Key(k).Rel())
				return nil
			})
			if !slices.Equal(keys, []string{"3", "4"}) {
				t.Errorf("failed: %q", keys)
			}
		},
	},
	5: {
		before: func(tx *bolt.Tx) error {
			h := Header{Doc: 1, Stamp: 1, Dir: listing.Stat{Ino: 7}}
			return tx.Bucket(bucketListings).Put(MakeKey(1, ""), AppendRecord(nil, &h, &Body{}))
		},
		after: func(t *testing.T, tx *bolt.Tx) {
			rec, err := DecodeRecord(tx.Bucket(bucketListings).Get(MakeKey(1, "")))
			if err != nil || rec.Header().Dir.Ino != 7 || rec.Header().NoACL {
				t.Errorf("%+v, %v", rec.Header(), err)
			}
		},
	},
}

// TestMigrations fails where a migration has no case, or the list has a gap.
func TestMigrations(t *testing.T) {
	v := 1
	for _, m := range migrations() {
		if m.to != v+1 || m.what == "" || m.do == nil {
			t.Errorf("%+v comes after version %d", m, v)
		}
		v = m.to
		c, ok := migrationCases[m.to]
		if !ok {
			t.Errorf("no case for the migration to %d", m.to)
			continue
		}
		db := testBolt(t, m.to-1)
		if err := db.Update(c.before); err != nil {
			t.Fatal(err)
		}
		if err := migrate(db, m.to-1, m.to, migrations(), slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
		if err := db.View(func(tx *bolt.Tx) error { c.after(t, tx); return nil }); err != nil {
			t.Error(err)
		}
	}
	if v != schemaVersion {
		t.Errorf("the migrations lead to %d, the schema is %d", v, schemaVersion)
	}
}

func testBolt(t *testing.T, version int) *bolt.DB {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := errors.Join(db.Update(initialise), db.Update(func(tx *bolt.Tx) error { return putSchema(tx, version) })); err != nil {
		t.Fatal(err)
	}
	return db
}

// TestMigrate is how any list is gone through: in order, from where the database
// is, each migration once, and stopping at one that fails.
func TestMigrate(t *testing.T) {
	var did []int
	fail := 0
	list := []migration{}
	for to := 2; to <= 5; to++ {
		list = append(list, migration{to, "test", func(tx *bolt.Tx) error {
			if to == fail {
				return errors.New("no")
			}
			did = append(did, to)
			return tx.Bucket(bucketSettings).Put([]byte{byte(to)}, nil)
		}})
	}
	log := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		from, to, fail int
		want           []int
		version        int
	}{
		{1, 5, 0, []int{2, 3, 4, 5}, 5},
		{3, 5, 0, []int{4, 5}, 5},
		{1, 3, 0, []int{2, 3}, 3},
		{5, 5, 0, nil, 5},
		{1, 5, 4, []int{2, 3}, 3},
	} {
		db := testBolt(t, c.from)
		did, fail = nil, c.fail
		err := migrate(db, c.from, c.to, list, log)
		if (err != nil) != (c.fail != 0) || !slices.Equal(did, c.want) {
			t.Errorf("%+v: did %v, %v", c, did, err)
		}
		_ = db.View(func(tx *bolt.Tx) error {
			if b, err := codec.VerifyChecksum(keySchema, tx.Bucket(bucketMeta).Get(keySchema)); err != nil || int(b[3]) != c.version {
				t.Errorf("%+v: it is of version %x, %v", c, b, err)
			}
			return nil
		})
	}
	if err := migrate(testBolt(t, 1), 1, 3, list[1:], log); err == nil {
		t.Error("a gap is no error")
	}
	if err := migrate(testBolt(t, 1), 1, 9, list, log); err == nil {
		t.Error("a version that nothing leads to is no error")
	}
}

// TestSchema1 opens a database that the first version wrote: all its docs are
// fresh, and when they are merged all is found.
func TestSchema1(t *testing.T) {
	f, err := os.Open("testdata/v1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ok := func() {
		t.Helper()
		if err := s.Check(t.Context(), func(p Problem) { t.Error(p) }); err != nil {
			t.Fatal(err)
		}
	}
	count := func(text string) (n int) {
		t.Helper()
		_ = s.View(func(sn *Snap) error {
			c, err := sn.Candidates(&trigram.Need{All: trigram.Of(text)})
			if err != nil {
				t.Fatal(err)
			}
			n = int(c.GetCardinality())
			return nil
		})
		return n
	}
	ok()
	// The root, etc, home, big and its three chunks.
	if n := s.FreshCount(); n != 7 {
		t.Errorf("%d docs are fresh", n)
	}
	for _, want := range []map[string]int{
		{"passwd": 7, "README": 7, "straße": 7, "file0300": 7, "zzz": 7},
		{"passwd": 1, "README": 1, "straße": 1, "file0300": 2, "zzz": 0},
	} {
		for text, n := range want {
			if got := count(text); got < min(n, 1) || got > n {
				t.Errorf("%q: %d candidates, want %d", text, got, n)
			}
		}
		for {
			m, err := s.NextMerge(false, true)
			if err != nil {
				t.Fatal(err)
			}
			if m == nil {
				break
			}
			err = m.Run(t.Context(), func(step Step) error {
				tx, err := s.Begin()
				if err != nil {
					return err
				}
				defer tx.Rollback()
				return errors.Join(step.Do(tx), tx.Commit())
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		ok()
	}
}
