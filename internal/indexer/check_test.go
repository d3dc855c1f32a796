package indexer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"

	"indexd/internal/testutil/scale"
	"indexd/ipc/wire"
	"indexd/listing"
)

// differences returns what Check finds below root, sorted.
func (r *rig) differences(root string, repair bool) (list []string) {
	r.t.Helper()
	res, err := r.Check(deadline(r.t), root, repair, func(d *wire.Difference) error {
		list = append(list, d.Change+" "+d.Path[len(root):])
		return nil
	}, nil)
	if err != nil || res.Differences != int64(len(list)) {
		r.t.Fatalf("check: %+v, %v, %q", res, err, list)
	}
	slices.Sort(list)
	return list
}

// Changes made before a check begins, and while it runs, are no differences if the directory
// is watched. That includes a file written so often that looking at it is put off.
func TestCheckTakesBarrier(t *testing.T) {
	scale.SkipIfShort(t)
	l := runLive(t, "", "", nil)
	grow(t, l.root, "a/b/c", "busy")
	for i := range 60 {
		must(t, os.WriteFile(fmt.Sprintf("%s/a/b/%d", l.root, i), nil, 0o644))
		must(t, os.WriteFile(l.root+"/busy", bytes.Repeat([]byte("x"), i), 0o644))
		if list := l.differences(l.root, false); len(list) > 0 {
			t.Fatalf("round %d: %q", i, list)
		}
	}
}

// forge changes the database of an index that is stopped.
func forge(t *testing.T, db string, fn func(listings *bolt.Bucket) error) {
	t.Helper()
	b, err := bolt.Open(db, 0o600, nil)
	must(t, err)
	must(t, errors.Join(b.Update(func(tx *bolt.Tx) error { return fn(tx.Bucket([]byte("listings"))) }), b.Close()))
}

// A record that nothing leads to is a difference, and a repair removes it.
func TestCheckFindsWhatNothingNames(t *testing.T) {
	root := tree(t, "a/x")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	key, _, err := r.mounts.Load().key(root + "/a")
	must(t, err)
	r.stop()
	var before []byte
	forge(t, r.db, func(listings *bolt.Bucket) error {
		before = bytes.Clone(listings.Get(key))
		return nil
	})

	grow(t, root, "a/sub/deep/y")
	r = run(t, r.db, Config{Roots: []string{root}})
	r.rescan(root)
	r.idle()
	r.stop()
	must(t, os.RemoveAll(root+"/a/sub"))
	forge(t, r.db, func(listings *bolt.Bucket) error { return listings.Put(key, before) })

	r = run(t, r.db, Config{Roots: []string{root}, NoVerify: true})
	r.forged = true
	r.idle()
	list := r.differences(root, true)
	if !slices.Contains(list, "removed /a/sub") {
		t.Errorf("check found %q", list)
	}
	r.idle()
	r.each(root, func(dir string, e *listing.Entry) {
		if dir != root && dir != root+"/a" {
			t.Errorf("after the repair the index has %s/%s", dir, e.Name)
		}
	})
	if list := r.differences(root, false); len(list) > 0 {
		t.Errorf("after the repair a check finds %q", list)
	}
}

// Damaged entries of a directory are a difference that is repaired by listing it again, and
// hide nothing of what is beside and below it.
func TestCheckFindsDamage(t *testing.T) {
	root := tree(t, "a/x", "a/y", "a/zz/f", "b/z")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	key, _, err := r.mounts.Load().key(root + "/a")
	must(t, err)
	r.stop()
	forge(t, r.db, func(listings *bolt.Bucket) error {
		val := bytes.Clone(listings.Get(key))
		val[len(val)-5] ^= 1
		return listings.Put(key, val)
	})

	r = run(t, r.db, Config{Roots: []string{root}, NoVerify: true})
	r.forged = true
	r.idle()
	must(t, os.Remove(root+"/a/zz/f"))
	must(t, os.Remove(root+"/b/z"))
	list := r.differences(root, false)
	for _, want := range []string{"modified /a", "removed /a/zz/f", "removed /b/z"} {
		if !slices.Contains(list, want) {
			t.Errorf("check found %q, not %s", list, want)
		}
	}
	t.Logf("repair found %q", r.differences(root, true))
	r.idle()
	if list := r.differences(root, false); len(list) > 0 {
		t.Errorf("after the repair a check finds %q", list)
	}
	r.same(root)
}

