// Package cgroup runs programs with little memory, for tests and benchmarks: in
// a control group of their own, of whichever version there is, in which page cache
// and what the kernel keeps for a process count too.
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

// Group is a control group with a limit on memory.
type Group struct {
	dir string
	v2  bool
}

// New makes a group of limit bytes. An error says why there can be none here, which
// is a reason to skip. It is to be removed.
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
			_ = os.WriteFile(filepath.Join(g.dir, "memory.swap.max"), []byte("0"), 0) // version 1 has no such
			return g, nil
		}
		errs = append(errs, err, os.Remove(g.dir))
	}
	return nil, fmt.Errorf("no control group with a limit on memory can be made: %w", errors.Join(errs...))
}

// In is what to put before a command, for it to run in the group from its start.
func (g *Group) In() []string {
	return []string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, "cgroup.procs")}
}

// Command runs name in the group.
func (g *Group) Command(name string, args ...string) *exec.Cmd {
	words := append(append(g.In(), name), args...)
	return exec.Command(words[0], words[1:]...)
}

// Peak is the most memory that was in use at once, in bytes; 0: it cannot be told.
func (g *Group) Peak() int64 {
	if g.v2 {
		return g.number("memory.peak", "")
	}
	return g.number("memory.max_usage_in_bytes", "")
}

// Usage is the memory in use, and how much of it is the kernel's own, in bytes.
func (g *Group) Usage() (all, kernel int64) {
	if g.v2 {
		return g.number("memory.current", ""), g.number("memory.stat", "kernel")
	}
	return g.number("memory.usage_in_bytes", ""), g.number("memory.kmem.usage_in_bytes", "")
}

// Killed is how many processes were killed for want of memory.
func (g *Group) Killed() int64 {
	if g.v2 {
		return g.number("memory.events", "oom_kill")
	}
	return g.number("memory.oom_control", "oom_kill")
}

// number reads a file of the group that has a number, or one behind a name in a line
// of its own.
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

// Remove removes the group, in which nothing may run any more.
func (g *Group) Remove() error {
	var err error
	for range 100 { // what has just ended may still be in it
		if err = os.Remove(g.dir); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
