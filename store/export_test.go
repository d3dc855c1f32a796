package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"

	"indexd/store/dbfile"
	"indexd/store/internal/codec"
	"indexd/store/postings"
)

// NoSync makes commits of s quick and no longer safe from power cuts, for tests
// that make thousands.
func NoSync(s *Store) { s.SetSync(false) }

// Unreleased returns the database in file as a version before the first release would have
// written it.
func Unreleased(t *testing.T, file []byte) []byte {
	t.Helper()
	return changed(t, file, func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		return errors.Join(meta.Put(keyUnreleased, meta.Get(keyFormat)), meta.Delete(keyFormat))
	})
}

// WithSchema returns the database in file with another schema version.
func WithSchema(t *testing.T, file []byte, v int) []byte {
	t.Helper()
	return changed(t, file, func(tx *bolt.Tx) error { return putSchema(tx, v) })
}

func changed(t *testing.T, file []byte, fn func(*bolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "changed.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	Change(t, path, fn)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Inspect reads a closed database behind the store's back.
func Inspect(t *testing.T, path string, fn func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.View(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// Change changes a closed database behind the store's back.
func Change(t *testing.T, path string, fn func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(fn); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// Migrate opens a database of any schema version and brings it to version n with made-up
// migrations, each of which writes some settings that name it. It returns the version that
// the database had.
func Migrate(path string, o Options, n int) (from int, err error) {
	var list []migration
	for to := 2; to <= n; to++ {
		list = append(list, migration{to, "test", func(tx *bolt.Tx) error {
			for i := range 200 {
				key := fmt.Appendf(nil, "migration %d, value %d", to, i)
				if err := tx.Bucket(bucketSettings).Put(key, codec.AddChecksum(key, []byte("1"))); err != nil {
					return err
				}
			}
			return nil
		}})
	}
	f, err := dbfile.Open(path, o, dbfile.Schema{Large: isLarge, Start: func(db *bolt.DB, _ func() error) error {
		err := db.View(func(tx *bolt.Tx) error {
			b, err := codec.VerifyChecksum(keyFormat, tx.Bucket(bucketMeta).Get(keyFormat))
			if err == nil {
				from = int(binary.BigEndian.Uint32(b))
			}
			return err
		})
		if err != nil {
			return err
		}
		return migrate(db, from, n, list, slog.New(slog.DiscardHandler))
	}})
	if err != nil {
		return from, err
	}
	return from, f.Close()
}

// DirtyZones counts the blocks of zones that the transaction will write.
func DirtyZones(t *Tx) (n int) {
	for _, b := range t.docs.zones {
		if b.dirty {
			n++
		}
	}
	return n
}

// EachSegment calls fn with the docs of each segment of the postings that queries read.
func EachSegment(s *Store, fn func(num uint32, docs *roaring.Bitmap)) {
	_ = s.View(func(sn *Snap) error {
		postings.EachSegment(postingsReader{sn, nil}, fn)
		return nil
	})
}
