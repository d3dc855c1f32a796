package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a machine may take to reach a state. It is long, because nothing
// here is about speed.
const patience = 3 * time.Minute

// machine is a separate Debian, booted with systemd as its first process.
type machine struct {
	t    *testing.T
	root string
	init int // the process outside
}

// suite is the oldest supported Debian: it has systemd 252.
const suite = "bookworm"

// boot boots a machine from a copy of a fresh Debian, or skips the test and says why. It
// is powered off at the end of the test.
func boot(t *testing.T) *machine {
	t.Helper()
	if os.Getenv("INDEXD_NSPAWN") == "" {
		t.Skip("INDEXD_NSPAWN is not set: this boots a machine, which takes a minute")
	}
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	for _, name := range []string{"debootstrap", "systemd-nspawn", "nsenter", "make", "dpkg-deb"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	tarball := debian(t)
	m := &machine{t: t, root: filepath.Join(t.TempDir(), "root")}
	must(t, os.Mkdir(m.root, 0o755))
	outside(t, "tar", "-C", m.root, "-xpf", tarball)

	var console bytes.Buffer
	cmd := exec.Command("systemd-nspawn", "--quiet", "--directory="+m.root, "--boot", "--register=no", "--keep-unit",
		"--machine=indexd-test", "--private-network", "--link-journal=no", "--console=pipe")
	// /tmp is on the disk, as on most machines, and therefore in the index.
	cmd.Env = append(os.Environ(), "SYSTEMD_NSPAWN_TMPFS_TMP=0")
	cmd.Stdout, cmd.Stderr = &console, &console
	must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			m.report()
		}
		_ = cmd.Process.Signal(syscall.SIGTERM) // powers it off
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the machine does not power off")
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	children := fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid)
	eventually(t, "the machine runs", func() error {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("systemd-nspawn: %v\n%s", err, console.Bytes())
		default:
		}
		list, err := os.ReadFile(children)
		if err != nil {
			return err
		}
		if m.init, err = strconv.Atoi(strings.TrimSpace(string(list))); err != nil {
			return err
		}
		if got, err := m.try("systemctl", "is-system-running"); got != "running" {
			return fmt.Errorf("%s: %w", got, err)
		}
		return nil
	})
	return m
}

// debian returns a tar file of a minimal Debian, created once and kept in the user's
// cache.
func debian(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	must(t, err)
	dir := filepath.Join(cache, "indexd-test")
	must(t, os.MkdirAll(dir, 0o755))
	file := filepath.Join(dir, suite+".tar")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	fresh, err := os.MkdirTemp(dir, "new-")
	must(t, err)
	defer os.RemoveAll(fresh)
	root := filepath.Join(fresh, "root")
	out, err := exec.Command("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus", suite, root).CombinedOutput()
	if err != nil {
		t.Skipf("no Debian to be had: debootstrap: %v\n%s", err, last(out))
	}
	outside(t, "find", filepath.Join(root, "var/cache/apt"), filepath.Join(root, "var/lib/apt/lists"), "-type", "f", "-delete")
	outside(t, "tar", "-C", root, "-cpf", filepath.Join(fresh, "tar"), ".")
	must(t, os.Rename(filepath.Join(fresh, "tar"), file))
	return file
}

// try runs a command as root in the machine; err contains its stderr.
func (m *machine) try(args ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", strconv.Itoa(m.init),
		"--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
		"--", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSuffix(stdout.String(), "\n"), err
}

// run is try for commands that must succeed.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// sh runs a shell script.
func (m *machine) sh(script string) string {
	m.t.Helper()
	return m.run("sh", "-ec", script)
}

// as runs a command as a user of the machine and returns its exit status.
func (m *machine) as(user string, args ...string) (out string, status int) {
	m.t.Helper()
	out, err := m.try(append([]string{"runuser", "-u", user, "--"}, args...)...)
	return out, exitStatus(m.t, err)
}

func exitStatus(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

// show returns a property of a unit.
func (m *machine) show(unit, property string) string {
	m.t.Helper()
	return m.run("systemctl", "show", "--value", "--property="+property, unit)
}

// write creates a file in the machine.
func (m *machine) write(path, text string) {
	m.t.Helper()
	must(m.t, os.MkdirAll(filepath.Dir(m.root+path), 0o755))
	must(m.t, os.WriteFile(m.root+path, []byte(text), 0o644))
}

// step is a part of the test on which later ones depend. The machine belongs to the
// subtest while it runs.
func (m *machine) step(name string, do func(t *testing.T)) {
	outer := m.t
	outer.Helper()
	ok := outer.Run(name, func(t *testing.T) {
		m.t = t
		defer func() { m.t = outer }()
		do(t)
	})
	if !ok {
		outer.FailNow()
	}
}

// report prints what is known after a failure.
func (m *machine) report() {
	for _, args := range [][]string{
		{"systemctl", "status", "--no-pager", "--full", "--lines=0", "indexd.service", "indexd.socket"},
		{"journalctl", "--no-pager", "--lines=60", "--output=short-precise", "--unit=indexd*"},
	} {
		out, err := m.try(args...)
		m.t.Logf("%s\n%v", out, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// outside runs a command on this machine.
func outside(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, last(out))
	}
	return string(out)
}

func last(out []byte) []byte { return out[max(0, len(out)-4000):] }

// eventually polls until check returns nil, since systemd announces few of its state
// changes.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in %v: %v", what, patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
