package walker

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
)

// BenchmarkWalk walks a real tree with a warm cache and a pool. bench/walk measures bfs
// and find on the same tree.
func BenchmarkWalk(b *testing.B) {
	const root = "/usr"
	p := testPool(b, Options{}, nil)
	var entries int64
	b.ReportAllocs()
	for b.Loop() {
		entries += waitFor(b, submit(b, p, Spec{Dirs: []string{root}, Visit: descend})).Entries
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(entries), "ns/entry")
}

// BenchmarkDirectory lists one directory of 1,000 entries without a pool.
func BenchmarkDirectory(b *testing.B) {
	dir := b.TempDir()
	for i := range 1000 {
		if err := os.Symlink("x", fmt.Sprintf("%s/some-name-%d", dir, i)); err != nil {
			b.Fatal(err)
		}
	}
	var stop atomic.Bool
	ls := newLister(&linux{}, func() uint64 { return 0 }, &bufferPool{})
	ls.stop = &stop
	b.ReportAllocs()
	for b.Loop() {
		if err := ls.read(ls.begin(dir), 8192, nil); err != nil {
			b.Fatal(err)
		}
		ls.release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/entry")
}
