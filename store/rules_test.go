package store_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"indexd/store"
	"indexd/store/record"
)

// Tests of the rules of the design, each named after its rule.

// world is a fakeFS that was loaded into a store.
type world struct {
	*fakeFS
	t testing.TB
	s *store.Store
	v record.Volume
}

// newWorld makes the directories, each path with all above it, and files (paths
// with a trailing *), loads them and leaves nothing pending.
func newWorld(t testing.TB, paths ...string) *world {
	t.Helper()
	w := &world{fakeFS: newFakeFS(true), t: t, s: openStore(t)}
	w.v = newVolume(t, w.s, "/")
	for _, p := range paths {
		w.make(p)
	}
	load(t, w.s, w.v, w.fakeFS)
	w.wantPending()
	return w
}

func (w *world) make(p string) {
	d := w.root
	p, file := strings.CutSuffix(p, "*")
	names := strings.Split(p, "/")
	for i, name := range names {
		if d.kids[name] == nil {
			w.create(d, name, i+1 < len(names) || !file)
		}
		d = d.kids[name]
	}
}

func (w *world) key(rel string) record.Key { return record.MakeKey(w.v, rel) }

// look lists a directory now; what comes of it is applied when it is called.
func (w *world) look(rel string) func() store.Applied {
	p := w.prepare(w.list(w.at(rel), 1<<20)[0])
	return func() (a store.Applied) {
		w.t.Helper()
		update(w.t, w.s, func(tx *store.Tx) { a = must(tx.Apply(w.key(rel), p))(w.t) })
		return a
	}
}

// drain lists what is pending until nothing is, and compares.
func (w *world) drain() {
	w.t.Helper()
	for range 1000 {
		all := w.pending()
		if len(all) == 0 {
			break
		}
		if rel := all[0]; w.at(rel) != nil {
			w.look(rel)()
		} else {
			w.stamp++
			update(w.t, w.s, func(tx *store.Tx) {
				must(tx.SetError(w.key(rel), w.stamp, uint16(syscall.ENOENT), w.now()))(w.t)
			})
		}
	}
	for more := true; more; {
		update(w.t, w.s, func(tx *store.Tx) { more = must(tx.PurgeTombstones(2000))(w.t) })
	}
	w.compare()
}

func (w *world) compare() {
	w.t.Helper()
	if d := cmp.Diff(w.tree(), stored(w.t, w.s, w.v)); d != "" {
		w.t.Errorf("the store is not what the file system is (- file system, + store):\n%.3000s", d)
	}
}

func (w *world) pending() (all []string) {
	view(w.t, w.s, func(sn *store.Snap) {
		for k, p := range sn.Pending(nil, nil) {
			rel := k.Rel()
			if p.Subtree {
				rel += "/"
			}
			all = append(all, rel)
		}
	})
	for i := range all {
		all[i] = strings.TrimSuffix(all[i], "/")
	}
	return all
}

// wantPending checks what is pending, where a trailing / stands for a subtree.
func (w *world) wantPending(want ...string) {
	w.t.Helper()
	var got []string
	view(w.t, w.s, func(sn *store.Snap) {
		for k, p := range sn.Pending(nil, nil) {
			rel := k.Rel()
			if p.Subtree {
				rel += "/"
			}
			got = append(got, rel)
		}
	})
	if !slices.Equal(got, want) {
		w.t.Errorf("pending is %q, want %q", got, want)
	}
}

func (w *world) has(rel string) (ok bool) {
	view(w.t, w.s, func(sn *store.Snap) { _, ok, _ = sn.Record(w.key(rel)) })
	return ok
}

func (w *world) want(rel string, there bool) {
	w.t.Helper()
	if w.has(rel) != there {
		w.t.Errorf("%q has a record: %v, want %v", rel, !there, there)
	}
}

