package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// fakeFS is a file system in memory, the oracle of the tests: what the store has
// is what a walk of it finds.
type fakeFS struct {
	root  *fakeNode
	clock int64  // a second for every change
	ino   uint64 // the next to be given
	free  []uint64
	birth bool // the file system keeps birth times
	stamp uint64
}

type fakeNode struct {
	stat listing.Stat
	kids map[string]*fakeNode // nil: no directory
}

func newFakeFS(birth bool) *fakeFS {
	f := &fakeFS{ino: 1, birth: birth}
	f.root = f.node(true)
	return f
}

func (f *fakeFS) tick() listing.Time {
	f.clock++
	return listing.Time{Sec: 1_700_000_000 + f.clock}
}

// node makes a file or directory. As ext4 does, it takes the inode that was
// freed last.
func (f *fakeFS) node(dir bool) *fakeNode {
	n := &fakeNode{}
	if k := len(f.free); k > 0 {
		n.stat.Ino, f.free = f.free[k-1], f.free[:k-1]
	} else {
		n.stat.Ino = f.ino
		f.ino++
	}
	now := f.tick()
	n.stat.Mtime, n.stat.Ctime = now, now
	if f.birth {
		n.stat.Btime = now
	}
	n.stat.Mode, n.stat.Nlink = 0o100644, 1
	if dir {
		n.stat.Mode, n.stat.Nlink, n.stat.Size, n.stat.Blocks = 0o40755, 2, 4096, 8
		n.kids = make(map[string]*fakeNode)
	}
	return n
}

func (n *fakeNode) isDir() bool { return n.kids != nil }

// at returns the directory at rel, nil where there is none.
func (f *fakeFS) at(rel string) *fakeNode {
	n := f.root
	for name := range strings.SplitSeq(rel, "/") {
		if rel == "" {
			break
		}
		if n = n.kids[name]; n == nil || !n.isDir() {
			return nil
		}
	}
	return n
}

func (f *fakeFS) touch(d *fakeNode) {
	d.stat.Mtime = f.tick()
	d.stat.Ctime = d.stat.Mtime
}

func (f *fakeFS) create(d *fakeNode, name string, dir bool) *fakeNode {
	if old := d.kids[name]; old != nil {
		f.remove(d, name)
	}
	n := f.node(dir)
	d.kids[name] = n
	f.touch(d)
	return n
}

func (f *fakeFS) remove(d *fakeNode, name string) {
	n := d.kids[name]
	for k := range n.kids {
		f.remove(n, k)
	}
	f.free = append(f.free, n.stat.Ino)
	delete(d.kids, name)
	f.touch(d)
}

// rename moves from/a to to/b, over what is there.
func (f *fakeFS) rename(from *fakeNode, a string, to *fakeNode, b string) {
	n := from.kids[a]
	if from == to && a == b || n == nil {
		return
	}
	if to.kids[b] != nil {
		f.remove(to, b)
	}
	delete(from.kids, a)
	to.kids[b] = n
	n.stat.Ctime = f.tick()
	f.touch(from)
	f.touch(to)
}

// list lists a directory as the walker does, with a new stamp; in parts of
// partLen entries if there are more.
func (f *fakeFS) list(d *fakeNode, partLen int) []*listing.Listing {
	f.stamp++
	var parts []*listing.Listing
	names := slices.Sorted(maps.Keys(d.kids))
	for {
		n := min(len(names), partLen)
		l := &listing.Listing{Stamp: f.stamp, Dir: d.stat, First: len(parts) == 0, Last: n == len(names)}
		for _, name := range names[:n] {
			l.Entries = append(l.Entries, listing.Entry{Name: name, Stat: d.kids[name].stat})
		}
		parts = append(parts, l)
		if names = names[n:]; l.Last {
			return parts
		}
	}
}

// dirs returns the paths of all directories.
func (f *fakeFS) dirs() []string {
	var all []string
	var walk func(rel string, n *fakeNode)
	walk = func(rel string, n *fakeNode) {
		all = append(all, rel)
		for _, name := range slices.Sorted(maps.Keys(n.kids)) {
			if k := n.kids[name]; k.isDir() {
				walk(strings.TrimPrefix(rel+"/"+name, "/"), k)
			}
		}
	}
	walk("", f.root)
	return all
}

// anyDir chooses a directory.
func (f *fakeFS) anyDir(r *rand.Rand) (string, *fakeNode) {
	rel, n := "", f.root
	for r.IntN(4) > 0 {
		var below []string
		for _, name := range slices.Sorted(maps.Keys(n.kids)) {
			if n.kids[name].isDir() {
				below = append(below, name)
			}
		}
		if len(below) == 0 {
			break
		}
		name := below[r.IntN(len(below))]
		rel, n = strings.TrimPrefix(rel+"/"+name, "/"), n.kids[name]
	}
	return rel, n
}

// tree is what there is, for comparison: of each directory its entries.
func (f *fakeFS) tree() map[string][]string {
	m := make(map[string][]string)
	for _, rel := range f.dirs() {
		lines := []string{}
		d := f.at(rel)
		for _, name := range slices.Sorted(maps.Keys(d.kids)) {
			s := d.kids[name].stat
			lines = append(lines, line(name, &s))
		}
		m[rel] = lines
	}
	return m
}

func line(name string, s *listing.Stat) string {
	return fmt.Sprintf("%s %o %d %d %d.%d", name, s.Mode, s.Ino, s.Size, s.Mtime.Sec, s.Mtime.Nsec)
}

// stored is what the store has of a volume, in the form of tree.
func stored(t testing.TB, s *store.Store, v record.Volume) map[string][]string {
	t.Helper()
	m := make(map[string][]string)
	view(t, s, func(sn *store.Snap) {
		root := record.MakeKey(v, "")
		c := sn.Cursor(root, root.SubtreeEnd())
		for c.Next() {
			rel := c.Dir().Rel()
			if err := c.Record().Load(); err != nil {
				t.Fatalf("%s: %v", c.Dir(), err)
			}
			if _, ok := m[rel]; !ok {
				m[rel] = []string{}
			}
			for _, e := range c.Record().All() {
				m[rel] = append(m[rel], line(strings.Clone(e.Name), &e.Stat))
			}
		}
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
	})
	return m
}

// now is when all that happens in a fakeFS is long past.
func (f *fakeFS) now() time.Time { return time.Unix(1_700_000_000+f.clock+10, 0) }

// prepare is store.Encode at the fakeFS's time.
func (f *fakeFS) prepare(l *listing.Listing) *record.EncodedListing {
	p := record.Encode(l, nil, nil)
	p.At = f.now()
	return p
}
