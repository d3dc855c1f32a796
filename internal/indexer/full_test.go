package indexer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indexd/store"
)

// At the size limit an answer that lacks what changed since says so, of what came
// and of what went; once the limit is raised all is right again.
func TestAtTheSizeLimit(t *testing.T) {
	openOptions.MaxSize = 2 << 20
	defer func() { openOptions = store.Options{} }()
	l := startLive(t, filepath.Join(memoryDir(t), "index.db"), "", Config{}, nil)
	must(t, l.WaitReady(deadline(t)))
	fill := func(dir int) {
		t.Helper()
		var paths []string
		for f := range 50 {
			paths = append(paths, fmt.Sprintf("d%04d/%s%d", dir, strings.Repeat("a long name ", 20), f))
		}
		grow(t, l.root, paths...)
	}
	for d := range 20 {
		fill(d)
	}
	l.compare()
	// More than a compaction can make room for.
	for d := 20; d < 120 || !strings.Contains(l.degraded(), "max-size"); d++ {
		fill(d)
	}
	must(t, os.RemoveAll(l.path("d0000")))
	if s := l.Stale(nil, false); len(s) != 1 || s[0].Path != l.root {
		t.Errorf("stale is %v", s)
	}
	fi, err := os.Stat(l.db)
	must(t, err)
	if fi.Size() > int64(openOptions.MaxSize) {
		t.Errorf("the file has %d bytes, of at most %d", fi.Size(), openOptions.MaxSize)
	}
	l.stop()

	openOptions.MaxSize = 0
	r := run(t, l.db, Config{Roots: []string{l.root}, SweepInterval: 1 << 40})
	r.idle()
	r.same(l.root)
}
