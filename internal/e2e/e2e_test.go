// Package e2e tests the programs as a user runs them, against find(1).
package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"indexd/internal/testutil/race"
	"indexd/ipc/wire"
)

// programs builds indexd and indexctl once and returns their directory. INDEXD_BIN names
// one that already contains them, for running the tests without Go.
var programs = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("INDEXD_BIN"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "indexd-e2e-")
	if err != nil {
		return "", err
	}
	build := []string{"build", "-o", dir + "/"}
	if race.On {
		build = append(build, "-race")
	}
	out, err := exec.Command("go", append(build, "indexd/cmd/indexd", "indexd/cmd/indexctl")...).CombinedOutput()
	if err != nil {
		return dir, errors.New(err.Error() + ": " + string(out))
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		return // every test here runs whole programs for seconds
	}
	status := m.Run()
	if dir, _ := programs(); os.Getenv("INDEXD_BIN") == "" {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

// daemon is a running indexd.
type daemon struct {
	t      *testing.T
	bin    string
	dir    string // contains the database and the socket
	args   []string
	cmd    *exec.Cmd
	stderr *said
}

// start runs indexd over roots with a database in dir ("" for a new one).
func start(t *testing.T, dir string, args ...string) *daemon {
	t.Helper()
	d := newDaemon(t, dir, args...)
	d.run()
	t.Cleanup(func() { d.end(syscall.SIGTERM) })
	return d
}

// newDaemon prepares a daemon without starting it.
func newDaemon(t *testing.T, dir string, args ...string) *daemon {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil && os.Getenv("INDEXD_BIN") == "" {
		t.Skip("there is no go to build the programs with, and no INDEXD_BIN")
	}
	bin, err := programs()
	if err != nil {
		t.Fatalf("build the programs: %v", err)
	}
	if dir == "" {
		// The path of a socket is limited to 107 bytes, that of t.TempDir is not.
		if dir, err = os.MkdirTemp("", "e2e-"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
	}
	return &daemon{t: t, bin: bin, dir: dir, args: args}
}

// said collects the output of a daemon and may be read while it runs.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func (d *daemon) run() { d.runBy() }

// runBy runs the daemon through a command that ends by executing its arguments.
func (d *daemon) runBy(command ...string) {
	d.t.Helper()
	d.stderr = new(said)
	command = append(command, filepath.Join(d.bin, "indexd"), "--config", "/dev/null",
		"--db", filepath.Join(d.dir, "index.db"), "--socket", d.socket())
	command = append(command, d.args...)
	d.cmd = exec.Command(command[0], command[1:]...)
	d.cmd.Stderr = d.stderr
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) socket() string { return filepath.Join(d.dir, "s") }

// end sends a signal and waits for the daemon to end. A second call does nothing.
func (d *daemon) end(sig syscall.Signal) {
	d.t.Helper()
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(sig)
	err := d.cmd.Wait()
	if err != nil && sig != syscall.SIGKILL {
		d.t.Errorf("indexd ended with %v:\n%s", err, d.stderr)
	}
	d.cmd = nil
}

func (d *daemon) signal(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Error(err)
	}
}

// status returns the daemon's status.
func (d *daemon) status(t *testing.T) (s wire.Status) {
	t.Helper()
	if err := json.Unmarshal([]byte(d.must("status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// ctl runs indexctl and returns its output and exit status.
func (d *daemon) ctl(args ...string) (stdout, stderr string, status int) {
	d.t.Helper()
	return outcome(d.t, d.command(args...))
}

// outcome runs a command and returns its output and exit status.
func outcome(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return out.String(), errs.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), 0
}

func (d *daemon) command(args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(d.bin, "indexctl"), append([]string{"--socket", d.socket()}, args...)...)
}

// must is ctl for commands that have to succeed.
func (d *daemon) must(args ...string) string {
	d.t.Helper()
	out, errs, status := d.ctl(args...)
	if status != 0 {
		d.t.Fatalf("indexctl %q: exit status %d\n%s\nindexd said:\n%s", args, status, errs, d.stderr)
	}
	return out
}

// patience is how long a condition may take to become true on a loaded machine.
const patience = 3 * time.Minute

// ready waits until the daemon answers and has listed everything.
func (d *daemon) ready() {
	d.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		_, errs, status := d.ctl("wait", "--timeout", patience.String())
		if status == 0 {
			return
		}
		if status != 3 || time.Now().After(end) {
			d.t.Fatalf("wait: exit status %d: %s\nindexd said:\n%s", status, errs, d.stderr)
		}
	}
}

// split splits NUL-terminated records and sorts them.
func split(out string) []string {
	list := strings.Split(out, "\x00")
	list = list[:len(list)-1]
	slices.Sort(list)
	return list
}

// find returns what find(1) finds below root, sorted.
func find(t *testing.T, root string, args ...string) []string {
	t.Helper()
	return findAll(t, append(append([]string{root, "-mindepth", "1"}, args...), "-print0")...)
}

// findAll returns the NUL-terminated records that find(1) prints, sorted.
func findAll(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("find", args...).Output()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || os.Geteuid() == 0) {
		t.Fatalf("find(1): %v", err) // an ordinary user's find fails on what it may not read
	}
	return split(string(out))
}

// same fails the test if got and want differ, and shows the first paths that only one of
// them has.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	shown := 0
	for i, j := 0, 0; (i < len(got) || j < len(want)) && shown < 10; {
		switch {
		case j == len(want) || i < len(got) && got[i] < want[j]:
			t.Errorf("%s: the index alone has %.200q", what, got[i])
			i++
			shown++
		case i == len(got) || want[j] < got[i]:
			t.Errorf("%s: find(1) alone has %.200q", what, want[j])
			j++
			shown++
		default:
			i++
			j++
		}
	}
	t.Fatalf("%s: the index has %d paths, find(1) %d", what, len(got), len(want))
}

// indexd returns a command that runs another daemon.
func (d *daemon) indexd(args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(d.bin, "indexd"), append([]string{"--config", "/dev/null"}, args...)...)
}

func (d *daemon) verify() (string, error) {
	out, err := d.indexd("--db", filepath.Join(d.dir, "index.db"), "--verify-db").CombinedOutput()
	return string(out), err
}
