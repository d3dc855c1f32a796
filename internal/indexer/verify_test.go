package indexer

import (
	"os"
	"testing"
)

// Changes of files while the daemon did not run do not show in the times of directories. They
// are found after the start by listing everything at a pace. Until then answers that use
// sizes are stale.
func TestSizesAreVerifiedAfterDowntime(t *testing.T) {
	l := runLive(t, "", "", nil)
	grow(t, l.root, "a/file", "b/c/other")
	l.compare()
	if s := l.Stale(nil, true); len(s) != 0 {
		t.Errorf("watched from the beginning, it is stale: %v", s)
	}
	l.stop()
	must(t, os.Truncate(l.root+"/a/file", 54321))

	l = runLive(t, l.db, l.root, nil)
	waitFor(t, func() bool {
		sure := len(l.Stale(nil, true)) == 0
		right := l.sizeOf(l.root+"/a/file") == 54321
		if sure && !right {
			t.Fatal("it is said to be sure, and is wrong")
		}
		return sure
	})
	if s := l.Stale(nil, false); len(s) != 0 {
		t.Errorf("at last it is stale: %v", s)
	}
}
