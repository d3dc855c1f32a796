package store

import (
	"path/filepath"
	"reflect"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestBucketTable fails if a bucket of a new database has no row in the table, a row has no
// check, or a bucket is not opened by a row.
func TestBucketTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	inFile := 0
	_ = db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			inFile++
			if bucketIndex(string(name)) < 0 {
				t.Errorf("%s has no row", name)
			}
			return nil
		})
	})
	opened := make(map[**bolt.Bucket]string)
	var b buckets
	for i := range bucketTable {
		row := &bucketTable[i]
		if row.verify == nil {
			t.Errorf("%s has no check", row.name)
		} else if n, err := row.verify([]byte("a key"), []byte("not a value")); err == nil {
			t.Errorf("the check of %s takes any value for %d good ones", row.name, n)
		}
		if other := opened[row.of(&b)]; other != "" {
			t.Errorf("%s and %s are opened as one bucket", row.name, other)
		}
		opened[row.of(&b)] = string(row.name)
	}
	if n := reflect.TypeFor[buckets]().NumField(); len(bucketTable) != n || inFile != n {
		t.Errorf("%d rows, %d buckets in a file, %d opened", len(bucketTable), inFile, n)
	}
}
