package exec

import (
	"bytes"
	"encoding/json"
	"slices"

	"indexd/internal/query/plan"
	"indexd/store"
	"indexd/store/record"
)

// scope is a directory to search, an In directory or a root.
type scope struct {
	top  pathKey
	path string
}

// scopesOf returns the plan's In directories or, if there are none, the store's roots, in path
// order and without those that are below others.
func scopesOf(sn *store.Snap, p *plan.Plan) []scope {
	paths := slices.Clone(p.In())
	if len(paths) == 0 {
		for key, value := range sn.Values(store.Roots) {
			// The indexer keeps a former root only for the directories that lead from it
			// to a root.
			var root struct{ Former bool }
			_ = json.Unmarshal(value, &root)
			if path := sn.PathOf(key); path != "" && !root.Former {
				paths = append(paths, path)
			}
		}
	}
	all := make([]scope, len(paths))
	for i, path := range paths {
		all[i] = scope{toPathKey(path), path}
	}
	slices.SortFunc(all, func(a, b scope) int { return bytes.Compare(a.top, b.top) })
	kept := all[:0]
	for _, s := range all {
		if n := len(kept); n == 0 || !s.top.within(kept[n-1].top) {
			kept = append(kept, s)
		}
	}
	return kept
}

// keyRange is a range of keys of one volume and its place among all paths.
type keyRange struct {
	scope  int
	volume store.VolumeInfo
	mount  pathKey // of the volume; a beginning of lo
	lo, hi pathKey // what is searched of it: [lo, hi)
	// depth plus the number of components of a key is the depth of that directory's entries.
	// It is 1 for the entries of the scope itself.
	depth int
}

// key returns the store's key of a path or bound in the range.
func (s *keyRange) key(pk pathKey) record.Key {
	k := make(record.Key, 0, 2+len(pk)-len(s.mount))
	k = append(k, byte(s.volume.Volume>>8), byte(s.volume.Volume))
	return append(k, pk[len(s.mount):]...)
}

// appendPathKey is the inverse of key.
func (s *keyRange) appendPathKey(dst []byte, key record.Key) []byte {
	dst = append(dst, s.mount...)
	return append(dst, key[2:]...)
}

func (s *keyRange) pathKey(key record.Key) pathKey {
	return s.appendPathKey(make([]byte, 0, len(s.mount)+len(key)-2), key)
}

// is reports whether key is the directory that pk is.
func (s *keyRange) is(key record.Key, pk pathKey) bool {
	m := len(s.mount)
	return len(pk) == m+len(key)-2 && string(pk[m:]) == string(key[2:]) && string(pk[:m]) == string(s.mount)
}

// within reports whether key is top or below it.
func (s *keyRange) within(key record.Key, top pathKey) bool {
	m := len(s.mount)
	if len(top) <= m {
		return s.mount.within(top)
	}
	rest := top[m:]
	return string(top[:m]) == string(s.mount) && bytes.HasPrefix(key[2:], rest) && (len(key)-2 == len(rest) || key[2+len(rest)] == 0)
}

// clip returns the part of the range that is in [from, to); a nil to is the end.
func (s *keyRange) clip(from, to pathKey) (lo, hi pathKey) {
	lo, hi = s.lo, s.hi
	if bytes.Compare(from, lo) > 0 {
		lo = from
	}
	if to != nil && bytes.Compare(to, hi) < 0 {
		hi = to
	}
	return lo, hi
}

// keyspace says where the scopes are in a snapshot. Its ranges are disjoint and in path order;
// those of one scope and of what is mounted in it follow one another.
type keyspace struct {
	sn     *store.Snap
	scopes []scope
	ranges []keyRange
	mounts map[string]int // the range that begins at the pathKey of a mount point inside a scope
	cand   *candidates    // nil means all records
}

func newKeyspace(sn *store.Snap, scopes []scope) (*keyspace, error) {
	ks := &keyspace{sn: sn, scopes: scopes, mounts: make(map[string]int)}
	for i := range scopes {
		segs, err := sn.KeyRanges(scopes[i].path)
		if err != nil {
			return nil, err
		}
		for _, seg := range segs {
			s := keyRange{scope: i, volume: seg.Volume, mount: toPathKey(seg.Volume.MountPoint)}
			s.lo = s.pathKey(seg.Lo)
			if seg.Hi == nil || seg.Hi.Volume() != seg.Lo.Volume() {
				s.hi = append(slices.Clone(s.mount), 1)
			} else {
				s.hi = s.pathKey(seg.Hi)
			}
			s.depth = s.mount.depth() - scopes[i].top.depth() + 1
			if bytes.Equal(s.lo, s.mount) && !bytes.Equal(s.lo, scopes[i].top) {
				ks.mounts[string(s.lo)] = len(ks.ranges)
			}
			ks.ranges = append(ks.ranges, s)
		}
	}
	return ks, nil
}

// find returns the range that a directory is in; nil if there is none.
func (ks *keyspace) find(dir pathKey) *keyRange {
	for i := range ks.ranges {
		s := &ks.ranges[i]
		if bytes.Compare(s.lo, dir) <= 0 && bytes.Compare(dir, s.hi) < 0 {
			return s
		}
	}
	return nil
}

// child returns the key of the directory name in dir, which is in s, and its own keyRange. If
// something is mounted there, that is the mounted volume's.
func (ks *keyspace) child(s *keyRange, dir record.Key, name string) (*keyRange, record.Key) {
	key := dir.Child(name)
	if len(ks.mounts) > 0 {
		if i, ok := ks.mounts[string(s.pathKey(key))]; ok {
			s = &ks.ranges[i]
			key = s.key(s.lo)
		}
	}
	return s, key
}

// readAhead has the kernel read ahead until done is called. A scan of what is not in the page
// cache is then eight times as fast. It does nothing if only few records are looked up.
func (ks *keyspace) readAhead() (done func()) {
	if ks.cand != nil && ks.cand.inSpans {
		return func() {}
	}
	return ks.sn.Sequential()
}

// pos is a place in the order of directories and of the names in each.
type pos struct {
	dir  pathKey
	name string // entries of dir up to name are before it
	incl bool   // except name itself
}

// passed reports whether an entry of pos's own directory is before it.
func (p *pos) passed(name string) bool {
	return name < p.name || name == p.name && !p.incl
}

// atStart reports whether pos is before the first entry of its directory.
func (p *pos) atStart() bool { return p.name == "" }

// after reports whether p comes after q.
func (p *pos) after(q *pos) bool {
	c := bytes.Compare(p.dir, q.dir)
	return c > 0 || c == 0 && p.name > q.name
}

// bound returns p as a bound of records. If p has a name, it is that of a chunk.
func (p *pos) bound() pathKey {
	if p.atStart() {
		return p.dir
	}
	return append(append(slices.Clip(p.dir), 0, 0), p.name...)
}
