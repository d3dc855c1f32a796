package exec

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/internal/testutil/fsstress"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// world is what a store should hold, as plain maps: directories by absolute
// path, entries by name. It writes each change to the store too.
type world struct {
	tb   testing.TB
	st   *store.Store
	r    *rand.Rand
	dirs map[string]map[string]listing.Entry
	// What is mounted where; "/" always is.
	volumes map[string]record.Volume
	away    map[string]bool // mount points of those that are offline
	roots   []string
	errs    map[string]uint16 // directories that could not be read
	bare    map[string]bool   // directories that were never listed
	stamp   uint64
	ino     uint64
}

// newRand prints its seed.
func newRand(tb testing.TB) *rand.Rand {
	return rand.New(rand.NewPCG(fsstress.Seed(tb), 0))
}

func newWorld(tb testing.TB, r *rand.Rand) *world {
	tb.Helper()
	st, err := store.Open(filepath.Join(tb.TempDir(), "index.db"), store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{
		tb: tb, st: st, r: r, dirs: make(map[string]map[string]listing.Entry), volumes: make(map[string]record.Volume), away: make(map[string]bool),
		errs: make(map[string]uint16), bare: make(map[string]bool), ino: 100,
	}
	tb.Cleanup(func() {
		err := st.Check(tb.Context(), func(p store.Problem) { tb.Errorf("store: %s: %s", p.Where, p.What) })
		if err != nil && tb.Context().Err() == nil {
			tb.Error(err)
		}
		st.Close()
	})
	return w
}

// update does all of fn's changes in one transaction.
func (w *world) update(fn func(tx *store.Tx)) {
	w.tb.Helper()
	tx, err := w.st.Begin()
	if err != nil {
		w.tb.Fatal(err)
	}
	defer tx.Rollback()
	fn(tx)
	if err := tx.Commit(); err != nil {
		w.tb.Fatal(err)
	}
}

func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}

