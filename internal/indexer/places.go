package indexer

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"indexd/internal/mounts"
	"indexd/internal/rules"
	"indexd/store/record"
)

// A place is a mount point below or above a root, and the volume whose
// directories are found there.
type place struct {
	point  string // absolute; "/" for the root of all
	mount  *mounts.Mount
	volume record.Volume
}

// places says where in the store a path lies, as the mount table stood at one
// moment. Immutable: a new table makes a new places.
type places struct {
	table  *mounts.Table
	byLen  []place              // longest mount point first
	inside map[string][]mounted // what is mounted on the children of a directory
}

// mounted is a mount point, as its parent directory sees it.
type mounted struct {
	name string
	kind mountKind
	rule string // why not, for explain
	same string // of an alias: the other path, which rule names
}

type mountKind uint8

const (
	entered mountKind = iota // its volume is indexed there
	pruned                   // its file system type is not wanted: absent
	alias                    // indexed by another path: an entry, not entered
)

// find returns the place in which dir lies.
func (p *places) find(dir string) (place, bool) {
	for _, pl := range p.byLen {
		if mounts.Within(dir, pl.point) {
			return pl, true
		}
	}
	return place{}, false
}

// key of the directory at an absolute path.
func (p *places) key(dir string) (record.Key, place, error) {
	pl, ok := p.find(dir)
	if !ok {
		return nil, place{}, fmt.Errorf("%s lies on no mounted file system that is indexed", dir)
	}
	return record.MakeKey(pl.volume, below(dir, pl.point)), pl, nil
}

// mountedAt says what is mounted on the child of that name, if anything is.
func mountedAt(inside []mounted, name string) (mounted, bool) {
	for _, m := range inside {
		if m.name == name {
			return m, true
		}
	}
	return mounted{}, false
}

// below returns p relative to dir, "" for dir itself.
func below(p, dir string) string {
	if dir == "/" {
		return p[1:]
	}
	return strings.TrimPrefix(p[len(dir):], "/")
}

// join is path.Join for a clean directory and one name.
func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}

// newPlaces finds out which mounts are entered: those that a root lies on, and
// those below a root that nothing speaks against. Their volumes are still to be
// found.
func newPlaces(t *mounts.Table, roots, inner []string, set *rules.Set) (*places, error) {
	p := &places{table: t, inside: make(map[string][]mounted)}
	asked := make(map[string]bool) // mount points on which something lies that was asked for
	for _, dir := range slices.Concat(roots, inner) {
		if m := t.Containing(dir); m != nil {
			asked[m.Point] = true
		}
	}
	indexed := func(dir string) bool {
		return slices.ContainsFunc(roots, func(r string) bool {
			if _, no := set.Below(r, dir); no || !mounts.Within(dir, r) {
				return false
			}
			for _, m := range t.Through(dir) {
				if m.Point != dir && m.Point != r && mounts.Within(m.Point, r) && set.PrunedFS(m.FSType) && !asked[m.Point] {
					return false
				}
			}
			return true
		})
	}
	seen := make(map[string]bool)
	add := func(m *mounts.Mount) {
		if !seen[m.Point] {
			seen[m.Point] = true
			p.byLen = append(p.byLen, place{point: m.Point, mount: m})
			for _, d := range t.Duplicates(m, indexed) {
				p.put(d.Path, mounted{kind: alias, rule: "the same tree as " + d.Canonical, same: d.Canonical})
			}
		}
	}
	for _, r := range roots {
		m := t.Containing(r)
		if m == nil {
			return nil, fmt.Errorf("root %s lies on no mounted file system", r)
		}
		add(m)
	}
	for _, r := range roots {
		closed := "" // a mount that is not entered, nor are those within it
		for _, m := range t.Under(r) {
			if closed != "" && mounts.Within(m.Point, closed) {
				continue
			}
			in := mounted{kind: entered}
			if asked[m.Point] {
				// Whatever its type.
			} else if set.PrunedFS(m.FSType) {
				in = mounted{kind: pruned, rule: "file system type " + m.FSType + " is pruned"}
			} else if !indexed(m.Point) {
				in = mounted{kind: pruned, rule: "excluded"}
			} else if other, ok := t.Alias(m, indexed); ok {
				in = mounted{kind: alias, rule: "the same tree as " + other, same: other}
			}
			p.put(m.Point, in)
			if in.kind == entered {
				add(m)
			} else {
				closed = m.Point
			}
		}
	}
	slices.SortFunc(p.byLen, func(a, b place) int { return cmp.Compare(len(b.point), len(a.point)) })
	return p, nil
}

func (p *places) put(point string, m mounted) {
	m.name = path.Base(point)
	dir := path.Dir(point)
	p.inside[dir] = append(p.inside[dir], m)
}

// barrier returns the mount point at dir, or the nearest above it and below
// root, that is not entered.
func (p *places) barrier(dir, root string) (at string, m mounted, ok bool) {
	for ; dir != root && dir != "/"; dir = path.Dir(dir) {
		if m, ok := mountedAt(p.inside[path.Dir(dir)], path.Base(dir)); ok && m.kind != entered {
			return dir, m, true
		}
	}
	return "", mounted{}, false
}

// pathOf returns where the directory of a key is; false: its volume is mounted
// nowhere that is indexed.
func (p *places) pathOf(key record.Key) (string, bool) {
	for _, pl := range p.byLen {
		if pl.volume != key.Volume() {
			continue
		}
		if rel := key.Rel(); rel != "" {
			return join(pl.point, rel), true
		}
		return pl.point, true
	}
	return "", false
}
