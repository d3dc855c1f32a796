package store_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"indexd/listing"
	"indexd/store"
	"indexd/store/trigram"
)

// TestOldSchemas: a database of every schema that there was is opened, is in order
// and has in it what it had, and goes on from there.
func TestOldSchemas(t *testing.T) {
	for v := 1; v < store.SchemaVersion; v++ {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			path := unzipped(t, fmt.Sprintf("testdata/schema%d.db.gz", v))
			if _, err := store.Open(path, store.Options{ReadOnly: true}); !errors.Is(err, store.ErrOlderSchema) {
				t.Errorf("opened for reading: %v", err)
			}
			s := openAt(t, path)
			look := func() {
				t.Helper()
				check(t, s)
				sameAsOld(t, s)
			}
			look()
			mergeAll(t, s)
			look()
			for more := true; more; {
				update(t, s, func(tx *store.Tx) { more = must(tx.Reap(100))(t) })
			}
			look()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openAt(t, path)
			look()
		})
	}
}

func unzipped(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatalf("%v: there must be a database of each schema", err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || fi.Size() > 64<<10 {
		t.Errorf("%s is large", file)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "index.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sameEntry compares what is kept of an entry; of a directory its own listing has
// told its inode and times.
func sameEntry(a, b listing.Entry) bool {
	if a.Type() == listing.Dir {
		return a.Name == b.Name && a.Mode == b.Mode
	}
	return a.Name == b.Name && a.Ino == b.Ino && a.Mode == b.Mode && a.Size == b.Size && a.UID == b.UID && a.Mtime == b.Mtime
}

// sameAsOld compares with oldTree, in which what is below "gone" is dead.
func sameAsOld(t *testing.T, s *store.Store) {
	t.Helper()
	want := make(map[string][]listing.Entry)
	for _, d := range oldTree() {
		if d.rel != "gone" && d.rel != "gone/deep" {
			want[d.rel] = d.entries
		}
	}
	view(t, s, func(sn *store.Snap) {
		got := make(map[string][]listing.Entry)
		byDoc := make(map[string]uint32)
		for c := sn.Cursor(nil, nil); c.Next(); {
			rec := c.Record()
			if err := rec.Load(); err != nil {
				t.Fatal(err)
			}
			for _, e := range rec.All() {
				own := *e
				own.Name = string([]byte(e.Name))
				got[c.Dir().Rel()] = append(got[c.Dir().Rel()], own)
				byDoc[c.Dir().Rel()+"/"+own.Name] = uint32(rec.Doc())
			}
		}
		for rel, entries := range want {
			if !slices.EqualFunc(got[rel], entries, sameEntry) {
				t.Errorf("%q has not the entries that it had: %d, want %d", rel, len(got[rel]), len(entries))
			}
		}
		if len(got) != len(want) {
			t.Errorf("there are %d directories, want %d", len(got), len(want))
		}
		// Whatever text of a name is looked for, its record is a candidate.
		for path, doc := range byDoc {
			ts := trigram.Of(filepath.Base(path))
			if len(ts) == 0 {
				continue
			}
			docs, err := sn.Candidates(&trigram.Need{All: ts})
			if err != nil || docs != nil && !docs.Contains(doc) {
				t.Errorf("%q is no candidate for its name: %v", path, err)
				break
			}
		}
		var failed, pending []string
		for key := range sn.Failed(nil, nil) {
			failed = append(failed, key.Rel())
		}
		for key := range sn.Pending(nil, nil) {
			pending = append(pending, key.Rel())
		}
		if !slices.Equal(failed, []string{"sick"}) || !slices.Equal(pending, []string{"home/user/new"}) {
			t.Errorf("failed are %q, pending %q", failed, pending)
		}
		vol, ok, err := sn.Volume(1)
		if err != nil || !ok || vol.Identity != "uuid:1234" || vol.MountPoint != "/mnt" || vol.Source != "/dev/sda1" {
			t.Errorf("the volume is %+v, %v, %v", vol, ok, err)
		}
		var setting string
		if ok, err := sn.Value(store.Settings, []byte("name"), &setting); !ok || err != nil || setting != "a setting" {
			t.Errorf("the setting is %q, %v, %v", setting, ok, err)
		}
		for f, key := range map[store.Family][]byte{store.Roots: store.MakeKey(1, ""), store.Jobs: store.JobKey(7)} {
			found := false
			for k := range sn.Values(f) {
				found = found || bytes.Equal(k, key)
			}
			if !found {
				t.Errorf("family %d has no %x", f, key)
			}
		}
	})
}
