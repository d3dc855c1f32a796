package store_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"indexd/listing"
	"indexd/store"
)

// What the databases in testdata/schema*.db.gz hold, each of which was made with
// the code of its time:
//
//	INDEXD_MAKE_SCHEMA=/tmp/schema go test ./store -run TestMakeSchema
//
// This file needs nothing but what the first version of this package had.

// oldDir is a directory as it was listed.
type oldDir struct {
	rel     string
	entries []listing.Entry // in the order of names
}

// oldTree is the same at any time: directories before what is in them.
func oldTree() (dirs []oldDir) {
	ino := uint64(100)
	entry := func(name string, dir bool) listing.Entry {
		ino++
		at := listing.Time{Sec: 1_700_000_000 + int64(ino)*1000, Nsec: uint32(ino % 3 * 500)}
		e := listing.Entry{Name: name, Stat: listing.Stat{Ino: ino, Mode: 0o100644, Nlink: 1, Size: int64(ino * ino), Blocks: 8, UID: uint32(ino % 2 * 1000), Mtime: at, Ctime: at, Btime: at}}
		if dir {
			e.Mode, e.Nlink, e.Size = 0o040755, 2, 4096
		}
		return e
	}
	add := func(rel string, entries ...listing.Entry) { dirs = append(dirs, oldDir{rel, entries}) }
	add("", entry("README", false), entry("big", true), entry("etc", true), entry("gone", true), entry("home", true), entry("sick", true), entry("stra\u00dfe", false))
	big := []listing.Entry{entry("dir", true)}
	for i := range 1200 {
		big = append(big, entry(fmt.Sprintf("file%04d", i), false))
	}
	add("big", big...)
	add("big/dir", entry("in-big", false))
	add("etc", entry("passwd", false), entry("ssh", true))
	add("etc/ssh", entry("sshd_config", false), entry("\xff no text", false))
	add("gone", entry("deep", true))
	add("gone/deep", entry("lost", false))
	add("home", entry("user", true))
	add("home/user", entry("new", true), entry("\u3042\u308a", false)) // new is pending
	add("sick", entry("last-known", false))                            // and could not be read since
	return dirs
}

// applyOld fills a new database.
func applyOld(s *store.Store) error {
	at := time.Unix(1_750_000_000, 0)
	tx, err := s.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	v, err := tx.PutVolume(store.VolumeInfo{Identity: "uuid:1234", MountPoint: "/mnt", FSType: "ext4", Source: "/dev/sda1"})
	if err != nil {
		return err
	}
	stamp := uint64(10)
	for _, d := range oldTree() {
		stamp++
		l := listing.Listing{Stamp: stamp, Dir: listing.Stat{Ino: stamp, Mode: 0o040755, Nlink: 2, Size: 4096, Blocks: 8, Mtime: listing.Time{Sec: 1_700_000_000}, Ctime: listing.Time{Sec: 1_700_000_000}}, First: true, Last: true, Entries: d.entries}
		p := store.Prepare(&l, nil, nil)
		p.At = at
		if _, err := tx.Apply(store.MakeKey(v, d.rel), p); err != nil {
			return err
		}
	}
	root := store.MakeKey(v, "")
	if _, err := tx.SetError(store.MakeKey(v, "sick"), stamp+1, 5, at); err != nil { // EIO
		return err
	}
	if err := tx.Drop(store.MakeKey(v, "gone"), stamp+2); err != nil {
		return err
	}
	if err := tx.PutValue(store.Roots, root, map[string]string{"what": "a root"}); err != nil {
		return err
	}
	if err := tx.PutValue(store.Jobs, store.JobKey(7), map[string]string{"what": "a job"}); err != nil {
		return err
	}
	if err := tx.PutValue(store.Settings, []byte("name"), "a setting"); err != nil {
		return err
	}
	return tx.Commit()
}

// TestMakeSchema makes such a database, of the schema of the code that it is run
// with.
func TestMakeSchema(t *testing.T) {
	path := os.Getenv("INDEXD_MAKE_SCHEMA")
	if path == "" {
		t.Skip("it is done once for each schema: set INDEXD_MAKE_SCHEMA")
	}
	s, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := applyOld(s); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context(), func(p store.Problem) { t.Error(p) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
