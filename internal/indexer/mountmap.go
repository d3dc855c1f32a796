package indexer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"indexd/internal/mounts"
	"indexd/internal/rules"
	"indexd/internal/watch"
	"indexd/store"
	"indexd/store/record"
)

// A mountMap says where in the store a path lies, as the mount table stood at one moment.
// It is immutable: a new table makes a new map.
type mountMap struct {
	table    *mounts.Table
	byLen    []mountedVolume         // longest mount point first
	children map[string][]childMount // mounts on the children of a directory
	rotating map[uint64]bool         // devices (st_dev) that are rotating disks
}

// A mountedVolume is a mount point below or above a root, and the volume whose directories
// are found there.
type mountedVolume struct {
	point  string // absolute
	mount  *mounts.Mount
	volume record.Volume
}

// A childMount is a mount point, as its parent directory sees it.
type childMount struct {
	name string
	kind mountKind
	rule string // why it is not entered, for explain
	same string // the other path of an alias, which rule names
}

type mountKind uint8

const (
	entered mountKind = iota // its volume is indexed there
	pruned                   // excluded, or by its file system type: absent
	alias                    // indexed by another path: an entry, but not entered
)

// find returns the mounted volume in which dir lies.
func (m *mountMap) find(dir string) (mountedVolume, bool) {
	for _, v := range m.byLen {
		if mounts.Within(dir, v.point) {
			return v, true
		}
	}
	return mountedVolume{}, false
}

// at returns the volume that is mounted at point.
func (m *mountMap) at(point string) (mountedVolume, bool) {
	i := slices.IndexFunc(m.byLen, func(v mountedVolume) bool { return v.point == point })
	if i < 0 {
		return mountedVolume{}, false
	}
	return m.byLen[i], true
}

// key returns the key of the directory at an absolute path.
func (m *mountMap) key(dir string) (record.Key, mountedVolume, error) {
	v, ok := m.find(dir)
	if !ok {
		return nil, v, fmt.Errorf("%s lies on no mounted file system that is indexed", dir)
	}
	return record.MakeKey(v.volume, strings.TrimPrefix(strings.TrimPrefix(dir, v.point), "/")), v, nil
}

// pathOf returns the path of the directory of a key. ok is false if its volume is not
// mounted anywhere that is indexed.
func (m *mountMap) pathOf(key record.Key) (dir string, ok bool) {
	for _, v := range m.byLen {
		if v.volume != key.Volume() {
			continue
		}
		if rel := key.Rel(); rel != "" {
			return join(v.point, rel), true
		}
		return v.point, true
	}
	return "", false
}

// childMountAt returns the mount on the child of that name.
func childMountAt(list []childMount, name string) (childMount, bool) {
	if i := slices.IndexFunc(list, func(c childMount) bool { return c.name == name }); i >= 0 {
		return list[i], true
	}
	return childMount{}, false
}

// barrier returns the mount point at dir, or the nearest one above it and below root, that
// is not entered.
func (m *mountMap) barrier(dir, root string) (at string, c childMount, ok bool) {
	for ; dir != root && dir != "/"; dir = path.Dir(dir) {
		if c, ok := childMountAt(m.children[path.Dir(dir)], path.Base(dir)); ok && c.kind != entered {
			return dir, c, true
		}
	}
	return "", childMount{}, false
}

// join is path.Join for a clean directory and one name.
func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}

