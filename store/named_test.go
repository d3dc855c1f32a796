package store_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"indexd/store"
	"indexd/store/dbfile"
	"indexd/store/record"
)

func wantNamed(t *testing.T, s *store.Store, want error) {
	t.Helper()
	if err := s.Named(); !errors.Is(err, want) {
		t.Errorf("its name: %v, want %v", err, want)
	}
}

// TestRemovedFileIsMadeAgain: a file that was removed while it is open is made again
// by a compaction, with all that is in it, and locked.
func TestRemovedFileIsMadeAgain(t *testing.T) {
	path, v, _ := someDatabase(t)
	s := must(store.Open(path, store.Options{}))(t)
	wantNamed(t, s, nil)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantNamed(t, s, store.ErrGone)
	update(t, s, func(tx *store.Tx) { // it goes on meanwhile
		if err := tx.PutPending(record.MakeKey(v, "d01"), store.Pending{}); err != nil {
			t.Fatal(err)
		}
	})
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNamed(t, s, nil)
	if _, err := store.Open(path, store.Options{Timeout: quick}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("the new file: %v", err)
	}
	all := names(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path) // checked at the end
	if !slices.Equal(names(t, s), all) || s.PendingCount() != 1 {
		t.Error("something is missing")
	}
}

// TestReplacedFileIsLeftAlone: where another database has been made in the place of
// the file, a compaction does not touch it, also where that happens meanwhile.
func TestReplacedFileIsLeftAlone(t *testing.T) {
	for _, when := range []string{"before", "meanwhile"} {
		t.Run(when, func(t *testing.T) {
			path, _, _ := someDatabase(t)
			var other *store.Store
			replace := func() {
				other = must(store.Open(path, store.Options{}))(t)
			}
			f := &atRename{path: path}
			s := must(store.Open(path, store.Options{Faults: f}))(t)
			all := names(t, s)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if when == "before" {
				replace()
			} else {
				f.do = replace
			}
			err := s.Compact(t.Context())
			if err == nil {
				t.Error("it was compacted")
			}
			if when == "before" && !errors.Is(err, store.ErrReplaced) {
				t.Error(err)
			}
			wantNamed(t, s, store.ErrReplaced)
			wantNamed(t, other, nil)
			check(t, other)
			if !slices.Equal(names(t, s), all) {
				t.Error("something is missing in the old one")
			}
			for _, s := range []*store.Store{s, other} {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// atRename does something before a file is renamed to path.
type atRename struct {
	path string
	do   func()
}

func (f *atRename) Fault(p dbfile.Point) error {
	if p.Op == dbfile.OpRename && !p.Done && p.To == f.path && f.do != nil {
		f.do()
	}
	return nil
}
