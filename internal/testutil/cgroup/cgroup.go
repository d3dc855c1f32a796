// Package cgroup runs programs with little memory in tests and benchmarks: in a cgroup of
// either version, whose limit includes page cache and kernel memory.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Group is a cgroup with a memory limit.
type Group struct {
	dir string
	v2  bool
}

// New creates a group limited to limit bytes. An error is a reason to skip the test. The
// group must be removed.
func New(limit int64) (*Group, error) {
	var errs []error
	name := fmt.Sprintf("indexd-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	for _, g := range []*Group{{dir: "/sys/fs/cgroup/memory"}, {dir: "/sys/fs/cgroup", v2: true}} {
		file := "memory.limit_in_bytes"
		if g.v2 {
			file = "memory.max"
		}
		g.dir = filepath.Join(g.dir, name)
		if err := os.Mkdir(g.dir, 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		err := os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatInt(limit, 10)), 0)
		if err == nil {
			_ = os.WriteFile(filepath.Join(g.dir, "memory.swap.max"), []byte("0"), 0) // does not exist in version 1
			return g, nil
		}
		errs = append(errs, err, os.Remove(g.dir))
	}
	return nil, fmt.Errorf("no control group with a limit on memory can be made: %w", errors.Join(errs...))
}

// In returns what to put before a command to run it in the group.
func (g *Group) In() []string {
	return []string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, "cgroup.procs")}
}

// Command returns a command that runs in the group.
func (g *Group) Command(name string, args ...string) *exec.Cmd {
	words := append(append(g.In(), name), args...)
	return exec.Command(words[0], words[1:]...)
}

// Peak returns the maximum memory usage in bytes, or 0 if unknown.
func (g *Group) Peak() int64 {
	if g.v2 {
		return g.number("memory.peak", "")
	}
	return g.number("memory.max_usage_in_bytes", "")
}

// Usage returns the memory in use, and how much of it is kernel memory, in bytes.
func (g *Group) Usage() (all, kernel int64) {
	if g.v2 {
		return g.number("memory.current", ""), g.number("memory.stat", "kernel")
	}
	return g.number("memory.usage_in_bytes", ""), g.number("memory.kmem.usage_in_bytes", "")
}

// Killed returns how many processes were killed for lack of memory.
func (g *Group) Killed() int64 {
	if g.v2 {
		return g.number("memory.events", "oom_kill")
	}
	return g.number("memory.oom_control", "oom_kill")
}

// number reads a file of the group that contains a number, or lines of a name and a
// number.
func (g *Group) number(file, name string) int64 {
	b, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		text := strings.TrimSpace(line)
		if name != "" {
			var ok bool
			if text, ok = strings.CutPrefix(text, name+" "); !ok {
				continue
			}
		}
		n, _ := strconv.ParseInt(text, 10, 64)
		return n
	}
	return 0
}

// Remove removes the group, in which no process may run.
func (g *Group) Remove() error {
	var err error
	for range 100 { // processes that have just ended may still be in it
		if err = os.Remove(g.dir); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
