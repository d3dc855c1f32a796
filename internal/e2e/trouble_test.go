package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"indexd/internal/testutil/disk"
	"indexd/internal/testutil/scale"
	"indexd/ipc/wire"
)

// asked returns the daemon's status, and false if it does not answer.
func (d *daemon) asked() (s wire.Status, ok bool) {
	d.t.Helper()
	out, _, exit := d.ctl("status", "--json")
	if exit != 0 {
		return s, false
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		d.t.Fatal(err)
	}
	return s, true
}

// becomes waits until the status satisfies a condition.
func (d *daemon) becomes(what string, so func(*wire.Status) bool) (s wire.Status) {
	d.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		s, answers := d.asked()
		if answers && so(&s) {
			return s
		}
		if time.Now().After(end) {
			d.t.Fatalf("never %s; status is %+v\nindexd said:\n%s", what, s, d.stderr)
		}
	}
}

// stir makes n random changes to a tree.
func stir(t *testing.T, r *rand.Rand, root string, n int) {
	t.Helper()
	for range n {
		dir := filepath.Join(root, fmt.Sprint("d", r.IntN(30)))
		name := filepath.Join(dir, fmt.Sprint("a name of some length, so that few are enough ", r.IntN(300)))
		var err error
		switch r.IntN(8) {
		case 0:
			err = os.RemoveAll(name)
		case 1:
			err = os.RemoveAll(dir)
		case 2:
			if err = os.MkdirAll(filepath.Join(dir, "deep", fmt.Sprint(r.IntN(5))), 0o755); err == nil {
				err = os.Rename(dir, filepath.Join(root, fmt.Sprint("moved", r.IntN(1e9))))
			}
		default:
			if err = os.MkdirAll(dir, 0o755); err == nil {
				if st, serr := os.Stat(name); serr == nil && st.IsDir() {
					continue
				}
				err = os.WriteFile(name, make([]byte, r.IntN(100)), 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// troubled runs a daemon whose database is on a disk that fails from fail on and works
// again from heal on, while a tree changes. The daemon keeps answering, reports the
// failure, warns of what is not right, and becomes right again. INDEXD_FAULTS is the
// number of rounds.
func troubled(t *testing.T, disk *disk.Disk, fail, heal func()) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	root, quiet := filepath.Join(t.TempDir(), "root"), t.TempDir()
	if err := os.WriteFile(filepath.Join(quiet, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	stir(t, r, root, 300)
	states := notified(t)
	d := start(t, disk.Dir, "--watch", "inotify", root, quiet)
	d.ready()
	same(t, "at first", split(d.must("find", "-0", "--in", root)), find(t, root))
	for round := range scale.Size(t, "INDEXD_FAULTS", 1, 1) {
		fail()
		s := d.becomes("degraded", func(s *wire.Status) bool {
			if s.Degraded == "" {
				stir(t, r, root, 50)
			}
			return s.Degraded != ""
		})
		for _, want := range []string{s.Roots[0].State, s.Roots[1].State} {
			if want != "degraded" {
				t.Errorf("a root is %s", want)
			}
		}
		if out := d.must("status"); !strings.Contains(out, "degraded: "+s.Degraded) {
			t.Errorf("status does not say %q:\n%s", s.Degraded, out)
		}
		states.wait("Degraded: " + s.Degraded)
		stir(t, r, root, 500)
		if out, errs, exit := d.ctl("find", "-c", "--in", root); exit != 0 || out == "0\n" || !strings.Contains(errs, "not yet written") {
			t.Errorf("a count: %q, exit status %d, %q", out, exit, errs)
		}
		if _, _, exit := d.ctl("find", "--strict", "-q", "--in", root); exit != 4 {
			t.Errorf("a strict question: exit status %d", exit)
		}
		if _, errs, exit := d.ctl("find", "no such name", "--in", root); exit != 4 || errs == "" {
			t.Errorf("what is not found: exit status %d, %q", exit, errs)
		}
		if out, errs, exit := d.ctl("find", "--strict", "file", "--in", quiet); exit != 0 || errs != "" || out != filepath.Join(quiet, "file")+"\n" {
			t.Errorf("where nothing changed: %q, exit status %d, %q", out, exit, errs)
		}
		if _, _, exit := d.ctl("find", "--sync=50ms", "-c", "--in", root); exit != 4 {
			t.Errorf("--sync: exit status %d", exit)
		}
		heal()
		d.becomes("well again", func(s *wire.Status) bool { return s.Degraded == "" })
		states.wait("Ready.")
		stir(t, r, root, 50)
		out := split(d.must("find", "-0", "--sync=3m", "--in", root))
		same(t, fmt.Sprint("after round ", round), out, find(t, root))
		d.until("it is said once that it cannot be written, and once that it can, each time", func() bool {
			said := d.stderr.String()
			n := strings.Count(said, "the index cannot be written")
			return n > round && n == strings.Count(said, "the index can be written again")
		})
	}
	d.end(15)
	if out, err := d.verify(); err != nil {
		t.Errorf("the database: %v: %s", err, out)
	}
}

func TestFullDiskInAStorm(t *testing.T) {
	disk := disk.Full(t, "30m")
	ballast := filepath.Join(disk.Dir, "ballast")
	troubled(t, disk, func() {
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for buf := make([]byte, 64<<10); ; {
			if _, err := f.Write(buf); err != nil {
				break // full
			}
		}
	}, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
}

// Syncs fail, after which the page cache contains data that the disk does not.
func TestFailingDiskInAStorm(t *testing.T) {
	disk := disk.Failing(t, "64M", "60m")
	troubled(t, disk, disk.Tighten, func() { disk.Room("60m") })
}

// states are the messages that a daemon sends to systemd.
type states struct {
	t    *testing.T
	conn *net.UnixConn
	last string
}

// notified makes the next daemon believe that systemd has started it.
func notified(t *testing.T) *states {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return &states{t: t, conn: conn}
}

// wait returns when STATUS equals want.
func (s *states) wait(want string) {
	s.t.Helper()
	buf := make([]byte, 4096)
	for {
		if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			s.t.Fatal(err)
		}
		n, err := s.conn.Read(buf)
		if err != nil {
			s.t.Fatalf("systemd was never told %q, last %q: %v", want, s.last, err)
		}
		for line := range bytes.Lines(buf[:n]) {
			if text, ok := strings.CutPrefix(strings.TrimSuffix(string(line), "\n"), "STATUS="); ok {
				s.last = text
			}
		}
		if s.last == want {
			return
		}
	}
}

// A daemon that may open hardly any files still lists everything and still answers, even
// when clients have used up all of its descriptors.
func TestFewFiles(t *testing.T) {
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		t.Skip(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	stir(t, r, root, 1000)
	d := newDaemon(t, "", "--workers", "32", root)
	d.runBy(prlimit, "--nofile=20:20")
	t.Cleanup(func() { d.end(15) })
	d.ready()
	same(t, "at first", split(d.must("find", "-0")), find(t, root))
	var idle []net.Conn
	for range 40 { // more than it may have files
		if c, err := net.DialTimeout("unix", d.socket(), 100*time.Millisecond); err == nil {
			idle = append(idle, c)
		}
	}
	stir(t, r, root, 1000)
	for _, c := range idle {
		c.Close()
	}
	same(t, "after changes", split(d.must("find", "-0", "--sync=3m")), find(t, root))
	s, _ := d.asked()
	for i := range s.Roots {
		if s.Roots[i].Unreadable > 0 || s.Roots[i].State == wire.RootOffline {
			t.Errorf("%+v", s.Roots[i])
		}
	}
	if n := strings.Count(d.stderr.String(), "too many open files"); n > 1 {
		t.Errorf("it says %d times what is wrong:\n%s", n, d.stderr)
	}
}

// A database that reaches its maximum size does not grow, reports that, keeps answering,
// and continues when the limit is raised.
func TestMaxSize(t *testing.T) {
	t.Parallel()
	const most = 4 << 20
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	fill := func(dir string, n int) {
		t.Helper()
		dir = filepath.Join(root, dir)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			name := fmt.Sprintf("%s/%06d%s", dir, i, strings.Repeat("long ", 45))
			if err := os.Link(filepath.Join(root, "file"), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	fill("first", 2000)
	d := start(t, "", "--max-size", "4M", root)
	d.ready()
	fill("second", 14000)
	s := d.becomes("full", func(s *wire.Status) bool { return s.Degraded != "" })
	if !strings.Contains(s.Degraded, "max-size") || s.DB.Max != most {
		t.Errorf("it says %q, of %d at most", s.Degraded, s.DB.Max)
	}
	if out, _, exit := d.ctl("find", "-c", "--in", filepath.Join(root, "first")); exit != 0 || out != "2000\n" {
		t.Errorf("what it has: %q, exit status %d", out, exit)
	}
	if _, errs, exit := d.ctl("find", "--strict", "-q"); exit != 4 || errs == "" {
		t.Errorf("a strict question: exit status %d, %q", exit, errs)
	}
	for name := range map[string]bool{"index.db": true, "index.db.compact": true} {
		if fi, err := os.Stat(filepath.Join(d.dir, name)); err == nil && fi.Size() > most {
			t.Errorf("%s has %d bytes", name, fi.Size())
		}
	}
	d.end(15)
	d.args = []string{"--max-size", "1G", root}
	d.run()
	d.ready()
	same(t, "with more room", split(d.must("find", "-0", "--sync=3m")), find(t, root))
}
