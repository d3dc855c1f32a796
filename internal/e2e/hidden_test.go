package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/testutil/scale"
	"indexd/store"
)

// get sends an HTTP request as u, and returns the status line and body of the response.
func (d *daemon) get(u *user, method, path, body string) string {
	d.t.Helper()
	conn, err := d.dial(u)
	must(d.t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	all, err := io.ReadAll(conn)
	must(d.t, err)
	head, text, _ := strings.Cut(string(all), "\r\n\r\n")
	line, _, _ := strings.Cut(head, "\r\n")
	return line + "\n" + text
}

// dial connects as u.
func (d *daemon) dial(u *user) (net.Conn, error) {
	type dialed struct {
		conn net.Conn
		err  error
	}
	done := make(chan dialed)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		fd, err := dialBy(u, d.socket())
		if err != nil {
			done <- dialed{nil, err}
			return
		}
		f := os.NewFile(uintptr(fd), "socket")
		defer f.Close()
		c, err := net.FileConn(f)
		done <- dialed{c, err}
	}()
	c := <-done
	return c.conn, c.err
}

// dialBy connects as u. The ids are changed for this thread only.
func dialBy(u *user, socket string) (fd int, err error) {
	// Drop the supplementary groups of the test.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return 0, errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(u.gid), uintptr(u.gid), uintptr(u.gid)); errno != 0 {
		return 0, errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(u.uid), uintptr(u.uid), uintptr(u.uid)); errno != 0 {
		return 0, errno
	}
	if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, err
	}
	return fd, unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
}

// secrets creates what only its owner may know of: files, directories, names that exist
// elsewhere too, names that sort first and last, and the largest and newest of all
// entries.
func secrets(t *testing.T, dir string) {
	t.Helper()
	for _, sub := range []string{"", "/aaa", "/zzz", "/open", "/open/more"} {
		put(t, dir+sub, bob, 0o755, "public.txt", "secret-plan.txt", "0first", "~last", "x.go")
	}
	must(t, os.Truncate(dir+"/aaa/x.go", 1<<40))
	must(t, os.Chtimes(dir+"/zzz/x.go", time.Now().Add(time.Hour), time.Now().Add(time.Hour)))
	must(t, os.Symlink("/", dir+"/root"))
	for i := range 300 {
		must(t, os.WriteFile(fmt.Sprintf("%s/open/more/public-%d.txt", dir, i), nil, 0o666))
	}
}

