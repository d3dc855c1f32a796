package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// On a full disk the daemon goes on answering, says so, and heals by itself.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "small", dir).CombinedOutput(); err != nil {
		t.Skipf("mount: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	root := hostile(t)
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	d := start(t, dir, root)
	degraded := func() bool {
		out, _, status := d.ctl("status")
		return status == 0 && strings.Contains(out, "degraded")
	}
	d.until("status says that the disk is full", degraded)
	if _, errs, status := d.ctl("find", "--no-warn", "-c"); status != 0 && status != 4 { // 4: nothing is committed yet
		t.Errorf("find on a full disk: exit status %d: %s", status, errs)
	}
	if out, err := exec.Command("mount", "-o", "remount,size=100m", dir).CombinedOutput(); err != nil {
		t.Fatalf("remount: %s", out)
	}
	d.ready()
	same(t, "after there was room again", split(d.must("find", "-0")), find(t, root))
}
