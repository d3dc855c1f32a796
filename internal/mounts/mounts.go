// Package mounts reads the kernel's mount table. It answers what is mounted where, which
// mounts show the same tree, and how to recognize a file system after a reboot.
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

// Mount is one line of mountinfo. Paths are unescaped bytes.
type Mount struct {
	ID, Parent int
	Dev        uint64 // of the file system: major<<32 | minor; on btrfs it differs from st_dev
	Root       string // directory (or file) of the file system that is mounted
	Point      string // mount point, as seen from the root directory of the process
	FSType     string // with the subtype, as in fuse.sshfs
	Source     string // a device, a server's export, or any other text
	// Subvolume means that Root is the top of a btrfs subvolume.
	Subvolume bool
}

// Table is an immutable snapshot of the mount table, safe for concurrent use. The Mounts
// it returns are shared and must not be modified.
type Table struct {
	visible map[string]*Mount   // by mount point
	sorted  []*Mount            // visible mounts in path order
	byDev   map[uint64][]*Mount // visible mounts

	uuidMu sync.Mutex
	uuids  map[uint64]string // by Dev, as far as known
}

// Read returns the mount table of this process.
func Read() (*Table, error) {
	f, err := retryShortage(func() (*os.File, error) { return os.Open("/proc/self/mountinfo") })
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

// Parse parses a mount table in mountinfo format.
func Parse(r io.Reader) (*Table, error) {
	all, err := parse(r)
	if err != nil {
		return nil, err
	}
	return newTable(all), nil
}

// rootOfChroot returns a substitute for the mount that contains "/" if that is not a
// mount point, as in a chroot into a plain directory. mountinfo then leaves it out.
func rootOfChroot() Mount {
	m := Mount{Root: "/", Point: "/", FSType: "unknown", Source: "none"}
	var stx unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, "/", unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &stx) == nil {
		m.ID = int(stx.Mnt_id)
		m.Dev = uint64(stx.Dev_major)<<32 | uint64(stx.Dev_minor)
	}
	return m
}

// newTable finds the mounts that a path can lead to. Like the kernel, it follows paths
// from the root mount; at a mount point it enters the mount, and from there on only the
// children of that mount count. So a mount is hidden by one on top of it and by one on a
// directory above.
func newTable(all []Mount) *Table {
	t := &Table{
		visible: make(map[string]*Mount),
		byDev:   make(map[uint64][]*Mount),
		uuids:   make(map[uint64]string),
	}
	byID := make(map[int]*Mount, len(all)) // the later one, if an ID was reused while the table was read
	for i := range all {
		byID[all[i].ID] = &all[i]
	}
	const outside = -1 // stands for parents that are not in the table
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
		// A stable sort: of two mounts on one point, the later is on top.
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
			look(children[m.ID]) // a child on the same point replaces m
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

// At returns the visible mount with exactly this mount point, or nil.
func (t *Table) At(path string) *Mount { return t.visible[path] }

// Containing returns the mount that an absolute clean path lies on: the visible one with
// the longest mount point. It is nil only if the table has no root.
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

// Through returns the mounts that an absolute clean path leads through, from the one it
// lies on to that of "/".
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

// Under returns the visible mounts below dir, without dir itself, in path order: each
// mount comes before those within it. A mount point may be a file.
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

// Within reports whether path is dir or below it. Both are absolute and clean.
func Within(path, dir string) bool {
	return dir == "/" || strings.HasPrefix(path, dir) && (len(path) == len(dir) || path[len(dir)] == '/')
}

// ComparePaths compares absolute clean paths component by component, so that a directory
// comes before its contents, and these before its siblings.
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