// newMountMap finds out which mounts are entered: those that roots lie on, and those below
// a root that nothing excludes. assignVolumes adds their volumes.
func newMountMap(t *mounts.Table, roots, inner []string, set *rules.Set) (*mountMap, error) {
	m := &mountMap{table: t, children: make(map[string][]childMount)}
	asked := make(map[string]bool) // mount points of roots and inner paths, entered whatever their type
	for _, dir := range slices.Concat(roots, inner) {
		if mount := t.Containing(dir); mount != nil {
			asked[mount.Point] = true
		}
	}
	indexed := func(dir string) bool {
		return slices.ContainsFunc(roots, func(r string) bool {
			if _, excluded := set.Below(r, dir); excluded || !mounts.Within(dir, r) {
				return false
			}
			return !slices.ContainsFunc(t.Through(dir), func(mount *mounts.Mount) bool {
				return mount.Point != dir && mount.Point != r && mounts.Within(mount.Point, r) &&
					set.PrunedFS(mount.FSType) && !asked[mount.Point]
			})
		})
	}
	seen := make(map[string]bool)
	enter := func(mount *mounts.Mount) {
		if !seen[mount.Point] {
			seen[mount.Point] = true
			m.byLen = append(m.byLen, mountedVolume{point: mount.Point, mount: mount})
			for _, d := range t.Duplicates(mount, indexed) {
				m.addChild(d.Path, childMount{kind: alias, rule: "the same tree as " + d.Canonical, same: d.Canonical})
			}
		}
	}
	for _, r := range roots {
		mount := t.Containing(r)
		if mount == nil {
			return nil, fmt.Errorf("root %s lies on no mounted file system", r)
		}
		enter(mount)
	}
	for _, r := range roots {
		closed := "" // a mount that is not entered, as are those within it
		for _, mount := range t.Under(r) {
			if closed != "" && mounts.Within(mount.Point, closed) {
				continue
			}
			child := childMount{kind: entered}
			if asked[mount.Point] {
				// Whatever its type.
			} else if set.PrunedFS(mount.FSType) {
				child = childMount{kind: pruned, rule: "file system type " + mount.FSType + " is pruned"}
			} else if !indexed(mount.Point) {
				child = childMount{kind: pruned, rule: "excluded"}
			} else if other, ok := t.Alias(mount, indexed); ok {
				child = childMount{kind: alias, rule: "the same tree as " + other, same: other}
			}
			m.addChild(mount.Point, child)
			if child.kind == entered {
				enter(mount)
			} else {
				closed = mount.Point
			}
		}
	}
	slices.SortFunc(m.byLen, func(a, b mountedVolume) int { return cmp.Compare(len(b.point), len(a.point)) })
	return m, nil
}

func (m *mountMap) addChild(point string, c childMount) {
	c.name = path.Base(point)
	dir := path.Dir(point)
	m.children[dir] = append(m.children[dir], c)
}

// findRotating finds out which devices of the mounted volumes are rotating disks.
func (m *mountMap) findRotating(sysfs string) {
	m.rotating = make(map[uint64]bool)
	for _, v := range m.byLen {
		if !v.mount.Rotating(sysfs) {
			continue
		}
		m.rotating[v.mount.Dev] = true
		if st, err := watch.Lstat(v.point); err == nil { // another number on btrfs
			m.rotating[st.Dev] = true
		}
	}
}

// deviceLimit is walker.Options.DeviceLimit.
func (c *core) deviceLimit(dev uint64) int {
	if m := c.mounts.Load(); m != nil && m.rotating[dev] {
		return c.cfg.RotatingReaders
	}
	return 0
}

