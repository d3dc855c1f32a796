package indexer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"indexd/internal/testutil/scale"
	"indexd/listing"
	"indexd/store"
)

// Without watches, sweeps find changed names by the times of directories, and a rarer sweep
// finds changes of files.
func TestSweepFindsNamesThenSizes(t *testing.T) {
	scale.SkipIfShort(t)
	root := tree(t, "a/x", "b/y")
	r := run(t, "", Config{Roots: []string{root}, SweepInterval: 200 * time.Millisecond})
	r.idle()
	grow(t, root, "a/new", "c/d/e")
	waitFor(t, func() bool { return r.has(root+"/c/d/e") && r.has(root+"/a/new") })
	must(t, os.Remove(root+"/a/new"))
	waitFor(t, func() bool { return !r.has(root + "/a/new") })

	f, err := os.OpenFile(root+"/b/y", os.O_WRONLY, 0)
	must(t, err)
	must(t, f.Truncate(12345)) // no directory's time tells
	must(t, f.Close())
	waitFor(t, func() bool { return r.sizeOf(root+"/b/y") == 12345 })
}

func TestPaceRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy atomic.Int64
		looks := 0
		p := pace{pressure: func(resource string) float64 {
			if resource == "io" {
				looks++
				return float64(busy.Load())
			}
			return 0
		}}
		took := func(worked time.Duration) time.Duration {
			begun := time.Now()
			must(t, p.rest(t.Context(), worked))
			return time.Since(begun)
		}
		if d := took(time.Second); d != 3*time.Second {
			t.Errorf("after a second's work it rests %s", d)
		}
		busy.Store(99)
		if d := took(0); d != 10*time.Second {
			t.Errorf("on a machine that is always busy it rests %s", d)
		}
		looks = 0
		go func() {
			time.Sleep(2500 * time.Millisecond)
			busy.Store(0)
		}()
		if d := took(0); d != 3*time.Second || looks != 4 {
			t.Errorf("on one that is busy for 2.5 s it rests %s and looks %d times", d, looks)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		time.AfterFunc(time.Second, func() { cancel(stop) })
		if err := p.rest(ctx, time.Hour); err != stop {
			t.Errorf("stopped, it returns %v", err)
		}
	})
}

func TestParsePressure(t *testing.T) {
	for text, want := range map[string]float64{
		"some avg10=12.34 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=0\n": 12.34,
		"":             0,
		"some avg10=x": 0,
	} {
		if got := parsePressure([]byte(text)); got != want {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// has reports whether the index has a path.
func (r *rig) has(path string) bool { return slices.Contains(r.paths(filepath.Dir(path)), path) }

// sizeOf returns the size of a file in the index, -1 if it has none.
func (r *rig) sizeOf(path string) (size int64) {
	r.t.Helper()
	size = -1
	must(r.t, r.st.View(func(sn *store.Snap) error {
		key, _ := sn.Locate(filepath.Dir(path))
		rec, ok, err := sn.Record(key)
		if err != nil || !ok {
			return err
		}
		if err := rec.Load(); err != nil {
			return err
		}
		if i, ok := rec.Find(filepath.Base(path)); ok {
			var e listing.Entry
			rec.Entry(i, &e)
			size = e.Size
		}
		return nil
	}))
	return size
}

// A root that is removed, replaced by a link or renamed is offline, with all its entries. When
// it is back, the index has what is there then.
func TestRootGoneAndBack(t *testing.T) {
	scale.SkipIfShort(t)
	top := tree(t, "r/a/x", "r/b/y", "other/z")
	root := top + "/r"
	r := run(t, "", Config{Roots: []string{root}, SweepInterval: 100 * time.Millisecond})
	r.idle()
	had := fmt.Sprint(r.paths(root))
	is := func(want string) {
		t.Helper()
		waitFor(t, func() bool {
			s, err := r.Status()
			must(t, err)
			return s.Roots[0].State == want
		})
	}
	same := func() { // in the end
		t.Helper()
		want := fmt.Sprint(found(t, root))
		waitFor(t, func() bool { return fmt.Sprint(r.paths(root)) == want })
	}
	gone := func() {
		t.Helper()
		is(Offline)
		if got := fmt.Sprint(r.paths(root)); got != had {
			t.Fatalf("of a root that is gone there is %s", got)
		}
	}

	must(t, os.Rename(root, top+"/moved"))
	gone()
	must(t, os.Rename(top+"/moved", root))
	is(Swept)
	same()

	must(t, os.Rename(root, top+"/moved"))
	must(t, os.Symlink("other", root))
	gone()
	must(t, os.Remove(root))
	must(t, os.WriteFile(root, nil, 0o600))
	gone()

	must(t, os.Remove(root))
	grow(t, root, "b/new", "c/d/e")
	is(Swept)
	same()
}