// TestRule3_SwapByThreeRenames: mv a t; mv b a; mv t b, of which only the listing
// of the parent tells.
func TestRule3_SwapByThreeRenames(t *testing.T) {
	w := newWorld(t, "a/in-a/deep", "b/in-b")
	r := w.root
	w.rename(r, "a", r, "t")
	w.rename(r, "b", r, "a")
	w.rename(r, "t", r, "b")
	a := w.look("")()
	if want := []string{"a", "b"}; !slices.Equal(a.NewDirs, want) || !slices.Equal(a.DroppedDirs, want) {
		t.Errorf("%+v", a)
	}
	w.wantPending("a/", "b/")
	w.want("a", false)
	w.want("a/in-a", false)
	w.look("a")()
	w.want("a/in-a", false)
	w.want("a/in-b", false) // pending, not listed
	w.wantPending("a/in-b/", "b/")
	w.drain()
}

// TestRule4_StampedBeforeSeenAfter: a directory gets its stamp, is opened a little
// later, and changes in between, just after the listing of its parent, stamped
// between, has read its attributes. The two are applied in either order; the change's
// event may have the directory listed once more.
func TestRule4_StampedBeforeSeenAfter(t *testing.T) {
	for _, order := range []string{"child parent", "parent child", "child parent again", "parent child again", "child again parent"} {
		w := newWorld(t, "d/sub", "e")
		early := w.list(w.at("d"), 1<<20)[0].Stamp
		w.create(w.root, "so that there is something to write", false)
		up := w.look("")
		w.create(w.at("d"), "new", false)
		l := w.list(w.at("d"), 1<<20)[0]
		l.Stamp = early
		p := w.prepare(l)
		for _, what := range strings.Fields(order) {
			switch what {
			case "child":
				update(t, w.s, func(tx *store.Tx) { must(tx.Apply(w.key("d"), p))(t) })
			case "parent":
				up()
			case "again":
				w.look("d")()
			}
		}
		w.drain()
		if t.Failed() {
			t.Fatal(order)
		}
	}
}

// TestRule3_InodeUsedAgain: a directory is removed and made anew, and gets the
// inode that was just freed. Its birth time tells.
func TestRule3_InodeUsedAgain(t *testing.T) {
	w := newWorld(t, "d/old/older", "e")
	ino := w.at("d").stat.Ino
	w.remove(w.root, "d")
	w.free = []uint64{ino}
	w.make("d/new")
	if w.at("d").stat.Ino != ino {
		t.Fatal("the test is wrong")
	}
	if a := w.look("")(); !slices.Equal(a.NewDirs, []string{"d"}) || !slices.Equal(a.DroppedDirs, []string{"d"}) {
		t.Errorf("%+v", a)
	}
	w.want("d/old", false)
	w.drain()
}

// TestRule3_NoBirthTime: where none is kept the ctime alone may tell. The child
// is listed again, and nothing is thrown away before that.
func TestRule3_NoBirthTime(t *testing.T) {
	w := &world{fakeFS: newFakeFS(false), t: t, s: openStore(t)}
	w.v = newVolume(t, w.s, "/")
	w.make("d/old/older")
	w.make("e")
	load(t, w.s, w.v, w.fakeFS)
	ino := w.at("d").stat.Ino
	w.remove(w.root, "d")
	w.free = []uint64{ino}
	w.make("d/new")
	if a := w.look("")(); !slices.Equal(a.Relist, []string{"d"}) || len(a.NewDirs)+len(a.DroppedDirs) > 0 {
		t.Errorf("%+v", a)
	}
	w.wantPending("d")
	w.want("d/old", true)
	w.drain()
}

func TestRule3_DirectoryBecomesFile(t *testing.T) {
	w := newWorld(t, "d/x/y", "e")
	w.remove(w.root, "d")
	w.make("d*")
	if a := w.look("")(); !slices.Equal(a.DroppedDirs, []string{"d"}) || a.Modified != 1 {
		t.Errorf("%+v", a)
	}
	w.want("d", false)
	w.want("d/x/y", false)
	w.compare()
	w.remove(w.root, "d")
	w.make("d/x/z")
	if a := w.look("")(); !slices.Equal(a.NewDirs, []string{"d"}) || a.Modified != 1 {
		t.Errorf("%+v", a)
	}
	w.drain()
}