// assignVolumes gives each mounted volume its number in the store, a new one if it was
// never seen, and stores what is mounted where. A volume that is not mounted anywhere is
// offline; nothing of it is deleted.
func (m *mountMap) assignVolumes(tx *store.Tx) error {
	known, err := tx.Snap().Volumes()
	if err != nil {
		return err
	}
	taken := make(map[record.Volume]bool)
	for i := range m.byLen {
		v := &m.byLen[i]
		info := store.VolumeInfo{Identity: m.table.Identity(v.mount)}
		for _, k := range known {
			if k.Identity == info.Identity && !taken[k.Volume] {
				info = k
			}
		}
		now := info
		now.MountPoint, now.FSType, now.Source, now.Offline = v.point, v.mount.FSType, v.mount.Source, false
		if now != info {
			if now.Volume, err = tx.PutVolume(now); err != nil {
				return err
			}
		}
		v.volume = now.Volume
		taken[now.Volume] = true
	}
	for _, k := range known {
		if !taken[k.Volume] && !k.Offline {
			k.Offline = true
			if _, err := tx.PutVolume(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// refreshMounts reads the mount table and makes it the current one, unless somebody else
// did so since the caller got old.
//
// It waits for the writer: it must not be called on the writer's goroutine, nor with a
// snapshot of the store in hand.
func (c *core) refreshMounts(old *mountMap) error {
	c.mountsMu.Lock()
	defer c.mountsMu.Unlock()
	if old != nil && c.mounts.Load() != old {
		return nil
	}
	table, err := c.cfg.Mounts()
	if err != nil {
		return err
	}
	m, err := newMountMap(table, c.Roots(), *c.inner.Load(), c.rules.Load())
	if err != nil {
		return err
	}
	m.findRotating(cmp.Or(c.cfg.Sysfs, "/sys"))
	if err := c.writer.Update(c.ctx, m.assignVolumes); err != nil {
		return fmt.Errorf("store the mounted file systems: %w", err)
	}
	c.mounts.Store(m)
	return nil
}

// keyOf returns the key of the directory at an absolute path. mountID, if not 0, is the
// mount on which it was listed: if the current table has it on another one, the table is
// read anew. See refreshMounts for who may call it.
func (c *core) keyOf(dir string, mountID uint64) (record.Key, error) {
	for again := false; ; again = true {
		m := c.mounts.Load()
		key, v, err := m.key(dir)
		if err == nil && (mountID == 0 || uint64(v.mount.ID) == mountID) {
			return key, nil
		}
		if again {
			if err == nil {
				err = fmt.Errorf("%s: something was mounted or unmounted while it was listed", dir)
			}
			return nil, err
		}
		if err := c.refreshMounts(m); err != nil {
			return nil, err
		}
	}
}

// isKnown reports whether a volume was ever listed.
func (c *core) isKnown(v record.Volume) (ok bool) {
	_ = c.st.View(func(sn *store.Snap) (err error) {
		_, ok, err = sn.Record(record.MakeKey(v, ""))
		return err
	})
	return ok
}

// errAway is why nothing is listed of a root whose file system is not mounted: the
// directory in its place is not the root, whose entries stay as they were.
var errAway = errors.New("its file system is not mounted")

// away reports whether the file system that a root was indexed on is not mounted there.
func (c *core) away(r *root) bool {
	key, _, err := c.mounts.Load().key(r.path)
	return err != nil || !key.Equal(r.storeKey())
}

// awayRoot finds, among the roots in the store, the one that was indexed at path on a file
// system that is not mounted now.
func (m *mountMap) awayRoot(known map[string]rootRecord, path string) (record.Key, rootRecord, bool) {
	for key, rec := range known {
		if string(rec.Path) != path || rec.Former {
			continue
		}
		if _, mounted := m.pathOf(record.Key(key)); !mounted {
			return record.Key(key), rec, true
		}
	}
	return nil, rootRecord{}, false
}

// changedPoints returns the mount points at which was and now differ.
func changedPoints(was, now *mountMap) []string {
	type state struct {
		kind   mountKind
		volume record.Volume
		id     int
	}
	states := func(m *mountMap) map[string]state {
		all := make(map[string]state)
		for dir, list := range m.children {
			for _, c := range list {
				all[join(dir, c.name)] = state{kind: c.kind}
			}
		}
		for _, v := range m.byLen {
			all[v.point] = state{entered, v.volume, int(v.mount.ID)}
		}
		return all
	}
	changed := states(now)
	for point, before := range states(was) {
		if after, ok := changed[point]; ok && after == before {
			delete(changed, point)
		} else {
			changed[point] = after
		}
	}
	return slices.SortedFunc(maps.Keys(changed), mounts.ComparePaths)
}

// MountsChanged reads the mount table anew and lists the directories that changed mount
// points lie in, and file systems that are mounted for the first time, or again, since their
// changes meanwhile are unknown. Unmounted file systems stay in the index, offline. It is
// called when the kernel reports a change, from any goroutine, and returns at once. A barrier
// waits for the work, except for walks of file systems that are not local.
func (p *passes) MountsChanged() {
	epoch := p.epochs.begin()
	p.deferCall(func() {
		defer p.epochs.done(epoch)
		was := p.mounts.Load()
		if err := p.refreshMounts(was); err != nil {
			p.log.Error("cannot read what is mounted", "err", err)
			return
		}
		now := p.mounts.Load()
		for _, r := range p.allRoots() {
			p.checkMounted(r)
		}
		for _, point := range changedPoints(was, now) {
			p.unwatch(point)
			up := path.Dir(point)
			if up != point && p.Within(up) {
				p.relist(epoch, up)
			}
			v, mounted := now.at(point)
			switch {
			case !p.Within(point):
			case mounted && !p.isRoot(point) && p.isKnown(v.volume):
				if watch.Local(v.mount.FSType) {
					p.discover(epoch, point)
				} else {
					p.discover(0, point)
				}
			case !mounted && p.src != nil:
				if _, is := childMountAt(now.children[up], path.Base(point)); !is {
					p.discover(epoch, point) // to watch what was below the mount
				}
			}
		}
	})
}

// checkMounted notes whether a root is away, and lists all of one that is back.
func (p *passes) checkMounted(r *root) {
	away := p.away(r)
	r.mu.Lock()
	back := r.gone == errAway.Error() && !away
	switch {
	case away:
		r.gone = errAway.Error()
	case back:
		r.gone = ""
	}
	r.mu.Unlock()
	switch {
	case !back:
	case r.record().Complete:
		p.relistRoot(r)
	default:
		p.index(r, 0)
	}
}
