// Package synth generates directory trees that look like real ones and loads them into a
// store, without a file system. It serves tests and benchmarks.
package synth

import (
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"indexd/listing"
)

// Tree is a generated tree; the same fields give the same tree. As on real systems, a
// directory has about twelve entries on average, most directories are small and a few
// have thousands of entries, and the contents of a directory are alike.
type Tree struct {
	Seed    uint64
	Entries int // approximately
	// Round is how many times the tree has been changed. Each time, in a tenth of the
	// directories files are added, removed and grow, and one directory in 200 is
	// replaced along with everything below it.
	Round int
}

// base is the mtime of the newest file of round 0, in seconds. It is fixed, so that trees
// do not depend on when they are generated.
const base = 1_760_000_000

// dir is a directory to generate.
type dir struct {
	rel    string
	seed   uint64 // determines everything in it
	budget int    // entries in it and below it
	depth  int
	ino    uint64
	born   int64
}

// Listings iterates over the directories in the order of a walk, each before its
// subdirectories: the path within the tree ("" for its root) and the listing, which is
// valid until the next. The caller sets Stamp.
func (t Tree) Listings() iter.Seq2[string, *listing.Listing] {
	return func(yield func(string, *listing.Listing) bool) {
		stack := []dir{{seed: t.Seed, budget: t.Entries, ino: 2, born: base - 1e8}}
		var m maker
		for len(stack) > 0 {
			d := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			l, below := m.list(&t, &d)
			slices.Reverse(below)
			stack = append(stack, below...)
			if !yield(d.rel, l) {
				return
			}
		}
	}
}

// maker reuses the memory of a listing for the next one.
type maker struct {
	l listing.Listing
}

// list generates the contents of d, and returns its subdirectories in order.
func (m *maker) list(t *Tree, d *dir) (*listing.Listing, []dir) {
	r := rand.New(rand.NewPCG(d.seed, 1))
	style := styles[r.IntN(len(styles))]
	files, dirs := shape(r, d)
	m.l = listing.Listing{First: true, Last: true, Entries: m.l.Entries[:0]}
	owner := uint32(0)
	if r.IntN(3) == 0 {
		owner = 1000
	}
	when := d.born + r.Int64N(1e6)
	whole := r.IntN(2) == 0 // as unpacked from packages: whole seconds, close to each other
	ino := d.ino + 1 + r.Uint64N(1000)
	file := func(r *rand.Rand, name string) listing.Entry {
		e := listing.Entry{Name: name, Stat: listing.Stat{
			Mode: 0o100644, UID: owner, GID: owner, Nlink: 1, Size: fileSize(r),
			Mtime: listing.Time{Sec: when + r.Int64N(1000)},
		}}
		switch {
		case style.exec && r.IntN(3) > 0:
			e.Mode |= 0o111
		case r.IntN(40) == 0:
			e.Mode, e.Size = 0o120777, int64(8+r.IntN(30))
		}
		if !whole {
			e.Mtime.Nsec = uint32(r.IntN(1e9))
		}
		if e.Type() == listing.Regular {
			e.Blocks = (e.Size + 4095) / 4096 * 8
		}
		ino += 1 + r.Uint64N(4)*r.Uint64N(2)
		e.Ino = ino
		return e
	}
	for i := range files {
		m.l.Entries = append(m.l.Entries, file(r, style.name(r, i)))
	}
	below := make([]dir, 0, dirs)
	rest := d.budget - files - dirs
	for i := range dirs {
		share := rest / (dirs - i)
		if dirs-i > 1 && share > 0 {
			share = r.IntN(2*share + 1)
		}
		rest -= share
		below = append(below, dir{
			rel: word(r) + dirTail(r, i), seed: r.Uint64(), budget: share, depth: d.depth + 1,
			ino: r.Uint64N(1 << 32), born: when + r.Int64N(1e5),
		})
	}
	m.change(t, d, &below, file)
	m.l.Dir = d.stat()
	for i := range below {
		b := &below[i]
		m.l.Entries = append(m.l.Entries, listing.Entry{Name: b.rel, Stat: b.stat()})
	}
	// No duplicate names. If a file and a directory have the same name, the directory
	// stays.
	slices.SortStableFunc(m.l.Entries, func(a, b listing.Entry) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return int(b.Mode&0o40000) - int(a.Mode&0o40000)
	})
	m.l.Entries = slices.CompactFunc(m.l.Entries, func(a, b listing.Entry) bool { return a.Name == b.Name })
	slices.SortStableFunc(below, func(a, b dir) int { return strings.Compare(a.rel, b.rel) })
	below = slices.CompactFunc(below, func(a, b dir) bool { return a.rel == b.rel })
	if d.rel != "" {
		for i := range below {
			below[i].rel = d.rel + "/" + below[i].rel
		}
	}
	return &m.l, below
}

