package mounts

import (
	"cmp"
	"slices"
	"strings"
)

// Alias reports whether m shows a tree that is indexed by another path, as a bind mount
// does, and by which. indexed reports whether roots and rules include a path: it is
// neither excluded nor below a mount of a pruned type. m must be included in that sense.
//
// Of several paths to one tree, the canonical one is determined as follows, in this
// order: it leads through fewer directories of snapshots and containers; if a btrfs
// subvolume is mounted, it uses that mount rather than one of a directory above (so /home
// is never hidden by the top level mounted elsewhere); its mount shows more of the file
// system; it is shorter; it comes first bytewise. As this is an order of mounts, a tree
// and its contents are found on the same mount. A path through a mount that may be an
// alias itself is never canonical: indexing a tree twice is better than not at all.
func (t *Table) Alias(m *Mount, indexed func(path string) bool) (canonical string, ok bool) {
	best := t.canonical(m, m.Point, m.Root, indexed)
	return best, best != m.Point
}

// Duplicate is a directory whose tree is indexed by another path.
type Duplicate struct{ Path, Canonical string }

// Duplicates returns the directories within m, none of them mount points, whose trees are
// indexed through another mount, in path order. For example, with a whole btrfs mounted
// at /pool and its subvolume @home at /home, /pool/@home is a duplicate. m and indexed
// are as for Alias.
func (t *Table) Duplicates(m *Mount, indexed func(path string) bool) []Duplicate {
	var list []Duplicate
	for _, other := range t.byDev[m.Dev] {
		p, ok := t.pathOf(m, other.Root)
		if !ok || other.Root == m.Root || !indexed(p) {
			continue
		}
		if best := t.canonical(m, p, other.Root, indexed); best != p {
			list = append(list, Duplicate{p, best})
		}
	}
	slices.SortFunc(list, func(a, b Duplicate) int { return ComparePaths(a.Path, b.Path) })
	return slices.Compact(list)
}

// canonical returns the best path to the tree at root, which m shows at path.
func (t *Table) canonical(m *Mount, path, root string, indexed func(string) bool) string {
	best := t.route(m, path, root)
	for _, other := range t.byDev[m.Dev] {
		r, ok := t.better(other, best, root)
		if ok && indexed(r.path) && t.entered(other, root, indexed) {
			best = r
		}
	}
	return best.path
}

// better returns m's route to root, if it has one that is better than r.
func (t *Table) better(m *Mount, r route, root string) (route, bool) {
	p, ok := t.pathOf(m, root)
	if !ok {
		return route{}, false
	}
	mine := t.route(m, p, root)
	return mine, mine.compare(r) < 0
}

// entered reports whether it is certain that m, which shows root, is no alias (unless it
// shows exactly root) and does not lie within one.
func (t *Table) entered(m *Mount, root string, indexed func(string) bool) bool {
	for _, on := range t.Through(m.Point) {
		if on.Point != "/" && (on != m || m.Root != root) && indexed(on.Point) && t.mayBeAlias(on, indexed) {
			return false
		}
	}
	return true
}

// perhapsAlias reports whether there is a better path to m's tree, possibly through an
// alias.
func (t *Table) mayBeAlias(m *Mount, indexed func(string) bool) bool {
	own := t.route(m, m.Point, m.Root)
	return slices.ContainsFunc(t.byDev[m.Dev], func(other *Mount) bool {
		r, ok := t.better(other, own, m.Root)
		return ok && indexed(r.path)
	})
}

// pathOf returns where m shows the directory root of its file system. ok is false if it
// does not, or if another mount hides it there.
func (t *Table) pathOf(m *Mount, root string) (path string, ok bool) {
	if !Within(root, m.Root) {
		return "", false
	}
	below := strings.TrimPrefix(strings.TrimPrefix(root, m.Root), "/")
	switch {
	case below == "":
		path = m.Point
	case m.Point == "/":
		path = "/" + below
	default:
		path = m.Point + "/" + below
	}
	return path, t.Containing(path) == m
}

// route is one path to a tree, with its disadvantages.
type route struct {
	path    string
	copies  int // directories of snapshots and containers on the way
	crossed int // mounted subvolumes entered as directories
	depth   int // length of the path of the mount's root in its file system
}

func (t *Table) route(m *Mount, path, root string) route {
	r := route{path: path, copies: copyDirs(path), depth: len(m.Root)}
	for _, sub := range t.byDev[m.Dev] {
		if sub.Subvolume && sub.Root != m.Root && Within(sub.Root, m.Root) && Within(root, sub.Root) {
			r.crossed++
		}
	}
	return r
}

// compare is negative if r is better than other.
func (r route) compare(other route) int {
	return cmp.Or(
		cmp.Compare(r.copies, other.copies),
		cmp.Compare(r.crossed, other.crossed),
		cmp.Compare(r.depth, other.depth),
		cmp.Compare(len(r.path), len(other.path)),
		cmp.Compare(r.path, other.path),
	)
}

// copies counts the directories on a path that usually hold copies of others.
func copyDirs(path string) int {
	n := strings.Count(path, "/.local/share/containers/")
	for name := range strings.SplitSeq(path, "/") {
		switch name {
		case ".snapshot", ".snapshots", "@snapshots", "btrbk_snapshots", "timeshift", "timeshift-btrfs", ".zfs", "merged":
			n++
		}
	}
	for _, dir := range []string{
		"/run/containerd", "/run/containers", "/run/docker", "/var/lib/containerd", "/var/lib/containers",
		"/var/lib/docker", "/var/lib/kubelet", "/var/lib/lxc", "/var/lib/machines", "/var/lib/portables",
	} {
		if Within(path, dir) {
			n++
		}
	}
	return n
}
