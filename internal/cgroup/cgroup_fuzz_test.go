package cgroup

import (
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzMemoryLimit reads arbitrary input as the cgroups of a process, with an arbitrary
// limit for one of them. The result must be a limit that exists, and never that of a
// cgroup beside the mount point.
func FuzzMemoryLimit(f *testing.F) {
	top := f.TempDir()
	mount := filepath.Join(top, "m")
	write := func(name, text string) {
		name = filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	write("beside/memory.max", "6000\n")
	write("m/a/memory.max", "")
	write("m/a/b/memory.max", "5000\n")
	write("m/memory/a/memory.limit_in_bytes", "7000\n")
	f.Add([]byte("0::/a/b\n"), "4096\n")
	f.Add([]byte("0::/a\n3:memory:/a\n"), "max\n")
	f.Add([]byte("0::/../beside\n"), "9223372036854771712\n")
	f.Add([]byte("0::/a/../../beside\n1:memory:"), "-1")
	f.Add([]byte("0:::\n::\n0::\x00"), " 12 ")
	given := filepath.Join(mount, "a", "memory.max")
	f.Fuzz(func(t *testing.T, file []byte, limit string) {
		if err := os.WriteFile(given, []byte(limit), 0o644); err != nil {
			t.Fatal(err)
		}
		n := memoryLimit(file, mount)
		if n == 0 || n == 5000 || n == 7000 {
			return
		}
		want, ok := new(big.Int).SetString(strings.TrimSpace(limit), 10)
		if !ok || want.Cmp(big.NewInt(n)) != 0 || n < 0 || n >= unlimited {
			t.Errorf("%q with %q: %d", file, limit, n)
		}
	})
}