// change brings a directory from round 0 to t.Round.
func (m *maker) change(t *Tree, d *dir, below *[]dir, file func(*rand.Rand, string) listing.Entry) {
	for round := range t.Round {
		r := rand.New(rand.NewPCG(d.seed, uint64(round)+2))
		for i := range *below {
			if r.IntN(200) == 0 {
				b := &(*below)[i]
				b.seed, b.ino, b.born = r.Uint64(), r.Uint64N(1<<32), base+int64(round)*1000
			}
		}
		if r.IntN(10) > 0 {
			continue
		}
		for range 1 + r.IntN(3) {
			switch n := len(m.l.Entries); {
			case n > 0 && r.IntN(3) == 0:
				i := r.IntN(n)
				m.l.Entries = slices.Delete(m.l.Entries, i, i+1)
			case n > 0 && r.IntN(2) == 0:
				e := &m.l.Entries[r.IntN(n)]
				e.Size = fileSize(r)
				e.Blocks = (e.Size + 4095) / 4096 * 8
				e.Mtime = listing.Time{Sec: base + int64(round)*1000, Nsec: uint32(r.IntN(1e9))}
			default:
				m.l.Entries = append(m.l.Entries, file(r, sources(r, r.IntN(1000))))
			}
		}
	}
}

// shape chooses how many files and directories d has.
func shape(r *rand.Rand, d *dir) (files, dirs int) {
	b := d.budget
	if b > 1000 && r.IntN(60) == 0 {
		return min(b, 1000+r.IntN(20_000)), 0
	}
	// Gives about 12 entries per directory, as on a machine in use.
	if b <= 34 || d.depth > 30 {
		return b, 0
	}
	files = min(b/2, int(9*r.ExpFloat64()*r.ExpFloat64()))
	dirs = 2 + r.IntN(3)
	if b > 10_000 {
		dirs += r.IntN(24)
	}
	return files, min(dirs, b-files)
}

func fileSize(r *rand.Rand) int64 {
	if r.IntN(50_000) == 0 { // a disk image
		return 1<<30 + r.Int64N(1<<34)
	}
	return int64(r.ExpFloat64() * float64(int64(64)<<r.IntN(14)))
}

// stat returns the stat of d, which is the same in the listing of d and of its parent.
func (d *dir) stat() listing.Stat {
	nsec := uint32(d.ino * 7919 % 1e9)
	changed := d.born + int64(d.seed%1e6)
	owner := uint32(0)
	if d.seed%3 == 0 {
		owner = 1000
	}
	return listing.Stat{
		Ino: d.ino, Mode: 0o40755, UID: owner, GID: owner, Nlink: 2, Size: 4096, Blocks: 8,
		Mtime: listing.Time{Sec: changed, Nsec: nsec},
		Ctime: listing.Time{Sec: changed, Nsec: nsec},
		Btime: listing.Time{Sec: d.born, Nsec: nsec},
	}
}

// Now returns a time at which everything in the tree is old.
func (t Tree) Now() time.Time { return time.Unix(base+int64(t.Round+1)*1000_000, 0) }