// TestInvisibleIsNotThere makes all possible requests as a user who may not see a
// directory, before and after something is put into it: not a byte of any answer may
// differ. With INDEXD_LONG it makes four times as many.
func TestInvisibleIsNotThere(t *testing.T) {
	d, top := public(t)
	put(t, top+"/home", nobody, 0o755, "public.txt", "x.go")
	put(t, top+"/home/alice", alice, 0o700, "mine.txt", "public.txt")
	put(t, top+"/home/alice/sub", alice, 0o755, "x.go", "public-1.txt")
	put(t, top+"/home/bob", bob, 0o755)
	vault := put(t, top+"/home/bob/vault", bob, 0o755)
	hidden := []string{vault, vault + "/secret-plan.txt", vault + "/aaa", vault + "/aaa/x.go", vault + "/open/more", vault + "/nothing", vault + "/nothing/x"}
	give(t, top+"/home/bob", bob, 0o700)
	d.ready()
	d.must("find", "-q", "--sync=3m", "public")

	terms := []string{"", "secret-plan"}
	if scale.Long() {
		terms = append(terms, "public", "/vault/", "x.go", "*.txt", "a", "NOT public", "vault")
	}
	var asks [][]string
	for _, flags := range [][]string{
		{}, {"-c"}, {"-q"}, {"-1"}, {"-n3"}, {"-l"}, {"--json"}, {"--explain"}, {"--strict"}, {"--sync=3m"}, {"-i"}, {"-p"},
		{"--sort", "path"}, {"--sort", "size", "-n", "2"}, {"--sort", "mtime", "-n", "1"}, {"--sort", "name", "-n", "2"},
		{"--sort", "ext"}, {"--sort", "size", "--reverse"}, {"--sort", "name", "--reverse", "-n1"}, {"-d", "3"}, {"-t", "d"},
		{"-t", "e"}, {"-S", "+1G"}, {"--changed-within", "1d"}, {"--owner", "61002"}, {"--in", top + "/home"}, {"-E", "alice"},
	} {
		for _, term := range terms {
			ask := append([]string{"find"}, flags...)
			if term != "" {
				ask = append(ask, term)
			}
			asks = append(asks, ask)
		}
	}
	for _, p := range hidden {
		asks = append(asks,
			[]string{"explain", p}, []string{"find", "--in", p}, []string{"find", "-c", "--in", p, "public"}, []string{"check", p},
			[]string{"rescan", "--wait", p}, []string{"rescan", "--wait", "-v", "--json", p}, []string{"find", "--sync=3m", "--in", p},
			[]string{"check", "--repair", p})
	}
	asks = append(asks,
		[]string{"explain", top + "/home/bob"}, []string{"explain", top + "/home"}, []string{"explain", top + "/home/nothing"},
		[]string{"find", "--in", top + "/home/bob"}, []string{"check"}, []string{"check", top + "/home"},
		[]string{"rescan", "--wait", "-v", top + "/home"}, []string{"rescan", "--wait", top + "/home/bob"}, []string{"rescan", "--wait"},
		[]string{"wait", "--ready"}, []string{"wait"}, []string{"cancel", "1"}, []string{"jobs", "1"},
		[]string{"locate", "public"}, []string{"locate", "-c", "secret"}, []string{"locate", "-l1", "public"}, []string{"locate", "-r", "vault"})
	gets := []string{"/v1/find?q=public", "/v1/find?count=1", "/v1/find?q=secret-plan&sort=size&limit=1", "/v1/find?explain=1&q=public", "/v1/find?in=" + vault, "/v1/explain?path=" + vault, "/v1/status", "/metrics", "/v1/jobs/1"}

	answers := func() (list []string) {
		for _, ask := range asks {
			out, errs, status := d.ctlBy(alice, ask...)
			if ask[0] == "rescan" && slices.Contains(ask, "-v") { // as they come
				lines := strings.Split(errs, "\n")
				slices.SortFunc(lines, func(a, b string) int { return strings.Compare(afterWorker(a), afterWorker(b)) })
				for i := range lines {
					lines[i] = afterWorker(lines[i])
				}
				errs = strings.Join(lines, "\n")
			}
			if ask[0] == "explain" { // her own rescans make them newer
				out = whenListed.ReplaceAllString(out, "$1")
			}
			list = append(list, fmt.Sprintf("indexctl %q: status %d\n%s\n%s", ask, status, out, errs))
		}
		for _, path := range gets {
			list = append(list, path+": "+timeless(t, d.get(alice, "GET", path, "")))
		}
		return list
	}
	compare := func(what string, before []string) {
		t.Helper()
		after := answers()
		for i := range before {
			if before[i] != after[i] {
				t.Errorf("%s:\nbefore: %s\nafter: %s", what, before[i], after[i])
			}
			for _, name := range []string{"secret-plan.txt", "0first", "~last", "aaa/", "zzz"} {
				if strings.Contains(strings.ReplaceAll(after[i], vault+"/aaa/x.go", ""), name) && !strings.Contains(before[i], name) {
					t.Errorf("%s: %q in %s", what, name, after[i])
				}
			}
		}
	}
	d.must("rescan", "--wait", top) // job 1, which is not hers
	before := answers()
	secrets(t, vault)
	if out := d.must("find", "-c", "--sync=3m", "secret-plan"); strings.TrimSpace(out) != "5" {
		t.Fatalf("root sees %s", out)
	}
	compare("with the secrets", before)
	must(t, os.RemoveAll(vault+"/open"))
	must(t, os.Rename(vault+"/aaa", vault+"/zzz/aaa"))
	must(t, os.Chmod(vault+"/zzz", 0o711))
	d.must("find", "-q", "--sync=3m", "public")
	compare("with other secrets", before)
}

var whenListed = regexp.MustCompile(`(listed  |names verified at).*`)

