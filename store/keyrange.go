package store

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"indexd/store/record"
)

// KeyRange is a range of keys of one volume that a traversal in path order visits as a whole.
type KeyRange struct {
	Lo, Hi record.Key // [Lo, Hi)
	Volume VolumeInfo
}

// mounts are the visible volumes, by mount point.
type mounts struct {
	list []VolumeInfo // by mount point, component by component
	err  error
}

// mounts returns the visible volumes. Goroutines that share the snapshot share them.
func (sn *Snap) mounts() *mounts {
	sn.mountsOnce.Do(func() {
		m := &sn.mounted
		m.list, m.err = sn.Volumes()
		// Of volumes with the same mount point the online one is visible; of several, which
		// would be a mistake, the newest.
		slices.SortFunc(m.list, func(a, b VolumeInfo) int {
			return cmp.Or(comparePaths(a.MountPoint, b.MountPoint), compareBool(a.Offline, b.Offline), cmp.Compare(b.Volume, a.Volume))
		})
		m.list = slices.CompactFunc(m.list, func(a, b VolumeInfo) bool { return a.MountPoint == b.MountPoint })
		m.list = slices.DeleteFunc(m.list, func(v VolumeInfo) bool { return !strings.HasPrefix(v.MountPoint, "/") })
	})
	return &sn.mounted
}

// forgetMounts is called for a transaction's own snapshot when it changes volumes.
func (sn *Snap) forgetMounts() { sn.mountsOnce, sn.mounted = sync.Once{}, mounts{} }

// holding returns the volume with the longest mount point that path is at or below, or nil.
func (m *mounts) holding(path string) *VolumeInfo {
	var best *VolumeInfo
	for i := range m.list {
		v := &m.list[i]
		if _, ok := below(path, v.MountPoint); ok && (best == nil || len(v.MountPoint) > len(best.MountPoint)) {
			best = v
		}
	}
	return best
}

// KeyRanges returns the ranges of keys that a traversal of the directory absDir and everything
// below it visits, in path order. Volumes mounted below it come in at their mount points, and
// what a mount hides is left out. An offline volume appears where it was mounted last. absDir
// is absolute and clean.
func (sn *Snap) KeyRanges(absDir string) ([]KeyRange, error) {
	m := sn.mounts()
	if m.err != nil {
		return nil, m.err
	}
	var ranges []KeyRange
	// This is the stack of the volumes that the traversal is in, each with where it continues
	// and where it ends.
	type open struct {
		v      *VolumeInfo
		lo, hi record.Key
	}
	var stack []open
	pop := func() {
		o := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if o.lo.Compare(o.hi) < 0 {
			ranges = append(ranges, KeyRange{o.lo, o.hi, *o.v})
		}
	}
	if v := m.holding(absDir); v != nil {
		rel, _ := below(absDir, v.MountPoint)
		k := record.MakeKey(v.Volume, rel)
		stack = append(stack, open{v, k, k.SubtreeEnd()})
	}
	for i := range m.list {
		v := &m.list[i]
		if rel, ok := below(v.MountPoint, absDir); !ok || rel == "" {
			continue
		}
		for len(stack) > 0 {
			if _, ok := below(v.MountPoint, stack[len(stack)-1].v.MountPoint); ok {
				break
			}
			pop()
		}
		if len(stack) > 0 {
			up := &stack[len(stack)-1]
			rel, _ := below(v.MountPoint, up.v.MountPoint)
			at := record.MakeKey(up.v.Volume, rel)
			if up.lo.Compare(at) < 0 {
				ranges = append(ranges, KeyRange{up.lo, at, *up.v})
			}
			up.lo = at.SubtreeEnd()
		}
		k := record.MakeKey(v.Volume, "")
		stack = append(stack, open{v, k, k.SubtreeEnd()})
	}
	for len(stack) > 0 {
		pop()
	}
	return ranges, nil
}

// Locate returns the key that the directory at an absolute clean path has or would have: in the
// volume with the longest mount point, or, of two with the same, the one that is online. There
// need not be a record. ok is false if no volume contains the path, or the key would be too
// long.
func (sn *Snap) Locate(absPath string) (record.Key, bool) {
	m := sn.mounts()
	v := m.holding(absPath)
	if m.err != nil || v == nil {
		return nil, false
	}
	rel, _ := below(absPath, v.MountPoint)
	k := record.MakeKey(v.Volume, rel)
	return k, k.Valid() == nil
}

// PathOf returns the absolute path of a directory, "" if its volume is not known.
func (sn *Snap) PathOf(key record.Key) string {
	v, ok, err := sn.Volume(key.Volume())
	if !ok || err != nil {
		return ""
	}
	return v.Path(key)
}

// Path returns the absolute path of a directory of v.
func (v *VolumeInfo) Path(key record.Key) string {
	switch {
	case key.IsRoot():
		return v.MountPoint
	case v.MountPoint == "/":
		return "/" + key.Rel()
	}
	return v.MountPoint + "/" + key.Rel()
}

// below reports whether path is dir or below it, and returns the rest of path.
func below(path, dir string) (rel string, ok bool) {
	if dir == "/" {
		return strings.TrimPrefix(path, "/"), true
	}
	if rest, ok := strings.CutPrefix(path, dir); ok && (rest == "" || rest[0] == '/') {
		return strings.TrimPrefix(rest, "/"), true
	}
	return "", false
}

// comparePaths orders absolute paths like keys, component by component.
func comparePaths(a, b string) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	at := func(s string) int {
		switch {
		case i == len(s):
			return -1
		case s[i] == '/':
			return 0
		}
		return int(s[i])
	}
	if a == "/" || b == "/" {
		return len(a) - len(b)
	}
	return at(a) - at(b)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
