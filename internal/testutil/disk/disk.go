// Package disk provides disks that fill up and fail: small file systems of a test's own,
// to which the kernel refuses to write. Tests skip, with the reason, where they cannot be
// created.
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

// Disk is a file system mounted for the duration of a test.
type Disk struct {
	// Dir is the mount point. Its path is short enough for the name of a socket.
	Dir string

	t     testing.TB
	under string // the tmpfs that limits the space
}

// Full mounts a tmpfs of the given size ("2m"). When it is full, writes fail with ENOSPC.
func Full(t testing.TB, size string) *Disk {
	t.Helper()
	d := &Disk{t: t, Dir: tempDir(t)}
	d.under = d.Dir
	d.mount("-t", "tmpfs", "-o", "size="+size, "indexd-test", d.Dir)
	return d
}

// Failing mounts an ext4 of the given size on a loop device that has less room. When the
// room is used up, writes still succeed, into the page cache. It is the sync that fails,
// with EIO or ENOSPC, after which the cache contains data that the disk does not.
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
	// One page at a time: the loop device reports a larger, partial write as complete.
	queue := filepath.Join("/sys/block", filepath.Base(device), "queue/max_sectors_kb")
	if err := os.WriteFile(queue, []byte("4"), 0); err != nil {
		t.Skip(err)
	}
	d.mount("-o", "errors=continue", device, d.Dir)
	return d
}

// Image returns the file that holds the contents of a Failing disk.
func (d *Disk) Image() string { return filepath.Join(d.under, "image") }

// Room changes the total room.
func (d *Disk) Room(size string) {
	d.t.Helper()
	d.must("mount", "-o", "remount,size="+size, d.under)
}

// Tighten leaves a Failing disk no more room than it uses.
func (d *Disk) Tighten() {
	d.t.Helper()
	d.must("fstrim", d.Dir)
	var st unix.Statfs_t
	if err := unix.Statfs(d.under, &st); err != nil {
		d.t.Fatal(err)
	}
	d.Room(strconv.FormatUint((st.Blocks-st.Bfree)*uint64(st.Bsize)>>10, 10) + "k")
}

// AfterPowerCut calls check with a directory that has the present contents of a Failing
// disk, without what is only in the page cache.
func (d *Disk) AfterPowerCut(check func(dir string)) {
	d.t.Helper()
	image, dir := filepath.Join(tempDir(d.t), "image"), tempDir(d.t)
	d.must("cp", "--sparse=always", d.Image(), image)
	_ = exec.Command("e2fsck", "-fy", image).Run() // its status only says that it repaired something
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