// TestRule3_RescanGoesDown: a directory that is pending with its subtree hands
// that on to its children, with the jobs.
func TestRule3_RescanGoesDown(t *testing.T) {
	w := newWorld(t, "a/b/c", "a/d", "e")
	update(t, w.s, func(tx *store.Tx) {
		if err := tx.PutPending(w.key("a"), store.Pending{Subtree: true, Jobs: []uint64{7, 3, 7}, Stamp: w.stamp}); err != nil {
			t.Fatal(err)
		}
	})
	w.make("a/new")
	var order []string
	for all := w.pending(); len(all) > 0; all = w.pending() {
		view(t, w.s, func(sn *store.Snap) {
			for k, p := range sn.Pending(nil, nil) {
				if !p.Subtree || !slices.Equal(p.Jobs, []uint64{3, 7}) {
					t.Errorf("%s is pending as %+v", k, p)
				}
			}
		})
		order = append(order, all[0])
		w.look(all[0])()
	}
	if want := []string{"a", "a/b", "a/b/c", "a/d", "a/new"}; !slices.Equal(order, want) {
		t.Errorf("listed %q, want %q", order, want)
	}
	w.stamp++
	w.look("")() // for a's times
	w.compare()
}

// TestRule4_OlderListingIsDropped, also where the newer one wrote nothing.
func TestRule4_OlderListingIsDropped(t *testing.T) {
	for _, same := range []bool{false, true} {
		w := newWorld(t, "a", "b")
		older := w.look("")
		if !same {
			w.make("c")
		}
		newer := w.look("")
		if a := newer(); a.Stale || a.Changed == same {
			t.Errorf("newer: %+v", a)
		}
		if a := older(); !a.Stale || a.Changed {
			t.Errorf("older: %+v", a)
		}
		w.drain()
	}
}

// TestRule4_ParentMustNameIt: a listing is applied only if its parent's record
// names it, else the nearest known directory above is dirty.
func TestRule4_ParentMustNameIt(t *testing.T) {
	w := newWorld(t, "a")
	w.make("a/b/c")
	if a := w.look("a/b/c")(); !a.ParentMissing || a.Changed || !a.Again.Equal(w.key("a")) {
		t.Errorf("%+v", a)
	}
	w.wantPending("a")
	w.want("a/b/c", false)
	w.drain()

	// A file is no parent, nor is what is only known to be gone.
	w.make("f*")
	w.look("")()
	w.fakeFS.remove(w.root, "f")
	w.make("f/x")
	if a := w.look("f")(); !a.ParentMissing || !a.Again.Equal(w.key("")) {
		t.Errorf("%+v", a)
	}
	w.drain()
}

// TestRule4_DamagedParent: a listing that comes to nothing since its parent's record
// is damaged is made again when that is listed again, though the parent then finds the
// directory known.
func TestRule4_DamagedParent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	s := openAt(t, path)
	w := &world{fakeFS: newFakeFS(true), t: t, s: s, v: newVolume(t, s, "/")}
	w.make("a/b/f*")
	load(t, w.s, w.v, w.fakeFS)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	store.Change(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("listings"))
		val := bytes.Clone(b.Get(w.key("a")))
		val[len(val)-1] ^= 1
		return b.Put(w.key("a"), val)
	})
	w.s = openAt(t, path)
	w.fakeFS.remove(w.at("a/b"), "f")
	parent := w.look("a")
	if a := w.look("a/b")(); !a.ParentMissing || !a.Again.Equal(w.key("a")) {
		t.Errorf("%+v", a)
	}
	parent()
	w.drain()
}

// TestRule4_WaitersMoveUp: who waits for a directory that turns out to have no
// place waits for the one that decides.
func TestRule4_WaitersMoveUp(t *testing.T) {
	w := newWorld(t, "a")
	w.make("a/b/c")
	update(t, w.s, func(tx *store.Tx) {
		tx.PutPending(w.key("a/b/c"), store.Pending{Jobs: []uint64{5}, Stamp: w.stamp})
	})
	w.look("a/b/c")()
	view(t, w.s, func(sn *store.Snap) {
		for k, p := range sn.Pending(nil, nil) {
			if !k.Equal(w.key("a")) || !slices.Equal(p.Jobs, []uint64{5}) {
				t.Errorf("%s: %+v", k, p)
			}
		}
	})
	w.drain()
}