// afterWorker returns a line of rescan -v without the number of the worker.
func afterWorker(line string) string {
	if _, rest, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(line, "worker ") {
		return rest
	}
	return line
}

// timeless removes from an answer what depends on the time and on other requests.
func timeless(t *testing.T, answer string) string {
	line, body, _ := strings.Cut(answer, "\n")
	var v map[string]any
	if strings.Contains(body, "# HELP") {
		var kept []string
		for l := range strings.Lines(body) {
			moment := false
			for _, name := range []string{"uptime", "goroutines", "connections", "requests"} {
				moment = moment || strings.HasPrefix(l, "indexd_"+name)
			}
			if !moment {
				kept = append(kept, l)
			}
		}
		return line + "\n" + strings.Join(kept, "")
	}
	if json.Unmarshal([]byte(body), &v) != nil || v["uptime"] == nil {
		return answer
	}
	delete(v, "uptime")
	for _, root := range v["roots"].([]any) {
		delete(root.(map[string]any), "names_verified")
		delete(root.(map[string]any), "metadata_verified")
	}
	b, err := json.Marshal(v)
	must(t, err)
	return line + "\n" + string(b)
}

// TestWhoMayDoWhat checks requests that not everybody may make.
func TestWhoMayDoWhat(t *testing.T) {
	d, top := public(t, "--admin-group", groupOf(t, 1))
	put(t, top+"/alice", alice, 0o700, "a")
	put(t, top+"/bob", bob, 0o700, "b")
	put(t, top+"/all", nobody, 0o755, "c")
	d.ready()
	admin := &user{bob.uid, bob.gid, []uint32{1}}
	job := strings.TrimSpace(d.mustBy(alice, "rescan", top+"/alice"))
	for _, c := range []struct {
		who    *user
		args   []string
		status int
		says   string
	}{
		{alice, []string{"rescan", "--wait", top + "/alice"}, 0, top + "/alice: 1 file in 1 directory\n"},
		{alice, []string{"rescan", "--wait", top + "/all/c"}, 0, ""},
		{alice, []string{"rescan", "--wait", top + "/bob"}, 1, "permission denied"},
		{alice, []string{"rescan", "--wait", top + "/bob/b"}, 1, "no such file or directory in the index"},
		{alice, []string{"rescan", "--wait", top + "/bob/none"}, 1, "no such file or directory in the index"},
		{alice, []string{"rescan", "--wait", top + "/none", top + "/all"}, 1, top + "/all: 1 file in 1 directory\n"},
		{admin, []string{"rescan", "--wait", top + "/bob"}, 0, top + "/bob: 1 file in 1 directory\n"},
		{admin, []string{"rescan", "--wait", top + "/alice"}, 0, ""},
		{admin, []string{"rescan", "--wait", top + "/alice/a"}, 1, "no such file or directory in the index"},
		{alice, []string{"check", "--repair", top + "/alice"}, 3, "admin-group"},
		{admin, []string{"check", "--repair", top + "/bob"}, 0, ""},
		{alice, []string{"check", top + "/alice"}, 0, ""},
		{alice, []string{"jobs", job}, 0, top + "/alice"},
		{alice, []string{"cancel", job}, 1, "has ended already"},
		{bob, []string{"jobs", job}, 1, "job " + job + ": no such job"},
		{bob, []string{"cancel", job}, 1, "job " + job + ": no such job"},
		{bob, []string{"jobs", "1000"}, 1, "job 1000: no such job"},
		{alice, []string{"status"}, 0, "pending  nothing"},
		{admin, []string{"status"}, 0, "entries"},
	} {
		out, errs, status := d.ctlBy(c.who, c.args...)
		if status != c.status || !strings.Contains(out+errs, c.says) {
			t.Errorf("%d %q: status %d, want %d and %q\n%s%s", c.who.uid, c.args, status, c.status, c.says, out, errs)
		}
	}
	var st struct {
		Restricted    bool
		Entries, Dirs int64
		Clock         string
		DB            struct{ Size int64 }
		Roots         []struct {
			Path    string
			Entries int64
		}
	}
	must(t, json.Unmarshal([]byte(d.mustBy(alice, "status", "--json")), &st))
	if !st.Restricted || st.Entries != 0 || st.Dirs != 0 || st.Clock != "" || st.DB.Size != 0 || len(st.Roots) != 1 || st.Roots[0].Entries != 0 {
		t.Errorf("alice is told %+v", st)
	}
	st.Restricted = false
	must(t, json.Unmarshal([]byte(d.mustBy(admin, "status", "--json")), &st))
	if st.Restricted || st.Entries == 0 || st.Clock != "" {
		t.Errorf("an admin is told %+v", st)
	}
	// A root that the caller cannot reach does not exist.
	give(t, top, bob, 0o700)
	d.until("the root is not told of", func() bool {
		out := d.get(alice, "GET", "/v1/status", "")
		return !strings.Contains(out, top) && strings.Contains(out, `"roots":[]`)
	})
	if out, errs, status := d.ctlBy(alice, "find", "--sync"); out != "" || strings.Contains(errs, top) || status != 1 {
		t.Errorf("alice finds in a root that she cannot reach: status %d: %s%s", status, out, errs)
	}
}

