package indexer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"indexd/ipc/wire"
	"indexd/store"
)

// mountTmpfs mounts a tmpfs at dir and returns a function that unmounts it. Its files exist as
// long as it is mounted somewhere, such as at keep. (umount -l, because the daemon may just
// be using it.)
func mountTmpfs(t *testing.T, dir, keep string) (umount, again func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	mount := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
			t.Skipf("mount %v: %s", args, bytes.TrimSpace(out))
		}
		t.Cleanup(func() { _ = exec.Command("umount", "-l", args[len(args)-1]).Run() })
	}
	mount("-t", "tmpfs", "test", keep)
	mount("--bind", keep, dir)
	return func() { must(t, exec.Command("umount", "-l", dir).Run()) },
		func() { must(t, exec.Command("mount", "--bind", keep, dir).Run()) }
}

// What is mounted below a root while the daemon runs is indexed. When it is unmounted it
// remains, offline, and when it is mounted again it is listed again.
func TestMountedAndUnmountedBelowARoot(t *testing.T) {
	root, keep := tree(t, "a/x", "m/"), t.TempDir()
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	umount, again := mountTmpfs(t, root+"/m", keep)
	grow(t, root, "m/p/q")
	r.MountsChanged()
	r.idle()
	r.same(root)

	umount()
	r.MountsChanged()
	r.idle()
	want := fmt.Sprint([]string{root + "/m/p", root + "/m/p/q"})
	if got := fmt.Sprint(r.paths(root + "/m")); got != want {
		t.Errorf("of what is unmounted there is %s", got)
	}
	r.rescan(root)
	r.idle()
	if got := fmt.Sprint(r.paths(root + "/m")); got != want {
		t.Errorf("and after a rescan %s", got)
	}

	// Answers do not show what is in the directory under the mount point, and explain says so.
	grow(t, root, "m/bare")
	r.rescan(root)
	r.idle()
	if got := fmt.Sprint(r.paths(root + "/m")); got != want {
		t.Errorf("with a file in its place there is %s", got)
	}
	for p, indexed := range map[string]bool{"m": true, "m/p": true, "m/p/q": true, "m/bare": false, "m/p/none": false} {
		e, err := r.Explain(root + "/" + p)
		must(t, err)
		if e.Indexed != indexed || e.Offline != root+"/m" || !indexed && e.Reason == "" {
			t.Errorf("%s: %+v", p, e)
		}
	}

	// The directory itself has as many entries as answers show in it: p.
	grow(t, root, "m/more")
	r.rescan(root)
	r.idle()
	if e, err := r.Explain(root + "/m"); err != nil || e.Entries != 1 || e.Watched || e.Listed.IsZero() {
		t.Errorf("of what is unmounted it is told %+v, %v", e, err)
	}

	grow(t, keep, "p/new")
	again()
	r.MountsChanged()
	r.idle()
	r.same(root)
	if e, err := r.Explain(root + "/m"); err != nil || e.Entries != 1 || e.Offline != "" {
		t.Errorf("when it is back: %+v, %v", e, err)
	}
	if e, err := r.Explain(root + "/m/p/new"); err != nil || !e.Indexed || e.Offline != "" {
		t.Errorf("when it is back: %+v, %v", e, err)
	}
}

// A change in a directory does not walk what is mounted in it.
func TestAChangeBesideAMount(t *testing.T) {
	root, keep := tree(t, "m/"), t.TempDir()
	_, _ = mountTmpfs(t, root+"/m", keep)
	for i := range 50 {
		grow(t, root, fmt.Sprintf("m/d%d/f", i))
	}
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	before := r.Progress().Dirs
	grow(t, root, "new")
	r.relist(0, root)
	r.idle()
	r.same(root)
	if n := r.Progress().Dirs - before; n != 1 {
		t.Errorf("%d directories were listed for one that changed", n)
	}
}

// A root whose file system is not mounted is offline, with all its entries, also at a start.
func TestRootUnmounted(t *testing.T) {
	root, keep := tree(t, "m/")+"/m", t.TempDir()
	umount, again := mountTmpfs(t, root, keep)
	grow(t, root, "p/q")
	cfg := Config{Roots: []string{root}}
	r := run(t, "", cfg)
	r.idle()
	have := fmt.Sprint(r.paths(root))

	offline := func(when string) {
		t.Helper()
		if got := fmt.Sprint(r.paths(root)); got != have {
			t.Errorf("%s there is %s", when, got)
		}
		status, err := r.Status()
		must(t, err)
		if state := status.Roots[0].State; state != Offline {
			t.Errorf("%s the root is %s", when, state)
		}
	}
	umount()
	r.MountsChanged()
	r.idle()
	offline("unmounted")
	if end := r.rescan(root); end.State == wire.JobDone && end.Paths[0].State == wire.JobDone {
		t.Errorf("a rescan ended %+v", end)
	}
	offline("after a rescan")
	r.stop()
	r = run(t, r.db, cfg)
	r.idle()
	offline("after a start")

	grow(t, keep, "p/new")
	again()
	r.MountsChanged()
	r.idle()
	r.same(root)
}

// A root that was never listed completely does not count as complete while its file system is
// not mounted. When it is mounted again, the rest is listed.
func TestIncompleteRootUnmounted(t *testing.T) {
	root, keep := tree(t, "m/")+"/m", t.TempDir()
	umount, again := mountTmpfs(t, root, keep)
	grow(t, root, "p/q")
	cfg := Config{Roots: []string{root}}
	r := run(t, "", cfg)
	r.idle()
	known := r.rootAt(root)
	known.mu.Lock()
	known.stored.Complete = false // also for this run, which would settle what is pending
	known.mu.Unlock()
	must(t, r.writer.Update(deadline(t), func(tx *store.Tx) error { // as a kill in the first index leaves it
		rec := known.record()
		if err := tx.PutValue(store.Roots, known.storeKey(), rec); err != nil {
			return err
		}
		return tx.PutPending(known.storeKey(), store.Pending{Subtree: true, Stamp: r.Stamp()})
	}))
	r.stop()

	umount()
	r = run(t, r.db, cfg)
	must(t, r.active.wait(deadline(t), func(n int) bool { return n == 0 }))
	if r.allComplete() {
		t.Error("it is said to be complete")
	}
	grow(t, keep, "p/new")
	again()
	r.MountsChanged()
	r.idle()
	r.same(root)
}
