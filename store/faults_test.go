package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"indexd/store"
	"indexd/store/dbfile"
	"indexd/store/record"
)

// faults counts points, and fails at those that fail says.
type faults struct {
	mu     sync.Mutex
	n      int
	points []string
	fail   func(n int, p dbfile.Point) error
}

func (f *faults) Fault(p dbfile.Point) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	f.points = append(f.points, p.String())
	if f.fail == nil {
		return nil
	}
	return f.fail(f.n, p)
}

// faulty is a database in which the same is done in every test: it is made, two
// listings are put, all is compacted, and another listing is put.
type faulty struct {
	t    *testing.T
	path string
	f    *fakeFS
	s    *store.Store
	v    record.Volume
	done func() // called when something was done, if it is not nil
}

// try does fn until it does not fail, which must be the second time.
func (y *faulty) try(what string, fn func() error) {
	y.t.Helper()
	if y.done != nil {
		defer y.done()
	}
	err := fn()
	if err == nil {
		return
	}
	if !errors.Is(err, unix.EIO) {
		y.t.Fatalf("%s: %v", what, err)
	}
	if err := fn(); err != nil {
		y.t.Fatalf("%s, again: %v", what, err)
	}
}

func (y *faulty) run(o store.Options) {
	t := y.t
	y.try("open", func() (err error) {
		y.s, err = store.Open(y.path, o)
		return err
	})
	defer func() {
		if err := y.s.Close(); err != nil {
			t.Error(err)
		}
	}()
	y.try("enter the volume", func() error {
		tx := begin(t, y.s)
		defer tx.Rollback()
		var err error
		if y.v, err = tx.PutVolume(store.VolumeInfo{Identity: "id", MountPoint: "/", FSType: "fake"}); err != nil {
			return err
		}
		if err = tx.PutPending(record.MakeKey(y.v, ""), store.Pending{Subtree: true}); err != nil {
			return err
		}
		return tx.Commit()
	})
	for i := range 40 {
		y.f.create(y.f.root, fmt.Sprintf("file %d", i), false)
	}
	y.f.create(y.f.create(y.f.root, "dir", true), "below", false)
	y.list("")
	y.list("dir")
	y.try("compact", func() error { return y.s.Compact(context.Background()) })
	y.f.remove(y.f.root, "file 7")
	y.list("")
	check(t, y.s)
	if d := cmp.Diff(y.f.tree(), stored(t, y.s, y.v)); d != "" {
		t.Errorf("the store is not what the file system is (- file system, + store):\n%.3000s", d)
	}
}

func (y *faulty) list(rel string) {
	y.t.Helper()
	parts := y.f.list(y.f.at(rel), 1<<20)
	y.try("list "+rel, func() error {
		tx := begin(y.t, y.s)
		defer tx.Rollback()
		for _, l := range parts {
			a, err := tx.Apply(record.MakeKey(y.v, rel), y.f.prepare(l))
			if err != nil {
				return err
			}
			if a.ParentMissing {
				y.t.Errorf("%q is not known: %+v", rel, a)
			}
		}
		return tx.Commit()
	})
}

// A thing that fails once, before anything is done or when it is done, leaves the
// store as it was, and it goes on: at each point in turn.
func TestErrorAtEveryPoint(t *testing.T) {
	whole := new(faults)
	y := faulty{t: t, path: filepath.Join(memoryDir(t), "index.db"), f: newFakeFS(true)}
	y.run(store.Options{Faults: whole})
	if len(whole.points) < 60 {
		t.Errorf("only %d points were come by", len(whole.points))
	}
	for at, name := range whole.points {
		t.Run(fmt.Sprintf("%d %s", at+1, name), func(t *testing.T) {
			f := &faults{fail: func(n int, p dbfile.Point) error {
				if n == at+1 {
					return unix.EIO
				}
				return nil
			}}
			y := faulty{t: t, path: filepath.Join(memoryDir(t), "index.db"), f: newFakeFS(true)}
			y.run(store.Options{Faults: f})
			s, err := store.Open(y.path, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			check(t, s)
			if d := cmp.Diff(y.f.tree(), stored(t, s, y.v)); d != "" {
				t.Errorf("what was opened again is not what the file system is (- file system, + store):\n%.3000s", d)
			}
		})
	}
}