// groupOf returns the name of a group.
func groupOf(t *testing.T, gid int) string {
	t.Helper()
	out, err := exec.Command("getent", "group", fmt.Sprint(gid)).Output()
	if err != nil {
		t.Skip("there is no group with that number, or no getent")
	}
	name, _, _ := strings.Cut(string(out), ":")
	return name
}

// TestAttacks checks that nobody can use their own permissions to see what was listed
// under those of others, with a stale index that is not watched.
func TestAttacks(t *testing.T) {
	d, top := public(t, "--watch", "off", "--sweep-interval", "1h")
	shared := put(t, top+"/shared", alice, 0o777)
	for _, n := range []string{"swapped", "linked", "above", "moved", "opened"} {
		put(t, filepath.Join(shared, n), bob, 0o700, "secret-"+n)
		put(t, filepath.Join(shared, n, "in"), bob, 0o755, "secret-in-"+n)
	}
	closed := put(t, top+"/closed", bob, 0o755, "secret-closed")
	d.ready()
	seen := func() (list []string) {
		for _, args := range [][]string{{"secret"}, {"-p", "secret"}, {"--sort", "size", "secret"}, {"--sync=3m", "secret"}} {
			out, errs, _ := d.ctlBy(alice, append([]string{"find", "-0"}, args...)...)
			list = append(list, split(out)...)
			if strings.Contains(errs, "secret") {
				t.Errorf("warned: %s", errs)
			}
		}
		return list
	}
	if list := d.list(alice, "secret-closed"); len(list) != 1 {
		t.Errorf("what is open is not seen: %q", list)
	}
	must(t, os.Chmod(closed, 0o700)) // right behind a look
	if out, _, _ := d.ctlBy(alice, "find", "--sync=3m", "secret-closed"); out != "" {
		t.Errorf("across a barrier: %s", out)
	}
	// Things that the owner of the directory above may do.
	swap := func(name string, do func(dir, away string)) {
		do(filepath.Join(shared, name), filepath.Join(shared, "away-"+name))
		if list := seen(); len(list) > 0 {
			t.Errorf("%s: seen are %q", name, list)
		}
	}
	swap("swapped", func(dir, away string) { // by one of one's own
		must(t, os.Rename(dir, away))
		put(t, dir, alice, 0o755, "mine")
		put(t, dir+"/in", alice, 0o755, "mine")
	})
	swap("linked", func(dir, away string) { // by a link to it
		must(t, os.Rename(dir, away))
		must(t, os.Symlink(away, dir))
	})
	swap("above", func(dir, away string) { // what is above by a link to a directory of one's own
		must(t, os.Rename(dir, away))
		own := put(t, top+"/shared/own", alice, 0o755)
		put(t, own+"/in", alice, 0o755)
		must(t, os.Symlink(own, dir))
	})
	swap("moved", func(dir, away string) { // removed, and made anew with maybe the same inode
		must(t, os.RemoveAll(dir))
		for range 20 {
			put(t, dir, alice, 0o755)
			must(t, os.Remove(dir))
		}
		put(t, dir, alice, 0o755)
	})
	swap("opened", func(dir, away string) { // emptied by its owner, and then opened
		must(t, os.Remove(dir+"/secret-opened"))
		must(t, os.RemoveAll(dir+"/in"))
		must(t, os.Chmod(dir, 0o755))
	})
}

