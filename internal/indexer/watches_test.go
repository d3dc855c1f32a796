package indexer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"indexd/internal/testutil/scale"
	"indexd/internal/watch"
)

// fewWatches returns limits that leave n watches besides those above a root.
func fewWatches(root string, n int) func() (watch.Limits, error) {
	n += strings.Count(root, "/")
	return func() (watch.Limits, error) {
		return watch.Limits{Watches: (n*100 + watch.DefaultShare - 1) / watch.DefaultShare}, nil
	}
}

// After the limit is raised, a reload watches everything, without a sweep or an event.
func TestMoreWatches(t *testing.T) {
	const dirs = 300 // more than are placed at once
	root := tree(t)
	for n := range dirs {
		must(t, os.MkdirAll(fmt.Sprintf("%s/%d", root, n), 0o755))
	}
	var limits atomic.Value
	limits.Store(fewWatches(root, 20))
	l := runLive(t, "", root, func() (watch.Limits, error) { return limits.Load().(func() (watch.Limits, error))() })
	l.idle()
	if n := len(l.watched()); n != 20 {
		t.Fatalf("%d are watched at first", n)
	}
	reload := func() { must(t, l.Reload(deadline(t), []string{root}, nil, l.rules.Load())) }
	reload() // nothing has changed
	l.idle()
	if n := len(l.watched()); n != 20 {
		t.Fatalf("%d are watched after a reload", n)
	}
	limits.Store(fewWatches(root, dirs+10))
	reload()
	waitFor(t, func() bool {
		s, err := l.Status()
		must(t, err)
		return s.Roots[0].State == Live && s.Roots[0].LiveDirs == dirs+1
	})
	l.compare()
}

// newest returns the n directories of a root that changed last according to find(1).
func newest(t *testing.T, root string, n int) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", fmt.Sprintf("find '%s' -type d -printf '%%T@ %%p\\n' | sort -rn | head -n %d", root, n)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		_, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		list = append(list, dir)
	}
	slices.Sort(list)
	return list
}

// watched returns the directories of the index that are watched, sorted.
func (l *liveRig) watched() (list []string) {
	for _, dir := range append(l.paths(l.root), l.root) {
		if l.src.Watched(dir) {
			list = append(list, dir)
		}
	}
	slices.Sort(list)
	return list
}

// sameWatched fails the test unless exactly the n directories that changed last are watched.
func (l *liveRig) sameWatched(n int) {
	l.t.Helper()
	got, want := l.watched(), newest(l.t, l.root, n)
	for _, dir := range append([]string{l.root}, l.paths(l.root)...) {
		_, is := slices.BinarySearch(got, dir)
		_, should := slices.BinarySearch(want, dir)
		if is == should {
			continue
		}
		fi, err := os.Stat(dir)
		l.do(err)
		l.t.Errorf("%s: watched: %v, changed %v", dir, is, fi.ModTime())
	}
}

// If there are fewer watches than directories, those that changed last have them: after a
// first index, after a start, and when others change.
func TestWatchesGoToWhatChangedLast(t *testing.T) {
	scale.SkipIfShort(t)
	const dirs, few = 200, 25
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	root := tree(t)
	var paths []string
	for i := range dirs {
		dir := root
		if i > 0 && r.IntN(3) > 0 {
			dir = paths[r.IntN(i)]
		}
		dir = fmt.Sprintf("%s/%d", dir, i)
		must(t, os.Mkdir(dir, 0o755))
		must(t, os.WriteFile(dir+"/file", nil, 0o644))
		paths = append(paths, dir)
	}
	for n, i := range r.Perm(dirs) { // each at a time of its own
		when := time.Unix(1e9+int64(n)*1000, 0)
		must(t, os.Chtimes(paths[i], when, when))
	}
	must(t, os.Chtimes(root, time.Unix(1e9, 0), time.Unix(1e9-1, 0)))

	l := runLive(t, "", root, fewWatches(root, few))
	l.sameWatched(few)
	if s, err := l.Status(); err != nil || s.Roots[0].State == Live || s.Roots[0].LiveDirs != few {
		t.Errorf("%+v %v", s.Roots, err)
	}
	l.compare()
	l.stop()
	l = runLive(t, l.db, root, fewWatches(root, few))
	l.idle()
	l.sameWatched(few)

	// A name is added in an unwatched directory: listing it finds the name and watches it.
	cold := func() (list []string) {
		for _, dir := range paths {
			if !l.src.Watched(dir) {
				list = append(list, dir)
			}
		}
		return list
	}
	for _, dir := range cold()[:5] {
		must(t, os.WriteFile(dir+"/new", nil, 0o644))
	}
	l.compare()
	l.sameWatched(few)

	// The same if only a file's content changes, which the directory's times do not show.
	busy := cold()[0]
	must(t, os.WriteFile(busy+"/file", []byte("more"), 0o644))
	l.compare()
	if !l.src.Watched(busy) {
		t.Error("where a file changed unseen nobody watches")
	}
	must(t, os.Remove(busy+"/file"))
	waitFor(t, func() bool { return !slices.Contains(l.paths(busy), busy+"/file") })

	// Events count as changes: a directory that is written to all the time stays watched.
	for i, dir := range cold()[:2*few] {
		must(t, os.WriteFile(dir+"/newer", nil, 0o644))
		must(t, os.WriteFile(busy+"/log", []byte(fmt.Sprint(i)), 0o644))
		if i%10 == 9 {
			l.compare()
		}
	}
	l.compare()
	if n := len(l.watched()); n != few || !l.src.Watched(busy) {
		t.Errorf("%d are watched, the busy one: %v", n, l.src.Watched(busy))
	}
}
