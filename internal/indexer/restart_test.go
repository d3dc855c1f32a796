package indexer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"indexd/internal/mounts"
	"indexd/internal/rules"
	"indexd/internal/testutil/scale"
)

// A first index that is stopped resumes where it was: what was listed is not listed again.
func TestFirstIndexResumes(t *testing.T) {
	scale.SkipIfShort(t)
	const dirs = 1500
	root := wide(t, dirs)
	var total uint64
	db, runs := "", 0
	for complete := false; !complete; runs++ {
		r := run(t, db, Config{Roots: []string{root}, Workers: 2})
		db = r.db
		if runs < 3 {
			waitFor(t, func() bool { return r.Progress().Dirs >= 150 || r.allComplete() })
		} else {
			must(t, r.WaitReady(deadline(t)))
			r.idle()
		}
		if r.allComplete() {
			r.same(root)
		}
		r.stop()
		complete = r.allComplete() // it may have become so during the stop
		total += r.Progress().Dirs
	}
	// A directory that was being listed at the stop may be listed twice.
	if total < dirs+1 || total > dirs+1+uint64(4*runs) {
		t.Errorf("%d directories were listed in %d runs, there are %d", total, runs, dirs+1)
	}
}

// What changed while the daemon did not run is found without listing the rest.
func TestReconcileListsOnlyWhatChanged(t *testing.T) {
	// A directory that changed in the last 3 s is always listed again, so a directory that
	// must not be has to be older.
	const old = "/usr/share/doc"
	if fi, err := os.Stat(old); err != nil || time.Since(fi.ModTime()) < time.Minute {
		t.Skip("there is no old " + old)
	}
	root := tree(t, "a/x", "b/y", "gone/z")
	cfg := Config{Roots: []string{root, old}, SweepInterval: time.Hour}
	r := run(t, "", cfg)
	r.idle()
	all := r.Progress().Dirs
	r.stop()

	grow(t, root, "a/new", "more/x")
	must(t, os.RemoveAll(root+"/gone"))
	r = run(t, r.db, cfg)
	r.idle()
	r.same(root)
	r.same(old)
	if n := r.Progress().Dirs; n < 3 || n > all/2 {
		t.Errorf("%d directories were listed of %d", n, all)
	}
}

func TestExcludesAndReload(t *testing.T) {
	root := tree(t, "keep/x", "skip/x/y", "a/skip/z", "a/b.o", "a/b.c")
	r := run(t, "", Config{Roots: []string{root}, Rules: ruleSet(t, rules.Config{Exclude: []string{"skip", "*.o"}})})
	r.idle()
	want := found(t, root, "-not", "-path", "*/skip*", "-not", "-name", "*.o")
	if got := r.paths(root); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("with excludes the index has %q, want %q", got, want)
	}
	if e, err := r.Explain(root + "/skip/x"); err != nil || e.Indexed || e.Reason == "" {
		t.Errorf("explain: %+v, %v", e, err)
	}
	must(t, r.Reload(deadline(t), []string{root}, nil, ruleSet(t, rules.Config{Exclude: []string{root + "/keep"}})))
	r.idle()
	want = found(t, root, "-not", "-path", root+"/keep*")
	if got := r.paths(root); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after the reload the index has %q, want %q", got, want)
	}
	must(t, r.Reload(deadline(t), []string{root}, nil, ruleSet(t, rules.Config{})))
	r.idle()
	r.same(root)
}

// A reload waits for no paced work, and is acted on whatever is being done.
func TestReloadDuringALook(t *testing.T) {
	scale.SkipIfShort(t)
	root := tree(t)
	for i := range 3 * relistMax {
		must(t, os.MkdirAll(fmt.Sprintf("%s/%d/skip", root, i), 0o755))
	}
	skip := ruleSet(t, rules.Config{Exclude: []string{"skip"}})
	want := found(t, root, "-not", "-path", "*/skip*")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	r.stop()

	var once sync.Once
	under, on := make(chan bool), make(chan bool)
	hold := func() { once.Do(func() { under <- true; <-on }) }
	r = run(t, r.db, Config{Roots: []string{root}, SweepInterval: time.Hour, Log: whenLogged("compared all directories", hold)})
	<-under
	must(t, r.Reload(deadline(t), []string{root}, nil, skip))
	close(on)
	r.idle()
	if got := r.paths(root); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after a reload while names were compared the index has %q, want %q", got, want)
	}
	must(t, r.Reload(deadline(t), []string{root}, nil, ruleSet(t, rules.Config{})))
	r.idle()
	r.same(root)

	once, on = sync.Once{}, make(chan bool)
	var rests atomic.Int64
	r.pace.pressure = func(resource string) float64 {
		if resource == "io" {
			rests.Add(1)
			hold()
		}
		return 0
	}
	r.deferCall(func() { r.verify(r.rootAt(root)) })
	<-under
	must(t, r.Reload(deadline(t), []string{root}, nil, skip))
	close(on)
	waitFor(t, func() bool { return fmt.Sprint(r.paths(root)) == fmt.Sprint(want) })
	if n := rests.Load(); n != 1 {
		t.Errorf("the sweep went on and rested %d times", n)
	}
}

