package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"indexd/internal/testutil/race"
	"indexd/internal/testutil/scale"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// seeds returns the seeds of a random test: that in STORE_SEED, or n new ones, fewer
// under the race detector.
func seeds(t *testing.T, n int) []uint64 {
	if s := os.Getenv("STORE_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return []uint64{v}
	}
	first := uint64(time.Now().UnixNano())
	all := make([]uint64, race.Fewer(n))
	for i := range all {
		all[i] = first + uint64(i)
	}
	return all
}

// flight is a listing that was read and is not applied yet.
type flight struct {
	rel   string
	parts []*listing.Listing // none: the directory was found to be gone
	stamp uint64
}

// sim runs a fakeFS beside a store: things happen, directories that are pending
// are listed, and listings arrive late and in any order, but for one directory
// one at a time, as the indexer sees to.
type sim struct {
	t       *testing.T
	r       *rand.Rand
	f       *fakeFS
	s       *store.Store
	path    string
	v       record.Volume
	tx      *store.Tx
	flights []flight
	part    int
	trace   []string
	names   []string // that files and directories get
	merging bool

	committed func() // called after each commit, if it is not nil
}

// tracef notes what happens, for the end of a log when a test fails.
func (m *sim) tracef(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

func (m *sim) key(rel string) record.Key { return record.MakeKey(m.v, rel) }

// dirty marks a directory as an event does: whatever was listed before now may
// have missed it.
func (m *sim) dirty(rel string, subtree bool) {
	m.tracef("dirty %q %v at %d", rel, subtree, m.f.stamp)
	if err := m.tx.PutPending(m.key(rel), store.Pending{Subtree: subtree, Stamp: m.f.stamp}); err != nil {
		m.t.Fatal(err)
	}
}

var simNames = []string{"a", "b", "b.c", "c", "d"}

// happen changes the file system, and says so.
func (m *sim) happen() {
	r, f := m.r, m.f
	rel, d := f.anyDir(r)
	name := m.names[r.IntN(len(m.names))]
	if d.kids[name] != nil && r.IntN(3) == 0 {
		name = name + "/" // something that no name has
	}
	switch r.IntN(9) {
	case 0, 1:
		if d.kids[name] == nil && name[len(name)-1] != '/' {
			f.create(d, name, r.IntN(3) > 0)
		}
	case 2:
		if d.kids[name] != nil {
			f.remove(d, name)
		}
	case 3, 4: // rename, perhaps over something
		torel, to := f.anyDir(r)
		other := m.names[r.IntN(len(m.names))]
		n := d.kids[name]
		if n == nil || inside(n, to) {
			return
		}
		if old := to.kids[other]; old != nil && (old.isDir() || inside(old, d)) {
			return
		}
		f.rename(d, name, to, other)
		m.dirty(torel, false)
		if n.isDir() {
			m.dirty(join(torel, other), true)
		}
	case 5: // three renames that swap two, with nothing said of what is below
		other := m.names[r.IntN(len(m.names))]
		if d.kids[name] != nil && d.kids[other] != nil && name != other {
			f.rename(d, name, d, "t")
			f.rename(d, other, d, name)
			f.rename(d, "t", d, other)
			for _, n := range []string{name, other} {
				if !f.birth || r.IntN(2) == 0 {
					m.dirty(join(rel, n), true)
				}
			}
		}
	case 6: // a file grows
		for _, n := range slices.Sorted(maps.Keys(d.kids)) {
			if k := d.kids[n]; !k.isDir() && r.IntN(2) == 0 {
				k.stat.Size, k.stat.Mtime = r.Int64N(1<<40), f.tick()
				if m.name(rel, n) {
					return // no name came or went, so that says it all
				}
				break
			}
		}
	case 7: // many names come
		if len(d.kids) < 2000 && r.IntN(4) == 0 {
			from, n := r.IntN(4000), r.IntN(900)
			for i := range n {
				name := fmt.Sprintf("m%05d", from+i*(1+r.IntN(2)))
				if d.kids[name] == nil {
					f.create(d, name, r.IntN(100) == 0)
				}
			}
		}
	case 8: // many names go
		for _, n := range slices.Sorted(maps.Keys(d.kids)) {
			if n[0] == 'm' && r.IntN(3) > 0 {
				f.remove(d, n)
			}
		}
	}
	if r.IntN(3) == 0 {
		m.name(rel, strings.TrimSuffix(name, "/"))
	}
	m.dirty(rel, false)
}

// name stats one name of a directory and applies that; false: it could not.
func (m *sim) name(rel, name string) bool {
	if rel != "" && strings.Contains(rel, "//") {
		return false
	}
	m.f.stamp++
	var e *listing.Entry
	if d := m.f.at(rel); d == nil {
		return false
	} else if k := d.kids[name]; k != nil {
		e = &listing.Entry{Name: name, Stat: k.stat}
	}
	a, err := m.tx.ApplyName(m.key(rel), m.f.stamp, name, e, true)
	if err != nil {
		m.t.Fatal(err)
	}
	m.tracef("name %q in %q stamp %d: %+v", name, rel, m.f.stamp, a)
	return !a.Stale && !a.ParentMissing && a.Again == nil
}

func join(rel, name string) string { return strings.TrimPrefix(rel+"/"+name, "/") }

// inside reports whether n is top or below it.
func inside(top, n *fakeNode) bool {
	if top == n {
		return true
	}
	for _, k := range top.kids {
		if k.isDir() && inside(k, n) {
			return true
		}
	}
	return false
}

// list takes a pending directory and lists it; false: all are being listed or
// nothing is pending.
func (m *sim) list() bool {
	var keys []record.Key
	for k := range m.pending() {
		keys = append(keys, record.MakeKey(m.v, k))
	}
	slices.SortFunc(keys, record.Key.Compare)
	keys = slices.DeleteFunc(keys, func(k record.Key) bool {
		return slices.ContainsFunc(m.flights, func(f flight) bool { return f.rel == k.Rel() })
	})
	if len(keys) == 0 {
		return false
	}
	rel := keys[m.r.IntN(len(keys))].Rel()
	fl := flight{rel: rel}
	if d := m.f.at(rel); d != nil {
		fl.parts = m.f.list(d, m.part)
	} else {
		m.f.stamp++
	}
	fl.stamp = m.f.stamp
	m.flights = append(m.flights, fl)
	return true
}

// pending is what the store has, the transaction's own included: it is committed
// first.
func (m *sim) pending() map[string]store.Pending {
	m.commit()
	all := make(map[string]store.Pending)
	view(m.t, m.s, func(sn *store.Snap) {
		for k, p := range sn.Pending(m.key(""), m.key("").SubtreeEnd()) {
			all[k.Rel()] = p
		}
		if n := must(sn.Stats())(m.t).Pending; n != uint64(len(all)) {
			m.t.Errorf("%d pending, counted %d", len(all), n)
		}
	})
	return all
}

func (m *sim) commit() {
	if err := m.tx.Commit(); err != nil {
		m.t.Fatal(err)
	}
	if m.committed != nil {
		m.committed()
	}
	m.tx = begin(m.t, m.s)
}

// arrive applies one of the listings that are under way, or a part of it.
func (m *sim) arrive() bool {
	if len(m.flights) == 0 {
		return false
	}
	i := m.r.IntN(len(m.flights))
	fl := &m.flights[i]
	if fl.parts == nil {
		if _, err := m.tx.SetError(m.key(fl.rel), fl.stamp, uint16(syscall.ENOENT), m.f.now()); err != nil {
			m.t.Fatal(err)
		}
		m.tracef("remove %q stamp %d", fl.rel, fl.stamp)
		m.flights = slices.Delete(m.flights, i, i+1)
		return true
	}
	l := fl.parts[0]
	fl.parts = fl.parts[1:]
	a, err := m.tx.Apply(m.key(fl.rel), m.f.prepare(l))
	if err != nil {
		m.t.Fatal(err)
	}
	m.tracef("apply %q stamp %d part first %v last %v of %d entries dir %v: %+v", fl.rel, l.Stamp, l.First, l.Last, len(l.Entries), l.Dir.Ctime.Sec-1700000000, a)
	if a.Stale {
		// As the indexer does: what was dropped is wanted still.
		m.dirty(fl.rel, false)
	}
	if l.Last || a.Stale || a.ParentMissing {
		m.flights = slices.Delete(m.flights, i, i+1)
	}
	return true
}

// reopen closes the database and goes on with it. What is under way is lost, and
// after a crash so is what was not committed, for which all is listed again.
func (m *sim) reopen() {
	crash := m.r.IntN(2) == 0
	m.tracef("reopen %v", crash)
	if !crash {
		m.commit()
	}
	m.tx.Rollback()
	if err := m.s.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.s = openAt(m.t, m.path)
	m.tx = begin(m.t, m.s)
	m.flights = nil
	if crash {
		m.dirty("", true)
	}
}

// settle lists until nothing is pending and nothing is dead, then compares.
func (m *sim) settle() {
	for {
		for m.list() || m.arrive() {
		}
		more, err := m.tx.PurgeTombstones(m.r.IntN(50) + 1)
		if err != nil {
			m.t.Fatal(err)
		}
		if !more && len(m.pending()) == 0 {
			break
		}
	}
	m.commit()
	if d := cmp.Diff(m.f.tree(), stored(m.t, m.s, m.v)); d != "" {
		m.t.Fatalf("the store is not what the file system is (- file system, + store):\n%.3000s", d)
	}
	if n := m.s.TombstoneCount(); n != 0 {
		m.t.Errorf("%d dead ranges are left", n)
	}
	m.check()
	m.search()
}

// check needs the writer for itself.
func (m *sim) check() {
	m.commit()
	m.tx.Rollback()
	check(m.t, m.s)
	m.tx = begin(m.t, m.s)
}

// act does something at random.
func (m *sim) act() {
	switch m.r.IntN(12) {
	case 0, 1, 2:
		m.happen()
	case 3, 4, 5:
		m.list()
	case 6, 7, 8, 9:
		m.arrive()
	case 10:
		more, err := m.tx.PurgeTombstones(m.r.IntN(20))
		if err != nil {
			m.t.Fatal(err)
		}
		m.tracef("reap %v", more)
	case 11:
		switch m.r.IntN(8) {
		case 0:
			m.check()
		case 1:
			m.search()
		case 2, 3, 4:
			m.merge()
		}
	}
}

// TestModel is rules 3, 4, 5 and 6 of the design together: whatever happens in
// whatever order, when all that was marked has been listed the store is as the
// file system is, and at any time in between it does not contradict itself.
func TestModel(t *testing.T) {
	for _, seed := range seeds(t, scale.Size(t, "", 8, 24)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Logf("STORE_SEED=%d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			path := filepath.Join(t.TempDir(), "index.db")
			m := &sim{t: t, r: r, f: newFakeFS(r.IntN(4) > 0), s: openAt(t, path), path: path, part: 50 + r.IntN(1500), names: simNames}
			if r.IntN(2) == 0 {
				m.names = textNames
			}
			m.v = newVolume(t, m.s, "/")
			m.tx = begin(t, m.s)
			defer func() {
				m.tx.Rollback()
				if t.Failed() {
					t.Logf("what happened last:\n%s", strings.Join(m.trace[max(0, len(m.trace)-100):], "\n"))
				}
			}()
			m.dirty("", true)
			for range 4 {
				for range 150 {
					if m.act(); r.IntN(40) == 0 {
						m.reopen()
					}
					if t.Failed() {
						return
					}
				}
				m.settle()
			}
		})
	}
}