func under(p, dir string) bool { return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/") }

// mountOf is the longest mount point at or above p.
func (w *world) mountOf(p string) string {
	best := ""
	for m := range w.volumes {
		if under(p, m) && len(m) > len(best) {
			best = m
		}
	}
	return best
}

func (w *world) key(dir string) record.Key {
	m := w.mountOf(dir)
	return record.MakeKey(w.volumes[m], strings.TrimPrefix(strings.TrimPrefix(dir, m), "/"))
}

func (w *world) mount(tx *store.Tx, point string, offline bool) {
	w.tb.Helper()
	v, err := tx.PutVolume(store.VolumeInfo{Identity: point, MountPoint: point, FSType: "test", Offline: offline})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.volumes[point] = v
	w.away[point] = offline
}

func (w *world) root(tx *store.Tx, dir string) {
	w.tb.Helper()
	if err := tx.PutValue(store.Roots, w.key(dir), dir); err != nil {
		w.tb.Fatal(err)
	}
	w.roots = append(w.roots, dir)
}

// apply writes the listing of dir, and of what is below it where that is new.
func (w *world) apply(tx *store.Tx, dir string) {
	w.tb.Helper()
	l := &listing.Listing{First: true, Last: true, Dir: w.dirStat(dir)}
	w.stamp++
	l.Stamp = w.stamp
	for _, name := range slices.Sorted(maps.Keys(w.dirs[dir])) {
		l.Entries = append(l.Entries, w.dirs[dir][name])
	}
	descend := func(e *listing.Entry) bool { _, mounted := w.volumes[join(dir, e.Name)]; return !mounted }
	p := record.Encode(l, nil, descend)
	p.At = time.Unix(2_000_000_000, 0)
	a, err := tx.Apply(w.key(dir), p)
	if err != nil || a.Stale || a.ParentMissing {
		w.tb.Fatalf("apply %q: %+v, %v", dir, a, err)
	}
}

func (w *world) dirStat(dir string) listing.Stat {
	s := listing.Stat{Mode: 0o40755, Nlink: 2, Ino: 2}
	if e, ok := w.dirs[path.Dir(dir)][path.Base(dir)]; ok && dir != "/" {
		s = e.Stat
	}
	return s
}

func (w *world) isDir(p string) bool { _, ok := w.dirs[p]; return ok }

// name makes up a name that is not in dir yet; many sort close to a separator.
func (w *world) name(dir string) string {
	parts := []string{"a", "b", "B", "foo", "Foo", ".", "-", " ", "\x01", "\n", "é", "\xff", "x", "1", ".go", ".TXT", ".tar.gz"}
	for {
		var s string
		for range 1 + w.r.IntN(4) {
			s += parts[w.r.IntN(len(parts))]
		}
		if s == "." || s == ".." {
			continue
		}
		if _, ok := w.dirs[dir][s]; !ok {
			return s
		}
	}
}

func (w *world) entry(name string) listing.Entry {
	w.ino++
	e := listing.Entry{Name: name, Stat: listing.Stat{
		Ino: w.ino, Mode: 0o100644, UID: uint32(w.r.IntN(3)), GID: uint32(w.r.IntN(2)), Nlink: 1,
		Size: []int64{0, 1, 5, 100, 4096, 1 << 31, 1 << 40}[w.r.IntN(7)], Blocks: int64(w.r.IntN(3)),
		Mtime: listing.Time{Sec: w.r.Int64N(5) * 1_000_000_000, Nsec: uint32(w.r.IntN(2)) * 500},
	}}
	switch w.r.IntN(12) {
	case 0:
		e.Mode = 0o120777
	case 1:
		e.Mode |= 0o111
	case 2:
		e.Stat = listing.Stat{Mode: 0o100000}
		e.StatErrno = 5
	}
	return e
}

func (w *world) addFile(dir string) {
	name := w.name(dir)
	w.dirs[dir][name] = w.entry(name)
}

// addDir makes an empty directory in dir and returns its path.
func (w *world) addDir(dir string) string {
	name := w.name(dir)
	e := w.entry(name)
	e.StatErrno = 0
	e.Stat = listing.Stat{Ino: e.Ino, Mode: 0o40755, Nlink: 2, Size: 4096, Blocks: 8, Mtime: e.Mtime, Btime: listing.Time{Sec: int64(e.Ino)}}
	w.dirs[dir][name] = e
	p := join(dir, name)
	w.dirs[p] = make(map[string]listing.Entry)
	return p
}

// drop forgets a directory and what is below it.
func (w *world) drop(dir string) {
	delete(w.dirs[path.Dir(dir)], path.Base(dir))
	for d := range w.dirs {
		if under(d, dir) {
			delete(w.dirs, d)
		}
	}
}

// grow makes a random tree of about n directories with all that a store knows:
// mounts one of which is offline, two roots, directories in chunks, unreadable
// and never listed ones.
func (w *world) grow(n int) {
	w.dirs["/"] = map[string]listing.Entry{}
	var tops []string
	for range 2 {
		tops = append(tops, w.addDir("/"))
	}
	all := slices.Clone(tops)
	for range n {
		all = append(all, w.addDir(all[w.r.IntN(len(all))]))
	}
	for _, d := range all {
		for range w.r.IntN(12) * w.r.IntN(2) {
			w.addFile(d)
		}
	}
	for range 2 {
		d := all[w.r.IntN(len(all))]
		for i := range 600 + w.r.IntN(900) {
			name := fmt.Sprintf("big%c%d", 'a'+w.r.IntN(26), i)
			w.dirs[d][name] = w.entry(name)
		}
	}
	w.update(func(tx *store.Tx) {
		w.mount(tx, "/", false)
		mounts := 0
		for _, d := range all[2:] {
			if mounts < 4 && w.r.IntN(n/4) == 0 {
				w.mount(tx, d, mounts == 1)
				mounts++
			}
		}
		for _, d := range tops {
			w.root(tx, d)
		}
		w.update1(tx, tops[0], tops[1])
		for _, d := range all {
			switch w.r.IntN(30) {
			case 0:
				w.errs[d] = 13
			case 1:
				w.errs[d] = 5
			default:
				continue
			}
			w.stamp++
			if _, err := tx.SetError(w.key(d), w.stamp, w.errs[d], time.Unix(2_000_000_001, 0)); err != nil {
				w.tb.Fatal(err)
			}
		}
	})
}

// update1 applies all directories at or below the given ones that are to be
// listed; some leaves are not.
func (w *world) update1(tx *store.Tx, tops ...string) {
	for _, d := range slices.SortedFunc(maps.Keys(w.dirs), comparePaths) {
		if !slices.ContainsFunc(tops, func(t string) bool { return under(d, t) }) {
			continue
		}
		_, mounted := w.volumes[d]
		if len(w.dirs[d]) == 0 && w.r.IntN(8) == 0 && !mounted {
			w.bare[d] = true
			continue
		}
		w.apply(tx, d)
	}
}

// found is one row of an expected answer.
type found struct {
	dir    string
	depth  int
	e      listing.Entry
	noMeta bool
	empty  query.Truth
}

func (f *found) path() string { return join(f.dir, f.e.Name) }

// all returns every entry in scope, in default order.
func (w *world) all(scopes []string) []found {
	if len(scopes) == 0 {
		scopes = w.roots
	}
	var list []found
	for _, d := range slices.SortedFunc(maps.Keys(w.dirs), comparePaths) {
		scope := ""
		for _, s := range scopes {
			if under(d, s) {
				scope = s
			}
		}
		if scope == "" || !slices.ContainsFunc(w.roots, func(r string) bool { return under(d, r) }) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(w.dirs[d])) {
			f := found{dir: d, e: w.dirs[d][name], depth: depthOf(d) - depthOf(scope) + 1}
			f.noMeta = f.e.StatErrno != 0
			p := f.path()
			if f.e.Type() == listing.Dir && !w.bare[p] {
				f.empty = query.False
				if len(w.dirs[p]) == 0 {
					f.empty = query.True
				}
			}
			list = append(list, f)
		}
	}
	return list
}