// Changes made by the daemon itself are no differences: of its database, which a compaction
// replaces, of the directory with its temporary files, and of the barrier directory. Other
// changes of them are.
func TestCheckPassesOverOwnFiles(t *testing.T) {
	root, err := filepath.EvalSymlinks(filepath.Dir(t.TempDir())) // of all that the test makes
	must(t, err)
	must(t, os.MkdirAll(root+"/own/run", 0o755))
	db, socket := root+"/own/db/index.db", root+"/own/run/socket"
	must(t, os.Mkdir(root+"/own/db", 0o755))
	must(t, os.WriteFile(socket, nil, 0o600))
	l := startLive(t, db, root, Config{DB: db, Socket: socket}, nil)
	must(t, l.WaitReady(deadline(t)))
	same := func(when string, want ...string) {
		t.Helper()
		if list := l.differences(root, false); !slices.Equal(list, want) {
			t.Errorf("%s a check finds %q, not %q", when, list, want)
		}
	}
	grow(t, root, "other/f")
	same("after a change")

	must(t, l.st.Compact(deadline(t)))
	same("after a compaction")

	copying := db + ".compact"
	must(t, os.WriteFile(copying, nil, 0o600))
	same("while one is under way")
	l.rescan(root)
	must(t, os.Remove(copying))
	if paths := l.paths(root + "/own/db"); slices.Contains(paths, copying) || !slices.Contains(paths, db) {
		t.Errorf("the index has %q", paths)
	}
	same("after a rescan meanwhile")

	must(t, os.WriteFile(db+".bak", nil, 0o600))
	same("with a file that is not the daemon's")

	must(t, os.Remove(socket))
	same("with a socket that is gone", "modified /own/run", "removed /own/run/socket")
	must(t, os.Mkdir(socket, 0o755))
	same("with a directory in its place", "modified /own/run", "modified /own/run/socket")
}

// Damage that a check meets makes the whole database be checked, even without repair.
func TestCheckHasDamageMended(t *testing.T) {
	root := tree(t, "a/x", "b/c/z")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	where := r.mounts.Load()
	r.stop()
	forge(t, r.db, func(listings *bolt.Bucket) error {
		for _, dir := range []string{"/a", "/b/c"} {
			key, _, err := where.key(root + dir)
			must(t, err)
			val := bytes.Clone(listings.Get(key))
			val[len(val)-5] ^= 1
			if err := listings.Put(key, val); err != nil {
				return err
			}
		}
		return nil
	})

	r = run(t, r.db, Config{Roots: []string{root}, NoVerify: true})
	r.idle()
	if list := r.differences(root+"/a", false); !slices.Equal(list, []string{"modified "}) {
		t.Errorf("check found %q", list)
	}
	r.idle()
	if list := r.differences(root, false); len(list) > 0 {
		t.Errorf("later a check finds %q", list)
	}
	r.same(root)
}

// One barrier serves many directories that differ.
func TestCheckTakesFewBarriers(t *testing.T) {
	var paths []string
	for i := range 300 {
		paths = append(paths, fmt.Sprintf("%03d/f", i))
	}
	root := tree(t, paths...)
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	for _, p := range paths {
		must(t, os.Remove(root+"/"+p))
	}
	before := int(r.writer.Heartbeat.Ticks())
	if list := r.differences(root, false); len(list) != 2*len(paths) { // of each directory the times too
		t.Errorf("%d differences: %q", len(list), list)
	}
	if n := int(r.writer.Heartbeat.Ticks()) - before; n > 30 {
		t.Errorf("the writer was waited for %d times", n)
	}
}

// A directory that is gone at the second comparison is counted once.
func TestCheckOfWhatVanishes(t *testing.T) {
	root := tree(t, "a/x", "b/y")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	grow(t, root, "a/new") // makes the second look needed
	c := &checker{barrier: r.barrier, report: func(*wire.Difference) error { return nil }, mounts: r.mounts.Load(), rules: r.rules.Load()}
	diffs, _, err := c.compare(t.Context(), root+"/a")
	must(t, err)
	if len(diffs) == 0 {
		t.Fatal("nothing differs at the first look")
	}
	c.result.Dirs, c.suspects = 1, []string{root + "/a"}
	must(t, os.RemoveAll(root+"/a"))
	must(t, c.confirm(deadline(t)))
	if c.result.Dirs != 0 || c.result.Errors != 1 || c.result.Differences != 0 {
		t.Errorf("%+v", c.result)
	}
}
