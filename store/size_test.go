package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// TestTree loads the directory named by STORE_TREE, in the order of a walk, and
// tells how large the database is, without and with postings, and how long applying
// and merging took.
func TestTree(t *testing.T) {
	root := os.Getenv("STORE_TREE")
	if root == "" {
		t.Skip("STORE_TREE names no directory")
	}
	s, err := store.Open(filepath.Join(t.TempDir(), "db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := newVolume(t, s, root)
	type dir struct {
		rel string
		p   *record.EncodedListing
	}
	var dirs []dir
	var prepared time.Duration
	var walk func(path, rel string, dev uint64)
	walk = func(path, rel string, dev uint64) {
		st, ok := lstat(path)
		if !ok {
			return
		}
		ents, _ := os.ReadDir(path)
		l := &listing.Listing{Stamp: uint64(len(dirs) + 1), Dir: st, First: true, Last: true}
		for _, e := range ents {
			if st, ok := lstat(filepath.Join(path, e.Name())); ok {
				l.Entries = append(l.Entries, listing.Entry{Name: e.Name(), Stat: st})
			}
		}
		start := time.Now()
		dirs = append(dirs, dir{rel, record.Encode(l, nil, nil)})
		prepared += time.Since(start)
		for i := range l.Entries {
			if e := &l.Entries[i]; e.Type() == listing.Dir && !slices.Contains([]string{"/proc", "/sys", "/dev", "/run"}, filepath.Join(path, e.Name)) {
				walk(filepath.Join(path, e.Name), join(rel, e.Name), dev)
			}
		}
	}
	walk(root, "", 0)
	for _, bulk := range []bool{true, false} {
		start := time.Now()
		tx := begin(t, s)
		if bulk {
			tx.Bulk()
		}
		commits, changed := 0, 0
		var committing time.Duration
		for _, d := range dirs {
			a, err := tx.Apply(record.MakeKey(v, d.rel), d.p)
			if err != nil || a.Stale || a.ParentMissing {
				t.Fatal(d.rel, a, err)
			}
			if a.Changed {
				changed++
			}
			if tx.Bytes() > 8<<20 {
				at := time.Now()
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
				committing += time.Since(at)
				commits++
				tx = begin(t, s)
				if bulk {
					tx.Bulk()
				}
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		st := stats(t, s)
		t.Logf("%s: %d directories written of %d in %v (%.0f listings/s, %.0f entries/s), of it %d commits %v; prepared in %v; %d entries, %.1f B an entry of %d MB, %.2f MB free, %d MB anonymous",
			root, changed, len(dirs), took, float64(len(dirs))/took.Seconds(), float64(st.Entries)/took.Seconds(), commits, committing, prepared,
			st.Entries, perEntry(st), st.Size>>20, float64(st.Free)/(1<<20), rssAnon()>>20)
		start = time.Now()
		did := mergeAll(t, s)
		took = time.Since(start)
		merged := stats(t, s)
		t.Logf("merged %d times in %v: %.1f B an entry without free pages, %.1f before", len(did), took,
			float64(merged.Size-merged.Free)/float64(merged.Entries), float64(st.Size-st.Free)/float64(st.Entries))
	}
}

func stats(t testing.TB, s *store.Store) (st store.Stats) {
	view(t, s, func(sn *store.Snap) { st = must(sn.Stats())(t) })
	return st
}

func perEntry(st store.Stats) float64 { return float64(st.Size) / float64(st.Entries) }

func lstat(path string) (listing.Stat, bool) {
	var x unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &x) != nil {
		return listing.Stat{}, false
	}
	at := func(t unix.StatxTimestamp) listing.Time { return listing.Time{Sec: t.Sec, Nsec: t.Nsec} }
	return listing.Stat{
		Ino: x.Ino, Size: int64(x.Size), Blocks: int64(x.Blocks), Mode: uint32(x.Mode), UID: x.Uid, GID: x.Gid, Nlink: x.Nlink,
		Mtime: at(x.Mtime), Ctime: at(x.Ctime), Btime: at(x.Btime),
	}, true
}

// rssAnon is the process's anonymous memory in bytes.
func rssAnon() int {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			var kb int
			fmt.Sscanf(rest, "%d", &kb)
			return kb << 10
		}
	}
	return 0
}
