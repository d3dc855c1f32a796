package walker

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// Options.OnAccess is called before each access to a file.
func TestLook(t *testing.T) {
	const files = 100
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, "sub", fmt.Sprint(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var looks atomic.Int64
	p := New(Options{OnAccess: func() { looks.Add(1) }})
	waitFor(t, submit(t, p, Spec{Dirs: []string{dir}, Visit: func(r *Result) []string {
		if n := int64(len(r.Listing.Entries)); looks.Load() < n {
			t.Errorf("%d entries after %d looks", n, looks.Load())
		}
		return descend(r)
	}}))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	// Both directories are opened, and their own stat is read once they are open.
	if n := looks.Load(); n < files+3 {
		t.Errorf("%d looks at %d files and two directories", n, files)
	}
}
