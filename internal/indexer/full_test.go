package indexer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"indexd/internal/rules"
	"indexd/internal/testutil/scale"
	"indexd/store"
)

// small sets a size limit for the databases of a test.
func small(t *testing.T, size int) {
	openOptions.MaxSize = size
	t.Cleanup(func() { openOptions = store.Options{} })
}

// longNames returns n paths in dir that take much room in a database.
func longNames(dir string, n int) (paths []string) {
	for f := range n {
		paths = append(paths, fmt.Sprintf("%s/%s%d", dir, strings.Repeat("a long name ", 20), f))
	}
	return paths
}

// within fails the test if the database is larger than its limit.
func (r *rig) within() {
	r.t.Helper()
	fi, err := os.Stat(r.db)
	must(r.t, err)
	if fi.Size() > int64(openOptions.MaxSize) {
		r.t.Fatalf("the file has %d bytes, of at most %d", fi.Size(), openOptions.MaxSize)
	}
}

// heals waits until the database is no longer full. It stays within its limit meanwhile.
func (r *rig) heals() {
	r.t.Helper()
	waitFor(r.t, func() bool {
		r.within()
		return r.degraded() == ""
	})
}

// full waits until the database is full and answers are incomplete.
func (r *rig) full(root string) {
	r.t.Helper()
	defer func() {
		if x := r.rootAt(root); r.t.Failed() {
			x.mu.Lock()
			defer x.mu.Unlock()
			r.t.Logf("%q, %+v; doing %q, %d rejected, %d covered, again %v, %+v, rules %s", r.degraded(), r.Stale(nil, false),
				x.busy, x.rejected, x.covered, x.again, x.stored, r.rules.Load().Fingerprint())
		}
	}()
	waitFor(r.t, func() bool {
		r.within()
		s := r.Stale(nil, false)
		return strings.Contains(r.degraded(), "max-size") && len(s) == 1 && s[0].Path == root
	})
}

// New files exceed the size limit: answers have what is indexed, with a warning, and removals
// are still indexed. When the files are gone, the index becomes right by itself, as often
// as this happens.
func TestHealsAtTheSizeLimit(t *testing.T) {
	scale.SkipIfShort(t)
	small(t, 2<<20)
	l := startLive(t, filepath.Join(memoryDir(t), "index.db"), memoryDir(t), Config{Timing: Timing{Backfill: 10 * time.Millisecond}}, nil)
	must(t, l.WaitReady(deadline(t)))
	for d := range 20 {
		grow(t, l.root, longNames(fmt.Sprintf("kept%02d", d), 100)...)
	}
	l.compare()
	for round := range 2 {
		for d := range 100 {
			grow(t, l.root, longNames(fmt.Sprintf("storm%d/d%03d", round, d), 100)...)
			if d >= 60 && strings.Contains(l.degraded(), "max-size") {
				break
			}
		}
		l.full(l.root)
		gone := fmt.Sprintf("%s/kept%02d", l.root, round)
		must(t, os.RemoveAll(gone))
		waitFor(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), generous)
			defer cancel()
			must(t, l.Sync(ctx, nil))
			return !slices.ContainsFunc(l.paths(l.root), func(p string) bool { return p == gone })
		})
		must(t, os.RemoveAll(l.path(fmt.Sprintf("storm%d", round))))
		l.heals()
		l.compare()
		if s := l.Stale(nil, false); len(s) != 0 {
			t.Errorf("stale when all is well: %v", s)
		}
	}
}

// A first index of more than the database can hold ends, degraded. Excluding files then
// makes room for the rest.
func TestExcludingMakesRoom(t *testing.T) {
	scale.SkipIfShort(t)
	small(t, 2<<20)
	var paths []string
	for d := range 90 {
		paths = append(paths, longNames(fmt.Sprintf("big/d%03d", d), 100)...)
	}
	for d := range 50 {
		paths = append(paths, longNames(fmt.Sprintf("small/d%03d", d), 20)...)
	}
	root := memoryDir(t)
	grow(t, root, paths...)
	r := run(t, filepath.Join(memoryDir(t), "index.db"), Config{
		Roots: []string{root}, SweepInterval: time.Hour, Timing: Timing{Backfill: 10 * time.Millisecond},
	})
	r.full(root)
	set := ruleSet(t, rules.Config{Exclude: []string{root + "/big"}})
	must(t, r.Reload(deadline(t), []string{root}, nil, set))
	r.heals()
	r.idle()
	want := slices.DeleteFunc(found(t, root), func(p string) bool { return strings.HasPrefix(p, root+"/big") })
	if got := r.paths(root); !slices.Equal(got, want) {
		t.Errorf("%d paths of %d", len(got), len(want))
	}
	// What is no longer excluded fills it again, as far as possible.
	must(t, r.Reload(deadline(t), []string{root}, nil, ruleSet(t, rules.Config{})))
	r.full(root)
	must(t, os.RemoveAll(root+"/big"))
	r.rescan(root)
	r.heals()
	r.idle()
	r.same(root)
}

// After the limit is raised, everything is indexed.
func TestRaisedSizeLimit(t *testing.T) {
	scale.SkipIfShort(t)
	small(t, 2<<20)
	l := startLive(t, filepath.Join(memoryDir(t), "index.db"), memoryDir(t), Config{}, nil)
	must(t, l.WaitReady(deadline(t)))
	for d := range 90 {
		grow(t, l.root, longNames(fmt.Sprintf("d%04d", d), 100)...)
	}
	l.full(l.root)
	must(t, os.RemoveAll(l.path("d0000")))
	l.stop()

	openOptions.MaxSize = 0
	r := run(t, l.db, Config{Roots: []string{l.root}, SweepInterval: 1 << 40})
	r.idle()
	r.same(l.root)
}
