package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"indexd/internal/testutil/scale"
)

// smallDisk mounts a file system of the given size, in the format of mount.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "small", dir).CombinedOutput(); err != nil {
		t.Skipf("mount: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

func (d *daemon) degraded() bool {
	out, _, status := d.ctl("status")
	return status == 0 && strings.Contains(out, "degraded")
}

// fill writes files of 64 KiB until the disk is full.
func fill(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		err := os.WriteFile(fmt.Sprintf("%s/%d", dir, i), make([]byte, 1<<16), 0o600)
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// files creates directories of files with long names, about 24 KiB of names each.
func files(t *testing.T, dir string, dirs int) {
	t.Helper()
	for d := range dirs {
		sub := fmt.Sprintf("%s/%d", dir, d)
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		for f := range 100 {
			if err := os.WriteFile(fmt.Sprintf("%s/%0240d", sub, f), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// While the database's disk is full, more changes than the daemon keeps in flight: files
// are added and removed. It finds all of the changes once there is room. 400 directories
// (INDEXD_FULL=400) are more listings than it holds.
func TestDiskFullAtRest(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "16m")
	root := memory(t)
	files(t, root+"/was", 20)
	d := start(t, dir, root)
	d.ready()
	fill(t, dir+"/ballast")
	files(t, root+"/new", max(scale.Size(t, "INDEXD_FULL", 140, 140), 140))
	if err := os.RemoveAll(root + "/was/7"); err != nil {
		t.Fatal(err)
	}
	d.until("status says that the disk is full", d.degraded)
	if out, errs, status := d.ctl("find", "-1", "--in", root+"/was/3"); status != 0 || out == "" || errs == "" {
		t.Errorf("find on a full disk: exit status %d, %q, without a warning: %q", status, out, errs)
	}
	if err := os.RemoveAll(root + "/new/9"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir + "/ballast"); err != nil {
		t.Fatal(err)
	}
	d.until("all is well", func() bool { return !d.degraded() })
	d.synced(root, nil)
}

// The database lies on the disk that it indexes, which is freed by removing indexed
// files.
func TestDiskFullOfWhatIsIndexed(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "16m")
	root := dir + "/tree"
	files(t, root+"/was", 20)
	d := start(t, dir, root)
	d.ready()
	fill(t, root+"/ballast")
	more := 0
	d.until("status says that the disk is full", func() bool {
		more++ // names that need no room on the disk, but in the database
		files(t, fmt.Sprintf("%s/more/%d", root, more), 1)
		return d.degraded()
	})
	if err := errors.Join(os.RemoveAll(root+"/ballast"), os.RemoveAll(root+"/was/2")); err != nil {
		t.Fatal(err)
	}
	d.until("all is well", func() bool { return !d.degraded() })
	d.synced(root, nil)
}

// At --max-size, too, removing files frees space, and so does a new rule after a reload.
func TestMaxSizeMakesRoom(t *testing.T) {
	t.Parallel()
	root := memory(t)
	files(t, root+"/was", 20)
	d := newDaemon(t, "", root)
	config := filepath.Join(t.TempDir(), "config")
	rules := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte("max-size = \"4M\"\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rules("")
	d.args = append(d.args, "--config", config)
	d.run()
	t.Cleanup(func() { d.end(syscall.SIGTERM) })
	d.ready()
	files(t, root+"/new", 190)
	d.until("status says that the database is full", d.degraded)
	if err := os.RemoveAll(root + "/new"); err != nil {
		t.Fatal(err)
	}
	d.until("all is well", func() bool { return !d.degraded() })
	d.synced(root, nil)

	files(t, root+"/other", 190)
	d.until("status says that the database is full", d.degraded)
	rules("exclude = [\"" + root + "/other\"]\n")
	d.signal(syscall.SIGHUP)
	d.until("all is well", func() bool { return !d.degraded() })
	var left []string
	for _, path := range find(t, root) {
		if !strings.HasPrefix(path, root+"/other") {
			left = append(left, path)
		}
	}
	same(t, "what is not excluded", split(d.must("find", "-0", "--sync=3m")), left)
	if fi, err := os.Stat(filepath.Join(d.dir, "index.db")); err != nil || fi.Size() > 4<<20 {
		t.Errorf("the database: %v, %v", fi, err)
	}
}

// memory returns a directory for many files.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "e2e-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// On a full disk the daemon keeps answering, reports it, and recovers by itself.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "2m")
	root := hostile(t, 30_000)
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	d := start(t, dir, root)
	d.until("status says that the disk is full", d.degraded)
	if _, errs, status := d.ctl("find", "--no-warn", "-c"); status != 0 && status != 4 { // 4: nothing is committed yet
		t.Errorf("find on a full disk: exit status %d: %s", status, errs)
	}
	if out, err := exec.Command("mount", "-o", "remount,size=100m", dir).CombinedOutput(); err != nil {
		t.Fatalf("remount: %s", out)
	}
	d.ready()
	same(t, "after there was room again", split(d.must("find", "-0")), find(t, root))
}