// TestACLSinceTheListing checks that a directory that had no ACL when it was listed is
// not shown to users whom an ACL excludes now, although its mode is the same.
func TestACLSinceTheListing(t *testing.T) {
	if _, err := exec.LookPath("setfacl"); err != nil {
		t.Skip("there is no setfacl")
	}
	d, top := public(t, "--watch", "off", "--sweep-interval", "1h")
	d.ready()
	var dirs []string
	for _, name := range []string{"running", "stopped", "removed"} {
		dirs = append(dirs, put(t, filepath.Join(top, name), bob, 0o755, "secret-"+name))
	}
	shut := func(dir string) {
		if out, err := exec.Command("setfacl", "-m", fmt.Sprintf("u:%d:---", alice.uid), dir).CombinedOutput(); err != nil {
			t.Fatalf("setfacl: %v: %s", err, out)
		}
	}
	shut(dirs[2])
	var last unix.Stat_t
	must(t, unix.Stat(dirs[2], &last))
	for begun := time.Unix(last.Ctim.Unix()); time.Since(begun) < 3500*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		// Until then it could get an ACL without a new ctime.
	}
	d.must("rescan", top)
	if list := d.list(alice, "secret"); len(list) != 2 {
		t.Fatalf("alice sees %q", list)
	}
	d.end(syscall.SIGTERM)
	d.noACL(dirs[0], dirs[1])
	shut(dirs[1])
	d.run()
	d.ready()
	if list := d.list(alice, "secret"); !slices.Equal(list, []string{dirs[0] + "/secret-running"}) {
		t.Errorf("alice sees %q", list)
	}
	shut(dirs[0])
	must(t, exec.Command("setfacl", "-b", dirs[2]).Run())
	if list := d.list(alice, "--sync=3m", "secret"); !slices.Equal(list, []string{dirs[2] + "/secret-removed"}) {
		t.Errorf("alice sees %q", list)
	}
}

// noACL fails the test unless exactly dirs, of the directories that contain a file, are
// stored as having no ACL. The daemon must not be running.
func (d *daemon) noACL(dirs ...string) {
	d.t.Helper()
	var fs unix.Statfs_t
	must(d.t, unix.Statfs(dirs[0], &fs))
	if fs.Type != unix.EXT4_SUPER_MAGIC && fs.Type != unix.TMPFS_MAGIC {
		d.t.Logf("of a file system of type %x it is not kept", fs.Type)
		return
	}
	s, err := store.Open(filepath.Join(d.dir, "index.db"), store.Options{ReadOnly: true})
	must(d.t, err)
	defer s.Close()
	var want, got []string
	for _, dir := range dirs {
		want = append(want, filepath.Base(dir))
	}
	must(d.t, s.View(func(sn *store.Snap) error {
		for c := sn.Cursor(nil, nil); c.Next(); {
			if h := c.Record().Header(); h.NoACL && h.Agg.Count > h.Agg.Dirs {
				got = append(got, path.Base(c.Dir().Rel()))
			}
		}
		return nil
	}))
	same(d.t, "without an ACL", got, want)
}

// list returns what u finds.
func (d *daemon) list(u *user, args ...string) []string {
	out, _, _ := d.ctlBy(u, append([]string{"find", "-0"}, args...)...)
	return split(out)
}

