package indexer

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
)

// Watches of a removed tree go to directories that wait for one, those that changed last
// first, without a sweep or a barrier.
func TestFreedWatchesArePlaced(t *testing.T) {
	const dirs, few = 60, 25
	root := tree(t)
	for n := range dirs {
		dir := fmt.Sprintf("%s/hot/%d", root, n)
		if n >= few-2 { // beside the root and hot itself
			dir = fmt.Sprintf("%s/cold/%d", root, n)
		}
		must(t, os.MkdirAll(dir, 0o755))
		when := time.Unix(1e9-int64(n)*1000, 0)
		must(t, os.Chtimes(dir, when, when))
	}
	must(t, os.Chtimes(root+"/cold", time.Unix(1, 0), time.Unix(1, 0)))
	l := startLive(t, "", root, Config{Timing: Timing{FreedPause: time.Millisecond}}, fewWatches(root, few))
	must(t, l.WaitReady(deadline(t)))
	l.idle()
	l.sameWatched(few)

	must(t, os.RemoveAll(root+"/hot"))
	want := newest(t, root, few)
	waitFor(t, func() bool { return slices.Equal(l.watched(), want) })
	// What is watched is live.
	at := fmt.Sprintf("%s/cold/%d", root, few)
	must(t, os.WriteFile(at+"/f", nil, 0o644))
	waitFor(t, func() bool { return slices.Contains(l.paths(at), at+"/f") })

	// When all directories are watched, the root is live.
	for n := few - 2; n < dirs-few/2; n++ {
		must(t, os.RemoveAll(fmt.Sprintf("%s/cold/%d", root, n)))
	}
	waitFor(t, func() bool {
		s, err := l.Status()
		must(t, err)
		return s.Roots[0].State == Live && s.Roots[0].LiveDirs == s.Roots[0].Dirs
	})
	l.compare()
}

// More directories wait than are remembered.
func TestWaitingForgetsWhatChangedLongAgo(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	const most = 500
	w := watchQueue{max: most}
	var all []unwatchedDir
	for n, i := range r.Perm(5 * most) {
		d := unwatchedDir{fmt.Sprintf("/%d", n), int64(i)}
		all = append(all, d)
		w.add(d.dir, d.changed)
	}
	slices.SortFunc(all, func(a, b unwatchedDir) int { return cmp.Compare(b.changed, a.changed) })
	first, left, lacking := w.take(100)
	if !slices.Equal(first, all[:100]) || !left || lacking {
		t.Errorf("%v %v %v", first, left, lacking)
	}
	rest, left, lacking := w.take(10 * most)
	if !slices.Equal(rest, all[100:100+len(rest)]) || len(rest) < most-100 || left || !lacking {
		t.Errorf("%d more, %v %v", len(rest), left, lacking)
	}
	if list, left, lacking := w.take(1); len(list) > 0 || left || lacking {
		t.Errorf("%v %v %v", list, left, lacking)
	}
	w.add("/new", 0)
	w.add("/new", 1)
	if list, _, lacking := w.take(9); !slices.Equal(list, []unwatchedDir{{"/new", 1}}) || lacking {
		t.Errorf("%v %v", list, lacking)
	}
}

// Directories that wait and are not remembered are found by a pass over all of them.
func TestFreedWatchesOfManyThatWait(t *testing.T) {
	const dirs = 150
	root := tree(t)
	for n := range 2 * dirs {
		dir := fmt.Sprintf("%s/%c/%d", root, "ab"[n/dirs], n)
		must(t, os.MkdirAll(dir, 0o755))
		when := time.Unix(1e9-int64(n), 0)
		must(t, os.Chtimes(dir, when, when))
	}
	l := startLive(t, "", root, Config{Timing: Timing{FreedPause: time.Millisecond, WatchQueue: 8}}, fewWatches(root, dirs+10))
	must(t, l.WaitReady(deadline(t)))
	l.idle()
	must(t, os.RemoveAll(root+"/a"))
	waitFor(t, func() bool { return len(l.watched()) == dirs+2 })
	waitFor(t, func() bool {
		s, err := l.Status()
		must(t, err)
		return s.Roots[0].State == Live
	})
	l.compare()
}
