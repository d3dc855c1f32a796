package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"
)

// NoSync makes commits of s quick and no longer safe from power cuts, for tests
// that make thousands.
func NoSync(s *Store) { s.files.now.setSync(false) }

// CommitInVain is Commit on a disk that takes all pages into its cache and then
// fails to sync the last one.
func CommitInVain(t *Tx) {
	_ = t.end(func() error {
		if err := t.flush(); err != nil {
			return err
		}
		good := uint64(t.tx.ID()) - 1
		if err := t.tx.Commit(); err != nil {
			return err
		}
		t.s.doubted(t.h, good)
		return errors.New("the sync failed")
	})
}

// WithSchema returns the database in file with another schema version.
func WithSchema(t *testing.T, file []byte, v int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "schema.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	Change(t, path, func(tx *bolt.Tx) error { return putSchema(tx, v) })
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
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

// PutSchema makes a database say that it is of another schema version.
func PutSchema(tx *bolt.Tx, v int) error { return putSchema(tx, v) }

// DirtyZones counts the blocks of zones that the transaction will write.
func DirtyZones(t *Tx) (n int) {
	for _, b := range t.zones {
		if b.dirty {
			n++
		}
	}
	return n
}

// EachSegment calls fn with the docs of each segment of the postings that is
// looked into.
func EachSegment(s *Store, fn func(num uint32, docs *roaring.Bitmap)) {
	_ = s.View(func(sn *Snap) error {
		segs, _ := sn.postSegs()
		for i := range segs {
			if segs[i].state == segLive {
				fn(segs[i].num, segs[i].docs)
			}
		}
		return nil
	})
}

// SchemaVersion is that of the databases that this package writes.
const SchemaVersion = schemaVersion
