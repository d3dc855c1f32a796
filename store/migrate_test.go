package store

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"

	"indexd/store/internal/codec"
)

// migrationCases has a test for each migration, by the version that it leads to: before
// turns a new database into one of the version before, and after checks the result.
var migrationCases = map[int]struct {
	before func(*bolt.Tx) error
	after  func(*testing.T, *bolt.Tx)
}{}

// TestMigrations fails if a migration has no case, or if the list has a gap.
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

// TestMigrate checks that migrations are applied in order, from the version that the
// database has, each once, and that the first failure ends it.
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
			if b, err := codec.VerifyChecksum(keyFormat, tx.Bucket(bucketMeta).Get(keyFormat)); err != nil || int(b[3]) != c.version {
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
