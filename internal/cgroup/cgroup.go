// Package cgroup tells how much memory this process may use.
package cgroup

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// MemoryLimit is how many bytes this process and those that share its control
// group may use, page cache and what the kernel keeps for them included: the least
// limit of its group and those that it lies in, of either version. 0: there is none,
// or it cannot be told.
func MemoryLimit() int64 {
	file, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	return memoryLimit(file, "/sys/fs/cgroup")
}

// unlimited is what version 1 has for no limit, about: it depends on the page size.
const unlimited = 1 << 60

// memoryLimit is MemoryLimit by a process's /proc/self/cgroup, with the groups below
// mount: those of version 2 there or in unified, those of version 1 in memory.
func memoryLimit(file []byte, mount string) (least int64) {
	note := func(dir, group, name string) {
		// Of what lies outside of what this process may see of them the group is
		// "/../name".
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

// readLimit reads a file with a number of bytes; false: it has none.
func readLimit(name string) (int64, bool) {
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64) // "max" is none
	return n, err == nil && n > 0 && n < unlimited
}
