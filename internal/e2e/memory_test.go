package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"indexd/internal/testutil/cgroup"
)

// A daemon in a cgroup with little memory indexes and watches a tree, and is not killed.
// The section "memory" of bench measures far larger trees.
func TestLittleMemory(t *testing.T) {
	group, err := cgroup.New(32 << 20)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = group.Remove() })
	root := t.TempDir()
	make := func(sub string, dirs, files int) {
		t.Helper()
		for d := range dirs {
			dir := filepath.Join(root, fmt.Sprintf("%s%03d", sub, d))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for f := range files {
				if err := os.WriteFile(fmt.Sprintf("%s/file %d of %s", dir, f, sub), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	make("first", 40, 60)
	d := newDaemon(t, "", "--watch", "inotify", root)
	d.runBy(group.In()...)
	t.Cleanup(func() { d.end(15) })
	d.ready()
	same(t, "at first", split(d.must("find", "-0")), find(t, root))
	make("second", 20, 60)
	same(t, "of what is new", split(d.must("find", "-0", "--sync=3m")), find(t, root))
	if n := len(split(d.must("find", "-0", "--sort", "size", "first00"))); n != 10 {
		t.Errorf("%d sorted", n)
	}
	if n := group.Killed(); n > 0 {
		t.Errorf("killed %d times", n)
	}
	used, kernel := group.Usage()
	t.Logf("%d KiB in use, %d KiB of them the kernel's; at most %d", used>>10, kernel>>10, group.Peak()>>10)
}