// TestRule4_MarkMeanwhile: what is marked while it is being listed is listed
// again.
func TestRule4_MarkMeanwhile(t *testing.T) {
	w := newWorld(t, "a")
	apply := w.look("a")
	w.make("a/late")
	update(t, w.s, func(tx *store.Tx) { tx.PutPending(w.key("a"), store.Pending{Stamp: w.stamp}) })
	apply()
	w.wantPending("a")
	w.look("a")()
	w.wantPending("a/late/")
	w.drain()
}

// TestRule4_DeleteSparesNewer: what was listed after the listing that says that
// it is gone stays, and its parent is dirty.
func TestRule4_DeleteSparesNewer(t *testing.T) {
	for _, changed := range []bool{true, false} { // false: the newer listing wrote nothing
		w := newWorld(t, "a/b/c")
		n := w.at("a").kids["b"]
		delete(w.at("a").kids, "b") // b is somewhere else for a moment
		gone := w.look("a")
		w.at("a").kids["b"] = n
		if changed {
			w.make("a/b/d")
		}
		w.look("a/b")()
		a := gone()
		if len(a.DroppedDirs) > 0 || !a.Again.Equal(w.key("a")) {
			t.Errorf("%+v", a)
		}
		w.want("a/b", true)
		w.want("a/b/c", true)
		if changed {
			w.wantPending("a", "a/b/d/")
		} else {
			w.wantPending("a")
		}
		w.look("a")()
		w.want("a/b/c", true)
		w.drain()

		// And where it is gone indeed the next listing of the parent says so.
		w.look("a/b")()
		delete(w.at("a").kids, "b")
		w.stamp -= 2
		gone = w.look("a")
		w.stamp += 2
		gone()
		w.look("a")()
		w.want("a/b", false)
		w.drain()
	}
}

// TestRule4_NewerBelowTheDead: something deep was listed after the listing that
// takes its ancestor away. It is spared until that is settled.
func TestRule4_NewerBelowTheDead(t *testing.T) {
	w := newWorld(t, "a/b/c/d", "z")
	n := w.root.kids["a"]
	delete(w.root.kids, "a")
	gone := w.look("")
	w.root.kids["a"] = n
	w.make("a/b/c/new*")
	w.look("a/b/c")()
	if a := gone(); !slices.Equal(a.DroppedDirs, []string{"a"}) {
		t.Errorf("%+v", a)
	}
	w.want("a", false)
	w.want("a/b", false)
	w.want("a/b/c", true)
	w.want("a/b/c/d", false)
	check(t, w.s)
	var more bool
	update(t, w.s, func(tx *store.Tx) { more = must(tx.PurgeTombstones(100))(t) })
	if more {
		t.Error("there is nothing to do before the root is listed again")
	}
	w.want("a/b/c", true)
	w.wantPending("")
	w.drain() // which finds a again
	w.want("a/b/c/d", true)
}

// TestRule3_RescanMeanwhile: who asks for a subtree while a big directory is being
// listed gets all of it, also what is below the parts that were applied by then.
func TestRule3_RescanMeanwhile(t *testing.T) {
	w := newWorld(t, "a/b", "a/y")
	for i := range 300 {
		w.make(fmt.Sprintf("a/c%03d*", i))
	}
	w.look("a")()
	w.make("a/b/new")
	w.make("a/y/new")
	parts := w.list(w.at("a"), 100)
	for i, l := range parts {
		if i == len(parts)-1 {
			update(t, w.s, func(tx *store.Tx) {
				if err := tx.PutPending(w.key("a"), store.Pending{Subtree: true}); err != nil {
					t.Fatal(err)
				}
			})
		}
		p := w.prepare(l)
		update(t, w.s, func(tx *store.Tx) { must(tx.Apply(w.key("a"), p))(t) })
	}
	w.look("")() // for a's times
	w.drain()
}
