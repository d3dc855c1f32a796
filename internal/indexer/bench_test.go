package indexer

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"indexd/internal/mounts"
	"indexd/internal/rules"
	"indexd/store"
)

// BenchmarkFirstIndex indexes INDEXD_BENCH_TREE, /usr by default, until everything is
// committed and in the postings.
func BenchmarkFirstIndex(b *testing.B) {
	root := os.Getenv("INDEXD_BENCH_TREE")
	if root == "" {
		root = "/usr"
	}
	set, err := rules.New(rules.Config{PruneFS: rules.DefaultPruneFS()})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		st, err := store.Open(filepath.Join(b.TempDir(), "index.db"), store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		x, err := New(st, Config{Roots: []string{root}, Rules: set, Mounts: mounts.Read})
		if err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- x.Run(ctx) }()
		<-x.Begun()
		if err := x.WaitReady(ctx); err != nil {
			b.Fatal(err)
		}
		for st.FreshCount() > 0 { // until it is posted too
			time.Sleep(time.Millisecond)
		}
		stop()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(x.Progress().Entries), "entries")
		if fi, err := os.Stat(st.Path()); err == nil {
			b.ReportMetric(float64(fi.Size())/float64(x.Progress().Entries), "B/entry")
		}
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