// TestStaleStatAcrossABarrier checks that requests for the present state use no earlier
// stat.
func TestStaleStatAcrossABarrier(t *testing.T) {
	d, top := public(t)
	dir := put(t, top+"/d", bob, 0o755, "secret")
	in := put(t, dir+"/in", bob, 0o755, "secret-in")
	d.ready()
	for range 10 {
		if n := len(d.list(alice, "--sync=3m", "secret")); n != 2 {
			t.Fatalf("%d are seen", n)
		}
		must(t, os.Chmod(dir, 0o700))
		if list := d.list(alice, "--sync=3m", "secret"); len(list) > 0 {
			t.Fatalf("seen are %q", list)
		}
		must(t, os.Chmod(dir, 0o755))
		must(t, os.Chmod(in, 0o711))
		if list := d.list(alice, "--sync=3m", "secret"); !slices.Equal(list, []string{dir + "/secret"}) {
			t.Fatalf("seen are %q", list)
		}
		must(t, os.Chmod(in, 0o755))
	}
}

// TestChangedIsSeen checks that a user who may see a directory sees its contents even
// while it changes all the time, including what was in it before.
func TestChangedIsSeen(t *testing.T) {
	d, top := public(t)
	dir := put(t, top+"/d", alice, 0o755, "stays", "stays-too")
	d.ready()
	for i := range scale.Size(t, "", 10, 50) {
		must(t, os.WriteFile(fmt.Sprintf("%s/new%d", dir, i), nil, 0o600))
		if list := d.list(alice, "stays"); len(list) != 2 {
			t.Fatalf("of two %q are seen", list)
		}
		if out := d.mustBy(alice, "find", "-c", "stays"); out != "2\n" {
			t.Fatalf("of two %s are counted", out)
		}
	}
}

// TestHungAndOffline checks that what hangs or is unmounted is hidden from all users who
// do not see everything, and delays nobody.
func TestHungAndOffline(t *testing.T) {
	d, top := public(t, "--prune-fs=", "--prune-fs=fuse")
	disk := put(t, top+"/disk", nobody, 0o755)
	if err := unix.Mount("none", disk, "tmpfs", 0, "mode=755"); err != nil {
		t.Skip("mount: ", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	put(t, disk+"/in", nobody, 0o755, "away")
	net := put(t, top+"/net", nobody, 0o755, "hangs")
	put(t, net+"/in", nobody, 0o755, "hangs-too")
	put(t, top+"/here", nobody, 0o755, "hangs-not")
	d.ready()
	d.must("rescan", "--wait", top)
	d.must("find", "-q", "--sync=3m", "away")
	if n := len(d.list(alice, "away")); n != 1 {
		t.Fatalf("%d are seen while it is mounted", n)
	}
	must(t, unix.Unmount(disk, unix.MNT_DETACH)) // the daemon may just look at something there
	d.until("root is told that it is offline", func() bool {
		_, errs, _ := d.ctl("find", "away")
		return strings.Contains(errs, "offline")
	})
	if n := len(split(d.must("find", "-0", "away"))); n != 1 {
		t.Errorf("root sees %d", n)
	}
	if out, errs, status := d.ctlBy(alice, "find", "away"); out != "" || errs != "" || status != 1 {
		t.Errorf("of what is offline alice is told %s%s, status %d", out, errs, status)
	}
	if out := d.must("explain", disk); !strings.Contains(out, "\nentries  1\n") || !strings.Contains(out, "is not mounted") {
		t.Errorf("of the directory that it was mounted on root is told\n%s", out)
	}
	if out := d.mustBy(alice, "explain", disk); strings.Contains(out, "entries") || strings.Contains(out, "mounted") {
		t.Errorf("of the directory that it was mounted on alice is told\n%s", out)
	}
	fuse, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("/dev/fuse: ", err)
	}
	defer unix.Close(fuse) // which ends all that waits
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse)
	if err := unix.Mount("none", net, "fuse", 0, options); err != nil {
		t.Skip("mount: ", err)
	}
	defer unix.Unmount(net, unix.MNT_DETACH|unix.MNT_FORCE)
	d.until("what hangs is hidden, and nothing else", func() bool {
		return slices.Equal(d.list(alice, "hangs"), []string{top + "/here/hangs-not"})
	})
	if n := len(split(d.must("find", "-0", "hangs-not"))); n != 1 {
		t.Errorf("root sees %d", n)
	}
}

// until waits for a condition.
func (d *daemon) until(what string, so func() bool) {
	d.t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatalf("not: %s\nindexd said:\n%s", what, d.stderr)
		}
	}
}
