package indexer

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"indexd/store"
)

// If the database's file is removed while it is in use, with or without its directory, it is
// written again with all that is indexed. Until then the daemon is degraded.
func TestRemovedDatabaseIsWrittenAgain(t *testing.T) {
	root := tree(t, "a/x", "b/y")
	db := filepath.Join(t.TempDir(), "db", "index.db")
	must(t, os.Mkdir(filepath.Dir(db), 0o755))
	var told atomic.Int64
	l := startLive(t, db, root, Config{Timing: Timing{FileCheck: 1}, Degraded: func(why string) {
		if strings.Contains(why, "removed") {
			told.Add(1)
		}
	}}, nil)
	must(t, l.WaitReady(deadline(t)))
	for i, path := range []string{db, filepath.Dir(db)} {
		must(t, os.RemoveAll(path))
		grow(t, root, filepath.Join("a", "new", filepath.Base(path)))
		waitFor(t, func() bool { return told.Load() > int64(i) && l.degraded() == "" })
		must(t, l.st.Named())
		if _, err := store.Open(db, store.Options{Timeout: 1}); err == nil {
			t.Error("the new file is not locked")
		}
	}
	l.compare()
	l.stop()
	r := run(t, db, Config{Roots: []string{root}})
	r.same(root)
}

// If another file replaces the database's, the daemon continues, is degraded, and leaves the
// other file alone. When that is moved away, the database is written again.
func TestReplacedDatabaseIsSaid(t *testing.T) {
	root := tree(t, "a/x", "b/y")
	db := filepath.Join(t.TempDir(), "index.db")
	var log bytes.Buffer
	l := startLive(t, db, root, Config{Timing: Timing{FileCheck: 1}, Log: slog.New(slog.NewTextHandler(&log, nil))}, nil)
	must(t, l.WaitReady(deadline(t)))
	moved, other := db+".old", []byte("no database")
	must(t, os.Rename(db, moved))
	must(t, os.WriteFile(db+".other", other, 0o600))
	must(t, os.Rename(db+".other", db))
	grow(t, root, "a/new/z")
	waitFor(t, func() bool { return strings.Contains(l.degraded(), "another file") })
	l.compare()
	if b, err := os.ReadFile(db); err != nil || !bytes.Equal(b, other) {
		t.Errorf("the other file has become %d bytes, %v", len(b), err)
	}
	s, err := l.Status()
	must(t, err)
	if !strings.Contains(s.Degraded, "another file") || s.Roots[0].State == Degraded {
		t.Errorf("%q, %+v", s.Degraded, s.Roots)
	}

	must(t, os.Remove(db))
	grow(t, root, "a/new/y")
	waitFor(t, func() bool { return l.degraded() == "" })
	must(t, l.st.Named())
	l.stop()
	if n := strings.Count(log.String(), `msg="another file`); n != 1 {
		t.Errorf("it was said %d times:\n%s", n, log.String())
	}
	r := run(t, db, Config{Roots: []string{root}})
	r.same(root)
}