func depthOf(p string) int {
	if p == "/" {
		return 0
	}
	return strings.Count(p, "/")
}

func comparePaths(a, b string) int {
	return slices.Compare(strings.Split(strings.TrimPrefix(a, "/"), "/"), strings.Split(strings.TrimPrefix(b, "/"), "/"))
}

// inOrder sorts as CLI.md says.
func inOrder(list []found, by query.Sort, reverse bool) {
	slices.SortStableFunc(list, func(a, b found) int { return compareRows(&a, &b, by, reverse) })
}

func compareRows(a, b *found, by query.Sort, reverse bool) int {
	if reverse {
		a, b = b, a
	}
	c := 0
	switch by {
	case query.SortDefault:
		c = cmp.Or(comparePaths(a.dir, b.dir), strings.Compare(a.e.Name, b.e.Name))
	case query.SortName:
		c = strings.Compare(a.e.Name, b.e.Name)
	case query.SortExt:
		c = strings.Compare(naiveExt(a.e.Name), naiveExt(b.e.Name))
	case query.SortSize:
		c = -cmp.Compare(a.e.Size, b.e.Size)
	case query.SortBlocks:
		c = -cmp.Compare(a.e.Blocks, b.e.Blocks)
	case query.SortMtime:
		c = -a.e.Mtime.Compare(b.e.Mtime)
	}
	return cmp.Or(c, comparePaths(a.path(), b.path()))
}

func naiveExt(name string) string {
	ext := path.Ext(name)
	if ext == name {
		return ""
	}
	return strings.ToLower(strings.TrimPrefix(ext, "."))
}
