package indexer

import (
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"indexd/internal/testutil/scale"
)

// A database whose content was mostly removed becomes small again.
func TestCompactsWhatIsFree(t *testing.T) {
	scale.SkipIfShort(t)
	var paths []string
	for d := range 40 {
		for f := range 500 {
			paths = append(paths, fmt.Sprintf("d%02d/a file with rather a long name, so that few are enough %d", d, f))
		}
	}
	root := tree(t, paths...)
	r := run(t, "", Config{Roots: []string{root}, Eager: true})
	r.idle()
	size := func() int64 {
		fi, err := os.Stat(r.db)
		must(t, err)
		return fi.Size()
	}
	full := size()
	for d := 1; d < 40; d++ {
		must(t, os.RemoveAll(fmt.Sprintf("%s/d%02d", root, d)))
	}
	r.rescan(root)
	waitFor(t, func() bool { return size() <= full/2 })
	grow(t, root, "new/file")
	r.rescan(root)
	r.idle()
	r.same(root)
}

// Changes during a compaction cause another check soon, unless the compaction failed.
func TestFailedCompactionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCompactor(&scheduler{watches: &watches{core: &core{}}})
		c.changed()
		c.next = time.Now().Add(c.pause)
		c.armed = false
		c.changed()
		c.wait(compactRetry)
		begun := time.Now()
		<-c.timer.C
		if waited := time.Since(begun); waited < compactRetry {
			t.Errorf("tried again after %v", waited)
		}
	})
}
