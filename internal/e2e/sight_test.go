package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"indexd/internal/testutil/scale"
)

// user is the identity that a program runs with.
type user struct {
	uid, gid uint32
	groups   []uint32
}

func (u *user) attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.uid, Gid: u.gid, Groups: u.groups}}
}

// by runs a command as u and returns its output and exit status.
func (u *user) by(t *testing.T, name string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr, cmd.Dir = u.attr(), "/"
	return outcome(t, cmd)
}

// ctlBy is ctl as u.
func (d *daemon) ctlBy(u *user, args ...string) (stdout, stderr string, status int) {
	d.t.Helper()
	return u.by(d.t, filepath.Join(d.bin, "indexctl"), append([]string{"--socket", d.socket()}, args...)...)
}

// mustBy is must as u.
func (d *daemon) mustBy(u *user, args ...string) string {
	d.t.Helper()
	out, errs, status := d.ctlBy(u, args...)
	if status != 0 {
		d.t.Fatalf("indexctl %q as %d: exit status %d\n%s\nindexd said:\n%s", args, u.uid, status, errs, d.stderr)
	}
	return out
}

var (
	alice = &user{61001, 62001, nil}
	bob   = &user{61002, 62002, nil}
)

// public starts indexd as root where other users can reach it, over a directory that they
// can reach too.
func public(t *testing.T, args ...string) (d *daemon, top string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("to run programs as other users needs root")
	}
	top, err := os.MkdirTemp("", "e2e-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(top) })
	must(t, os.Chmod(top, 0o755))
	dir, err := os.MkdirTemp("", "e2e-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	d = start(t, dir, append(args, top)...)
	must(t, os.Chmod(d.bin, 0o755))
	return d, top
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// give sets the owner, mode and, optionally, ACL (for setfacl) of a directory.
func give(t *testing.T, path string, u *user, mode fs.FileMode) {
	t.Helper()
	must(t, os.Chown(path, int(u.uid), int(u.gid)))
	must(t, os.Chmod(path, mode))
}

var nobody = &user{0, 0, nil}

// put creates a directory of u's with files that contain their names.
func put(t *testing.T, dir string, u *user, mode fs.FileMode, files ...string) string {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	for _, name := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600))
	}
	give(t, dir, u, mode)
	return dir
}

// randomRights gives a directory arbitrary permissions.
func randomRights(t *testing.T, r *rand.Rand, dir string, acls bool) {
	pick := func(list ...int) int { return list[r.IntN(len(list))] }
	owner, group := pick(0, 61001, 61002, 61003), pick(0, 62001, 62002, 62003)
	mode := fs.FileMode(r.IntN(0o1000))
	if r.IntN(2) == 0 {
		mode |= fs.FileMode(pick(0o711, 0o755, 0o750, 0o705))
	}
	must(t, os.Chown(dir, owner, group))
	must(t, os.Chmod(dir, mode))
	if !acls || r.IntN(2) == 0 {
		return
	}
	perm := func() string { return []string{"---", "r--", "--x", "r-x", "rwx"}[r.IntN(5)] }
	list := fmt.Sprintf("u:%d:%s,g:%d:%s", pick(61001, 61002, 61003), perm(), pick(62001, 62002, 62003), perm())
	if r.IntN(2) == 0 {
		list += ",m::" + perm()
	}
	if out, err := exec.Command("setfacl", "-b", "-m", list, dir).CombinedOutput(); err != nil {
		t.Fatalf("setfacl %s: %v: %s", list, err, out)
	}
}

// TestSightEqualsFind makes requests as users of all kinds, on trees with all kinds of
// permissions, also after these have changed. It compares with find(1), run by the same
// user on each directory, so that it also reaches what is below directories that may be
// searched but not read. INDEXD_SIGHT is the number of rounds of about 3,000 verdicts
// each.
func TestSightEqualsFind(t *testing.T) {
	d, top := public(t)
	_, err := exec.LookPath("setfacl")
	acls := err == nil
	if !acls {
		t.Log("without ACLs: there is no setfacl")
	}
	rounds := scale.Size(t, "INDEXD_SIGHT", 1, 4)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var grow func(dir string, depth int)
	grow = func(dir string, depth int) {
		for i := range 4 {
			sub := put(t, fmt.Sprintf("%s/d%d", dir, i), nobody, 0o755, "file", fmt.Sprintf("f%d", r.IntN(9)))
			if depth > 1 {
				grow(sub, depth-1)
			}
		}
	}
	grow(top, 4)
	dirsOf := func() (dirs []string) {
		must(t, filepath.WalkDir(top, func(p string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs = append(dirs, p)
			}
			return err
		}))
		return dirs
	}
	for _, dir := range dirsOf()[1:] {
		randomRights(t, r, dir, acls)
	}
	d.ready()
	verdicts, shown := 0, 0
	for round := range rounds {
		dirs := dirsOf()
		for range 9 {
			u := &user{uid: uint32(61001 + r.IntN(3)), gid: uint32(62001 + r.IntN(4))}
			for range r.IntN(3) {
				u.groups = append(u.groups, uint32(62001+r.IntN(3)))
			}
			what := fmt.Sprintf("round %d as %+v", round, *u)
			list := func(tests ...string) []string {
				out, _, _ := u.by(t, "find", slices.Concat(dirs, []string{"-mindepth", "1", "-maxdepth", "1"}, tests, []string{"-print0"})...)
				return split(out)
			}
			ask := func(args ...string) []string {
				out, errs, status := d.ctlBy(u, append([]string{"find", "-0"}, args...)...)
				if errs != "" {
					t.Logf("%s: %q: warned: %s", what, args, errs)
				}
				if status > 1 {
					t.Fatalf("%s: %q: status %d: %s\n%s", what, args, status, errs, d.stderr)
				}
				return split(out)
			}
			all := list()
			same(t, what, ask("--sync=3m"), all)
			same(t, what+": with a size", ask("size:>=0"), list("-size", "-9999999"))
			same(t, what+": of a type", ask("-t", "f", "name:f"), list("-type", "f", "-name", "*f*"))
			if out, _, _ := d.ctlBy(u, "find", "-c"); strings.TrimSpace(out) != strconv.Itoa(len(all)) {
				t.Errorf("%s: counted %s, listed %d", what, out, len(all))
			}
			verdicts += len(dirs)
			shown += len(all)
		}
		for range 30 {
			dir := dirs[1+r.IntN(len(dirs)-1)]
			switch to := dirs[r.IntN(len(dirs))] + fmt.Sprintf("/m%d", r.IntN(5)); {
			case r.IntN(4) == 0:
				_ = os.Rename(dir, to) // it may have gone, or be to go into itself
			default:
				if _, err := os.Lstat(dir); err == nil {
					randomRights(t, r, dir, acls)
				}
			}
		}
	}
	t.Logf("%d verdicts, %d entries shown", verdicts, shown)
}
