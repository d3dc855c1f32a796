package indexer

import (
	"errors"
	"path"
	"slices"

	"indexd/internal/mounts"
	"indexd/internal/watch"
	"indexd/store"
	"indexd/store/record"
)

// errAway is why nothing is listed of a root whose file system is not mounted:
// what is there instead is not the root. Its entries stay as they were.
var errAway = errors.New("its file system is not mounted")

// MountsChanged reads the mount table anew and has listed again what that
// changed: the directories that mount points lie in, whatever is mounted for the
// first time, and all that was mounted before and is now back, since nobody
// looked at it meanwhile. What is no longer mounted stays in the index, offline.
// To be called when the kernel says that the table changed, from any goroutine;
// the work is done later, and a barrier waits for it, but not for the walk of what
// is no local file system.
func (x *Indexer) MountsChanged() {
	epoch := x.epochs.begin()
	x.later(func() {
		defer x.epochs.done(epoch)
		was := x.places.Load()
		if err := x.refreshPlaces(was); err != nil {
			x.log.Error("cannot read what is mounted", "err", err)
			return
		}
		now := x.places.Load()
		for _, r := range x.allRoots() {
			x.rootMounted(r)
		}
		for _, point := range changedPoints(was, now) {
			x.unwatch(point) // which was of what was there
			if up := path.Dir(point); up != point && x.Within(up) {
				x.dirtyIn(epoch, up)
			}
			if pl, ok := now.at(point); ok && !x.isRoot(point) && x.Within(point) && x.isKnown(pl.volume) {
				if watch.Local(pl.mount.FSType) {
					x.discoveredIn(epoch, point)
				} else {
					x.discoveredIn(0, point)
				}
			} else if !ok && x.src != nil && x.Within(point) && now.enters(point) {
				x.discoveredIn(epoch, point) // what was below the mount, to be watched again
			}
		}
	})
}

// changedPoints returns the mount points on which something else is than was, or
// is treated otherwise.
func changedPoints(was, now *places) (points []string) {
	type state struct {
		kind   mountKind
		volume record.Volume
		id     int
	}
	of := func(p *places) map[string]state {
		all := make(map[string]state)
		for dir, list := range p.inside {
			for _, m := range list {
				all[join(dir, m.name)] = state{kind: m.kind}
			}
		}
		for _, pl := range p.byLen {
			all[pl.point] = state{entered, pl.volume, int(pl.mount.ID)}
		}
		return all
	}
	before, after := of(was), of(now)
	for point, s := range before {
		if after[point] != s {
			points = append(points, point)
		}
	}
	for point := range after {
		if _, ok := before[point]; !ok {
			points = append(points, point)
		}
	}
	slices.SortFunc(points, mounts.ComparePaths)
	return points
}

// enters reports whether a directory that is no mount point is indexed where
// it is.
func (p *places) enters(dir string) bool {
	_, is := mountedAt(p.inside[path.Dir(dir)], path.Base(dir))
	return !is
}

// at returns the place that is mounted at point.
func (p *places) at(point string) (place, bool) {
	i := slices.IndexFunc(p.byLen, func(pl place) bool { return pl.point == point })
	if i < 0 {
		return place{}, false
	}
	return p.byLen[i], true
}

// isKnown reports whether a volume was ever listed.
func (x *Indexer) isKnown(v record.Volume) (ok bool) {
	_ = x.st.View(func(sn *store.Snap) (err error) {
		_, ok, err = sn.Record(record.MakeKey(v, ""))
		return err
	})
	return ok
}

// away reports whether the file system that a root was indexed on is not mounted
// there now.
func (x *Indexer) away(r *root) bool {
	key, _, err := x.places.Load().key(r.path)
	return err != nil || !key.Equal(r.place())
}

// rootMounted notes whether a root is away, and looks at all of one that is back.
func (x *Indexer) rootMounted(r *root) {
	away := x.away(r)
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
		x.relist(r)
	default:
		x.index(r, 0)
	}
}

// awayRoot finds, among what the store has of roots, the one that was indexed at
// path on a file system that is now mounted nowhere.
func (p *places) awayRoot(known map[string]rootRecord, path string) (record.Key, rootRecord, bool) {
	for key, rec := range known {
		if string(rec.Path) != path || rec.Former {
			continue
		}
		if _, mounted := p.pathOf(record.Key(key)); !mounted {
			return record.Key(key), rec, true
		}
	}
	return nil, rootRecord{}, false
}
