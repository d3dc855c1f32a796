// Package disk gives tests disks that fill up and fail: small file systems of
// their own, which the kernel itself refuses to write to. A test for which there
// is no such thing here is skipped, with the reason.
package disk

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Disk is a mounted file system of a test's own, which ends with it.
type Disk struct {
	// Dir is where it is mounted; its path is short enough for a socket's name.
	Dir string

	t     testing.TB
	under string // the tmpfs that has the room
}

// Full makes a tmpfs of size bytes ("2m"): when it is full a write is told so
// (ENOSPC).
func Full(t testing.TB, size string) *Disk {
	t.Helper()
	d := &Disk{t: t, Dir: tempDir(t)}
	d.under = d.Dir
	d.mount("-t", "tmpfs", "-o", "size="+size, "indexd-test", d.Dir)
	return d
}

// Failing makes an ext4 of size bytes on a loop device with room for fewer: when
// that is used up writes succeed as before, into the page cache, and it is the
// sync that fails (EIO or ENOSPC), after which the cache shows what the disk does
// not have.
func Failing(t testing.TB, size, room string) *Disk {
	t.Helper()
	d := &Disk{t: t, Dir: tempDir(t), under: tempDir(t)}
	d.mount("-t", "tmpfs", "-o", "size="+room, "indexd-test", d.under)
	d.must("truncate", "-s", size, d.Image())
	d.must("mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-b", "4096", "-E", "lazy_itable_init=0,nodiscard", "-m", "0", d.Image())
	out, err := exec.Command("losetup", "-f", "--show", d.Image()).Output()
	if err != nil {
		t.Skipf("losetup: %v", err)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", device).Run() })
	// One page at a time: a larger write of which a part was done the loop device
	// says was done.
	queue := filepath.Join("/sys/block", filepath.Base(device), "queue/max_sectors_kb")
	if err := os.WriteFile(queue, []byte("4"), 0); err != nil {
		t.Skip(err)
	}
	d.mount("-o", "errors=continue", device, d.Dir)
	return d
}

// Image is the file that has what a Failing disk has on it.
func (d *Disk) Image() string { return filepath.Join(d.under, "image") }

// Room changes how much there is room for, in all.
func (d *Disk) Room(size string) {
	d.t.Helper()
	d.must("mount", "-o", "remount,size="+size, d.under)
}

// Tighten leaves a Failing disk no more room than is in use.
func (d *Disk) Tighten() {
	d.t.Helper()
	d.must("fstrim", d.Dir)
	var st unix.Statfs_t
	if err := unix.Statfs(d.under, &st); err != nil {
		d.t.Fatal(err)
	}
	d.Room(strconv.FormatUint((st.Blocks-st.Bfree)*uint64(st.Bsize)>>10, 10) + "k")
}

// AfterPowerCut calls check with a directory that has what a Failing disk has now,
// without what is in the page cache alone.
func (d *Disk) AfterPowerCut(check func(dir string)) {
	d.t.Helper()
	image, dir := filepath.Join(tempDir(d.t), "image"), tempDir(d.t)
	d.must("cp", "--sparse=always", d.Image(), image)
	_ = exec.Command("e2fsck", "-fy", image).Run() // tells by its status that it mended something
	d.must("mount", "-o", "loop", image, dir)
	defer func() { _ = exec.Command("umount", "-l", dir).Run() }()
	check(dir)
}

func tempDir(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	dir, err := os.MkdirTemp("", "disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (d *Disk) mount(args ...string) {
	d.t.Helper()
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		d.t.Skipf("mount %s: %s", strings.Join(args, " "), out)
	}
	dir := args[len(args)-1]
	d.t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
}

func (d *Disk) must(args ...string) {
	d.t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}
