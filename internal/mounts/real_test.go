package mounts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs the calling test again, alone in a mount namespace of its own, where
// it may mount anything, and reports whether this is that run.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const env = "INDEXD_TEST_NAMESPACE"
	if os.Getenv(env) != "" {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), env+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Skip("no mount namespace to be had: ", err)
	}
	t.Log(string(out))
	switch {
	case err != nil:
		t.Fail()
	case strings.Contains(string(out), "--- SKIP"):
		t.SkipNow()
	}
	return false
}

func mount(t *testing.T, source, target, fsType string, flags uintptr) {
	t.Helper()
	if err := os.MkdirAll(target, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(source, target, fsType, flags, ""); err != nil {
		t.Skip("mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
}

func read(t *testing.T) *Table {
	t.Helper()
	tab, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestRealMounts(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	base := filepath.Join(t.TempDir(), "with blank\nand \\ and \xff")
	at := func(p string) string { return filepath.Join(base, p) }
	mount(t, "first", base, "tmpfs", 0)
	mount(t, "second", at("a/b"), "tmpfs", 0)
	mount(t, at("a"), at("bound"), "", unix.MS_BIND)
	mount(t, at("a"), at("recursive"), "", unix.MS_BIND|unix.MS_REC)
	mount(t, "", at("below"), "tmpfs", 0)
	mount(t, "third", at("hidden/by/this"), "tmpfs", 0)
	mount(t, "fourth", at("hidden"), "tmpfs", 0)
	mount(t, "fifth", at("hidden"), "tmpfs", 0)
	for _, dir := range []string{"a/b/c", "a/d", "bound/b", "below/x", "hidden/by/this"} {
		if err := os.MkdirAll(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tab := read(t)
	var dirs []string
	err := filepath.WalkDir(base, func(p string, _ os.DirEntry, err error) error {
		dirs = append(dirs, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	checkContaining(t, tab, dirs)
	if m := tab.At(at("hidden")); m == nil || m.Source != "fifth" || m.FSType != "tmpfs" {
		t.Errorf("%+v", m)
	}
	for p, want := range map[string]string{
		"": "", "a/b": "", "bound": at("a"), "recursive": at("a"), "recursive/b": at("a/b"), "hidden": "",
	} {
		m := tab.At(at(p))
		if m == nil {
			t.Fatalf("nothing is mounted at %q", p)
		}
		if got, ok := tab.Alias(m, all); ok != (want != "") || ok && got != want {
			t.Errorf("%q is indexed as %q (%v)", p, got, ok)
		}
	}
}

// The oracle is the UUID given to mkfs.
func TestRealIdentity(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	const uuid = "6f3d1c52-0b2e-4d7a-9c11-8a5b7e0f4321"
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 2<<20); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v: %s", name, err, out)
		}
	}
	run("mkfs.ext4", "-q", "-U", uuid, image)
	at := filepath.Join(dir, "at")
	for _, p := range []string{"at", "clone", "elsewhere"} {
		if err := os.Mkdir(filepath.Join(dir, p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run("mount", "-o", "loop", image, at)
	t.Cleanup(func() { _ = unix.Unmount(at, 0) })
	if err := os.Mkdir(filepath.Join(at, "sub dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	mount(t, filepath.Join(at, "sub dir"), filepath.Join(dir, "bound"), "", unix.MS_BIND)
	tab := read(t)
	m := tab.At(at)
	if m.ID == 0 || !tab.local(m) {
		t.Fatalf("%+v", m)
	}
	if tab.askKernel(m) == "" {
		t.Skip("this kernel does not tell the UUID of a file system")
	}
	if got := tab.Identity(m); got != "uuid:"+uuid+" /" {
		t.Errorf("identity %q", got)
	}
	if got := tab.Identity(tab.At(filepath.Join(dir, "bound"))); got != "uuid:"+uuid+` /sub\040dir` {
		t.Errorf("identity of the bind mount %q", got)
	}

	clone := filepath.Join(dir, "clone.image")
	run("cp", image, clone)
	run("mount", "-o", "loop", clone, filepath.Join(dir, "clone"))
	t.Cleanup(func() { _ = unix.Unmount(filepath.Join(dir, "clone"), 0) })
	tab = read(t)
	if got := tab.Identity(tab.At(at)); got != "uuid:"+uuid+" /" {
		t.Errorf("identity beside a clone %q", got)
	}
	if got := tab.Identity(tab.At(filepath.Join(dir, "clone"))); !strings.HasPrefix(got, "uuid:"+uuid+" / /dev/loop") {
		t.Errorf("identity of a clone %q", got)
	}
}

func TestIdentityWithoutUUID(t *testing.T) {
	tab := table(t, `
1 0 0:99999 / / rw - ext4 /dev/none rw
2 1 0:99998 / /net\040work rw - nfs4 server:/ex\040port rw
3 2 0:99997 / /net\040work/disk rw - ext4 /dev/none2 rw
4 1 0:99996 /x /tmp rw - tmpfs tmpfs rw`)
	for p, want := range map[string]string{
		"/net work": `mount:nfs4 server:/ex\040port / /net\040work`,
		"/tmp":      `mount:tmpfs tmpfs /x /tmp`,
	} {
		if got := tab.Identity(tab.At(p)); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
	// Nothing on the way may wait for a server.
	for p, want := range map[string]bool{"/": true, "/net work": false, "/net work/disk": false, "/tmp": false} {
		if got := tab.local(tab.At(p)); got != want {
			t.Errorf("%s is local: %v", p, got)
		}
	}
}
