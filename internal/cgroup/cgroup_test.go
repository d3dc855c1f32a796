package cgroup

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	top := t.TempDir()
	for name, limit := range map[string]string{
		"a/memory.max": "4096000\n", "a/b/memory.max": "max\n", "a/b/c/memory.max": "8192000\n",
		"unified/u/memory.max":           "1000\n",
		"memory/memory.limit_in_bytes":   "9223372036854771712\n",
		"memory/m/memory.limit_in_bytes": "5000\n", "memory/m/n/memory.limit_in_bytes": "6000\n",
	} {
		name = filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(limit), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for group, want := range map[string]int64{
		"0::/a/b/c\n": 4096000, "0::/a\n": 4096000, "0::/\n": 0, "": 0, "5:x:/\n0::/a/b\n": 4096000,
		"0::/../../a\n": 0, "0::/u\n": 1000,
		"4:memory:/\n": 0, "4:memory:/m\n": 5000, "4:memory:/m/n\n0::/\n": 5000, "4:memory:/m/n\n0::/u\n": 1000,
		"1:memory:/a\n": 0, "1:cpu,cpuacct:/m\n": 0, "nonsense": 0,
	} {
		if n := memoryLimit([]byte(group), top); n != want {
			t.Errorf("%q: %d, want %d", group, n, want)
		}
	}
	if n := MemoryLimit(); n < 0 {
		t.Errorf("%d bytes here", n)
	}
}