// New rules for a root that does not exist take effect when it does.
func TestReloadWithoutTheRoot(t *testing.T) {
	root := tree(t, "a/x", "skip/y")
	r := run(t, "", Config{Roots: []string{root}, SweepInterval: 50 * time.Millisecond})
	r.idle()
	must(t, os.Rename(root, root+"-gone"))
	must(t, r.Reload(deadline(t), []string{root}, nil, ruleSet(t, rules.Config{Exclude: []string{"skip"}})))
	r.idle()
	if n := len(r.Jobs().All()); n > 3 {
		t.Errorf("%d jobs for a root that is not there", n)
	}
	must(t, os.Rename(root+"-gone", root))
	want := found(t, root, "-not", "-path", "*/skip*")
	waitFor(t, func() bool { return fmt.Sprint(r.paths(root)) == fmt.Sprint(want) })
}

func TestRootsComeAndGo(t *testing.T) {
	root := tree(t, "a/x", "a/b/y", "a/b/c/z", "d/e")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	none := ruleSet(t, rules.Config{})

	must(t, r.Reload(deadline(t), []string{root + "/a/b", root + "/d"}, nil, none))
	r.idle()
	before := r.Progress().Dirs
	r.same(root + "/a/b")
	r.same(root + "/d")
	r.stop()

	r = run(t, r.db, Config{Roots: []string{root + "/a/b"}, Rules: none})
	r.idle()
	r.same(root + "/a/b")
	if n := r.Progress().Dirs; n != 0 {
		t.Errorf("%d directories were listed though the root was known (%d before)", n, before)
	}
	if got := r.paths(root + "/d"); len(got) != 0 {
		t.Errorf("of a root that is none any more there is %q", got)
	}
	must(t, r.Reload(deadline(t), []string{root}, nil, none))
	r.idle()
	r.same(root)
}

// Another file system mounted below a root is entered, a bind mount is not entered twice, and
// a pruned file system is absent.
func TestMountsBelowARoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	root := tree(t, "a/x", "tmp/", "bind/", "pruned/", "under/hidden")
	mount := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
			t.Skipf("mount %v: %s", args, bytes.TrimSpace(out))
		}
		t.Cleanup(func() { _ = exec.Command("umount", args[len(args)-1]).Run() })
	}
	mount("-t", "tmpfs", "one", root+"/tmp")
	mount("--bind", root+"/a", root+"/bind")
	mount("-t", "ramfs", "two", root+"/pruned")
	mount("-t", "tmpfs", "three", root+"/under")
	grow(t, root, "tmp/p/q", "pruned/no", "under/seen")
	r := run(t, "", Config{Roots: []string{root}, Rules: ruleSet(t, rules.Config{PruneFS: []string{"ramfs"}}), Mounts: mounts.Read})
	must(t, r.WaitReady(deadline(t)))
	r.idle()
	want := found(t, root, "-not", "-path", root+"/pruned*", "-not", "-path", root+"/bind/*")
	if got := r.paths(root); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the index has %q, want %q", got, want)
	}
	for _, p := range []string{"/pruned/no", "/bind/x"} {
		if e, err := r.Explain(root + p); err != nil || e.Indexed || e.Reason == "" {
			t.Errorf("explain %s: %+v, %v", p, e, err)
		}
	}
	r.rescan(root)
	r.idle()
	if got := r.paths(root); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after a rescan the index has %q, want %q", got, want)
	}
	must(t, r.Reload(deadline(t), []string{root}, []string{root + "/pruned"}, ruleSet(t, rules.Config{PruneFS: []string{"ramfs"}})))
	r.rescan(root)
	r.idle()
	want = found(t, root, "-not", "-path", root+"/bind/*")
	if got := r.paths(root); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("with a pruned one asked for the index has %q, want %q", got, want)
	}
	r.stop()
	must(t, exec.Command("umount", root+"/tmp").Run())
	r = run(t, r.db, Config{Roots: []string{root}, SweepInterval: time.Hour})
	r.idle()
	if got := r.paths(root + "/tmp"); fmt.Sprint(got) != fmt.Sprint([]string{root + "/tmp/p", root + "/tmp/p/q"}) {
		t.Errorf("of what is unmounted there is %q", got)
	}
}
