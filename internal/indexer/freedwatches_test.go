package indexer

import (
	"fmt"
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

// Watches that were freed by a large tree make the root live after one pass.
func TestFreedWatchesOfManyThatWait(t *testing.T) {
	const dirs = 150
	root := tree(t)
	for n := range 2 * dirs {
		dir := fmt.Sprintf("%s/%c/%d", root, "ab"[n/dirs], n)
		must(t, os.MkdirAll(dir, 0o755))
		when := time.Unix(1e9-int64(n), 0)
		must(t, os.Chtimes(dir, when, when))
	}
	l := startLive(t, "", root, Config{Timing: Timing{FreedPause: time.Millisecond}}, fewWatches(root, dirs+10))
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
