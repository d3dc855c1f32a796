// Package cgroup finds out how much memory this process may use.
package cgroup

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// MemoryLimit returns how many bytes this process and the others in its cgroup may use,
// including page cache and kernel memory. It is the smallest limit of its cgroup and the
// ones above, of either cgroup version; 0 means that there is none or that it is unknown.
func MemoryLimit() int64 {
	file, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	return memoryLimit(file, "/sys/fs/cgroup")
}

// unlimited is roughly the value that stands for no limit in version 1. The exact one
// depends on the page size.
const unlimited = 1 << 60

// memoryLimit implements MemoryLimit with the contents of /proc/self/cgroup and the mount
// point of the cgroups: version 2 is there or in unified, version 1 in memory.
func memoryLimit(file []byte, mount string) (least int64) {
	note := func(dir, group, name string) {
		// The path of a cgroup outside of the namespace of this process begins with
		// "/../".
		for at := path.Join(dir, group); at == dir || strings.HasPrefix(at, dir+"/"); at = path.Dir(at) {
			n, ok := readLimit(filepath.Join(at, name))
			if ok && (least == 0 || n < least) {
				least = n
			}
		}
	}
	for line := range bytes.Lines(file) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) < 3 {
			continue
		}
		switch id, controllers, group := fields[0], fields[1], fields[2]; {
		case id == "0" && controllers == "":
			note(mount, group, "memory.max")
			note(path.Join(mount, "unified"), group, "memory.max")
		case controllers == "memory":
			note(path.Join(mount, "memory"), group, "memory.limit_in_bytes")
		}
	}
	return least
}

// readLimit reads a file that contains a number of bytes. It reports false if there is no
// limit.
func readLimit(name string) (int64, bool) {
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64) // "max" means none
	return n, err == nil && n > 0 && n < unlimited
}
