// Package mounts reads the kernel's mount table and answers from it what is
// mounted where, which mounts show the same tree, and by what name a file
// system can be known again after a reboot.
package mounts

import (
	"cmp"
	"fmt"
	"io"
	"os"
	pathpkg "path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Mount is one line of mountinfo. Paths are bytes, unescaped.
type Mount struct {
	ID, Parent int
	Dev        uint64 // of the file system: major<<32 | minor; not the st_dev of files on btrfs
	Root       string // the directory (or file) of the file system that is mounted
	Point      string // where, as seen from the process's root
	FSType     string // with its subtype: fuse.sshfs
	Source     string // a device, a server's export, or any word
	// Subvolume: Root is the top of a btrfs subvolume, not merely a directory.
	Subvolume bool
}

// Table is the mount table as it stood when it was read. It never changes and
// may be used by any number of goroutines. The Mounts that it gives are shared:
// read only.
type Table struct {
	visible map[string]*Mount   // by mount point
	sorted  []*Mount            // the visible ones, in path order
	byDev   map[uint64][]*Mount // the visible ones

	uuidMu sync.Mutex
	uuids  map[uint64]string // by Dev, as found so far
}

// Read reads the mount table of this process.
func Read() (*Table, error) {
	f, err := insist(func() (*os.File, error) { return os.Open("/proc/self/mountinfo") })
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	if !slices.ContainsFunc(all, func(m Mount) bool { return m.Point == "/" }) {
		all = append(all, rootOfChroot())
	}
	return newTable(all), nil
}

// Parse reads a mount table in the format of mountinfo.
func Parse(r io.Reader) (*Table, error) {
	all, err := parse(r)
	if err != nil {
		return nil, err
	}
	return newTable(all), nil
}

// rootOfChroot stands for the mount that "/" lies on where that is not a mount
// point, as in a chroot into a plain directory: mountinfo then leaves it out.
func rootOfChroot() Mount {
	m := Mount{Root: "/", Point: "/", FSType: "unknown", Source: "none"}
	var stx unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, "/", unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &stx) == nil {
		m.ID = int(stx.Mnt_id)
		m.Dev = uint64(stx.Dev_major)<<32 | uint64(stx.Dev_minor)
	}
	return m
}

// newTable finds the mounts that a path can lead to. As the kernel does it, a
// path is followed from the root mount; where a mount lies on the way, it is
// entered, and from there on only its own children count. So a mount is hidden
// by one on top of it and by one on a directory above.
func newTable(all []Mount) *Table {
	t := &Table{
		visible: make(map[string]*Mount),
		byDev:   make(map[uint64][]*Mount),
		uuids:   make(map[uint64]string),
	}
	byID := make(map[int]*Mount, len(all)) // of a number given anew while the table was read, the later
	for i := range all {
		byID[all[i].ID] = &all[i]
	}
	const outside = -1 // the parent of those whose parent is not in the table
	children := make(map[int][]*Mount)
	for i := range all {
		m := &all[i]
		switch {
		case byID[m.ID] != m:
		case byID[m.Parent] != nil && m.Parent != m.ID:
			children[m.Parent] = append(children[m.Parent], m)
		default:
			children[outside] = append(children[outside], m)
		}
	}
	for _, list := range children {
		// A stable sort: of two on one point the later is on top.
		slices.SortStableFunc(list, func(a, b *Mount) int { return ComparePaths(a.Point, b.Point) })
	}
	var enter func(m *Mount)
	look := func(list []*Mount) {
		var last *Mount
		for i, m := range list {
			onTop := i+1 == len(list) || list[i+1].Point != m.Point
			if onTop && (last == nil || !Within(m.Point, last.Point)) {
				last = m
				enter(m)
			}
		}
	}
	enter = func(m *Mount) {
		if t.visible[m.Point] = m; len(children[m.ID]) > 0 {
			look(children[m.ID]) // one on the same point takes m's place
		}
	}
	look(children[outside])
	for _, m := range t.visible {
		t.sorted = append(t.sorted, m)
	}
	slices.SortFunc(t.sorted, func(a, b *Mount) int { return ComparePaths(a.Point, b.Point) })
	for _, m := range t.sorted {
		t.byDev[m.Dev] = append(t.byDev[m.Dev], m)
	}
	return t
}

// At returns the mount that is seen at exactly this mount point, nil if there
// is none.
func (t *Table) At(path string) *Mount { return t.visible[path] }

// Containing returns the mount that an absolute, clean path lies on: of those
// that can be seen the one with the longest mount point. Nil if there is none,
// which is only so for a table without a root.
func (t *Table) Containing(path string) *Mount {
	for {
		if m := t.visible[path]; m != nil {
			return m
		}
		i := strings.LastIndexByte(path, '/')
		switch {
		case i < 0 || path == "/":
			return nil
		case i == 0:
			path = "/"
		default:
			path = path[:i]
		}
	}
}

// Through returns the mounts that an absolute, clean path leads through, the one
// that it lies on first and that of "/" last.
func (t *Table) Through(path string) []*Mount {
	var list []*Mount
	for m := t.Containing(path); m != nil; m = t.Containing(pathpkg.Dir(m.Point)) {
		list = append(list, m)
		if m.Point == "/" {
			break
		}
	}
	return list
}

// Under returns what is mounted below dir and can be seen, dir itself not
// included, in path order: each mount before those within it, and these before
// any that is not. A mount point may be a file.
func (t *Table) Under(dir string) []*Mount {
	i, exact := slices.BinarySearchFunc(t.sorted, dir, func(m *Mount, dir string) int {
		return ComparePaths(m.Point, dir)
	})
	if exact {
		i++
	}
	n := i
	for n < len(t.sorted) && Within(t.sorted[n].Point, dir) {
		n++
	}
	return slices.Clone(t.sorted[i:n])
}

// Within reports whether path is dir or lies below it. Both are absolute and
// clean.
func Within(path, dir string) bool {
	return dir == "/" || strings.HasPrefix(path, dir) && (len(path) == len(dir) || path[len(dir)] == '/')
}

// ComparePaths orders absolute, clean paths component by component, so that a
// directory comes before what is in it, and that before its siblings.
func ComparePaths(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		}
		return cmp.Compare(a[i], b[i])
	}
	return cmp.Compare(len(a), len(b))
}
