package e2e

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"indexd/internal/testutil/fsstress"
)

// mountRig is a daemon in namespaces of its own, where even an ordinary user may mount,
// invisibly to others.
type mountRig struct {
	*daemon
	root string
}

func mountsOf(t *testing.T, before string) *mountRig {
	t.Helper()
	if out, err := exec.Command("unshare", "-U", "-r", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("no namespaces here: %v %s", err, out)
	}
	m := &mountRig{root: treeOf(t)}
	m.daemon = newDaemon(t, "", m.root)
	m.args = append(m.args, "--prune-fs", "")
	m.runBy("unshare", "-U", "-r", "-m", "sh", "-ec", "cd '"+m.root+"'\n"+before+"\n"+`exec "$@"`, "sh")
	t.Cleanup(func() { m.end(syscall.SIGTERM) })
	m.daemon.ready()
	return m
}

// in returns a command that runs in the daemon's namespaces.
func (m *mountRig) in(args ...string) *exec.Cmd {
	pid := strconv.Itoa(m.cmd.Process.Pid)
	cmd := exec.Command("nsenter", append([]string{"-t", pid, "-U", "-m", "--preserve-credentials", "--"}, args...)...)
	return cmd
}

func (m *mountRig) sh(script string) {
	m.t.Helper()
	if out, err := m.in("sh", "-ec", "cd '"+m.root+"'\n"+script).CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v %s", script, err, out)
	}
}

// exact runs a script and compares the next answer with find(1), which skips except.
func (m *mountRig) exact(script string, except ...string) {
	m.t.Helper()
	m.sh(script)
	m.synced(m.root, m.finds(except...))
}

func (m *mountRig) finds(except ...string) []string {
	m.t.Helper()
	args := []string{"find", m.root, "-mindepth", "1"}
	for _, e := range except {
		args = append(args, "(", "-path", m.root+"/"+e, "-prune", "-printf", fsstress.Full, ")", "-o")
	}
	out, err := m.in(append(args, "-printf", fsstress.Full)...).Output()
	if err != nil {
		m.t.Fatal("find(1): ", err)
	}
	return split(string(out))
}

// After mounting below a root, over indexed directories, and binding, the next answer
// equals find(1), and the root is live.
func TestMounts(t *testing.T) {
	m := mountsOf(t, "mkdir -p a/b over/hidden/x new bind; touch a/b/f over/hidden/g")
	m.exact("true")
	// A new mount, then changes in it.
	m.exact("mount -t tmpfs first new; mkdir -p new/p/q; touch new/p/q/f")
	m.exact("touch new/p/g; mkdir new/r; mv new/p new/r/p; chmod 700 new")
	// A mount over an indexed directory.
	m.exact("mount -t tmpfs second over; touch over/seen; mkdir -p over/hidden/other")
	m.exact("echo more >over/hidden/other/f")
	// A tree with two paths is indexed by one of them.
	m.exact("mount --bind a bind", "bind")
	m.exact("touch bind/b/by-the-other-path", "bind")
	m.exact("umount -l bind; touch bind/itself") // -l: the daemon may just look at something there
	if s := m.status(t); s.Roots[0].State != "live" || s.Roots[0].Offline != 0 {
		t.Errorf("%+v", s.Roots)
	}
}

// What is unmounted stays in the index, offline. After it is mounted again, whatever it
// contains by then, the answer equals find(1).
func TestUnmounted(t *testing.T) {
	keep := treeOf(t) // outside of the root
	m := mountsOf(t, "mkdir on; mount -t tmpfs one "+keep+"; mkdir -p "+keep+"/x/y; touch "+keep+"/x/y/f; mount --bind "+keep+" on")
	m.exact("true")
	for i := range 3 {
		n := strconv.Itoa(i)
		m.sh("umount -l on; touch beside-" + n) // -l: as above
		out, errs, status := m.ctl("find", "--sync=3m", "--in", m.root)
		if status != 0 || !strings.Contains(errs, "/on: offline") {
			t.Errorf("status %d: %s", status, errs)
		}
		for _, want := range []string{"/beside-" + n, "/on/x/y/f"} {
			if !slices.Contains(strings.Split(out, "\n"), m.root+want) {
				t.Errorf("%s is missing in %q", want, out)
			}
		}
		if s := m.status(t); s.Roots[0].Offline == 0 || s.Roots[0].State == "live" {
			t.Errorf("%+v", s.Roots)
		}
		m.sh("mkdir " + keep + "/x/y/" + n + "; rm -f " + keep + "/x/y/f")
		m.exact("mount --bind " + keep + " on; touch on/x/" + n + " on/x/y/f")
	}
}
