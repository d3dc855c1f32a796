package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/testutil/scale"
)

func TestFindEqualsFindOnUsr(t *testing.T) {
	root := "/usr/share"
	if scale.Long() {
		root = "/usr"
	}
	d := start(t, "", root)
	d.ready()
	for was := find(t, root); ; {
		got, want := split(d.must("find", "-0", "--sync=3m")), find(t, root)
		if slices.Equal(was, want) {
			same(t, root, got, want)
			return
		}
		was = want // others change it: once more
	}
}

// hostile creates a tree of names that trip up programs, and a directory of many files.
func hostile(t *testing.T, many int) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"new\nline", "\n", "tab\tand\rreturn", "\x01\x02\x1b[31m", "\xff\xfe not UTF-8 \x80", "-rf", "--help", "-",
		" ", " leading and trailing ", "*?[a-z]{x,y}", "a|b", "!", "\\", `"quoted"`, "'", "~", "$HOME", "é", "e\u0301", "日本語",
		strings.Repeat("x", 255), strings.Repeat("\xc3", 255), "...", ".hidden", "a:b", "size:>1G",
	} {
		must(os.WriteFile(root+"/"+name, []byte(name), 0o644))
		must(os.MkdirAll(root+"/dirs/"+name, 0o755))
		must(os.WriteFile(root+"/dirs/"+name+"/"+name, nil, 0o600))
	}
	must(os.Mkdir(root+"/many", 0o755))
	for i := range many {
		f, err := os.Create(fmt.Sprintf("%s/many/%x", root, i*2654435761%(1<<32)))
		must(err)
		f.Close()
	}
	must(os.Mkdir(root+"/special", 0o755))
	must(unix.Mkfifo(root+"/special/fifo", 0o644))
	must(os.Symlink("nowhere", root+"/special/dangling"))
	must(os.Symlink(".", root+"/special/loop"))
	must(os.Symlink("self", root+"/special/self"))
	must(os.Symlink("/", root+"/special/root"))
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(err)
	defer unix.Close(fd)
	// The path of a bound socket is limited, so it is created through its directory.
	dir, err := os.Open(root + "/special")
	must(err)
	defer dir.Close()
	must(unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/socket", dir.Fd())}))
	// 60 × 200 bytes: only openat can reach it.
	at, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(err)
	for range 60 {
		name := strings.Repeat("d", 200)
		must(unix.Mkdirat(at, name, 0o755))
		next, err := unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY, 0)
		must(err)
		unix.Close(at)
		at = next
	}
	leaf, err := unix.Openat(at, "leaf", unix.O_CREAT|unix.O_WRONLY, 0o644)
	must(err)
	unix.Close(leaf)
	unix.Close(at)
	return root
}

func TestFindEqualsFindOnHostileNames(t *testing.T) {
	root := hostile(t, scale.Size(t, "", 10_000, 30_000))
	d := start(t, "", root)
	d.ready()
	want := find(t, root)
	same(t, "first index", split(d.must("find", "-0")), want)
	for _, typ := range "fdlsp" {
		same(t, "type "+string(typ), split(d.must("find", "-0", "-t", string(typ))), find(t, root, "-type", string(typ)))
	}
	d.must("rescan", "--wait")
	same(t, "rescan", split(d.must("find", "-0")), want)
	if out, errs, status := d.ctl("check"); status != 0 {
		t.Errorf("check: exit status %d\n%s%s", status, out, errs)
	}
	for _, p := range want {
		// The kernel accepts no argument as long as the deepest paths.
		if out, errs, status := d.ctl("explain", "--", p); status != 0 || !strings.Contains(out, "indexed  yes") {
			t.Fatalf("explain %.100q: exit status %d: %s%s", p, status, out, errs)
		}
		if strings.Contains(p, "/many/") {
			break
		}
	}
}

// Killed at any moment of its first index, the daemon continues after the next start and
// ends up with what find(1) finds.
func TestKillsDuringTheFirstIndex(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	root := hostile(t, scale.Size(t, "", 10_000, 30_000))
	d := start(t, "", root)
	for range scale.Size(t, "", 4, 10) {
		// This does not wait for something: the moment is random.
		time.Sleep(time.Duration(rnd.IntN(200)) * time.Millisecond)
		d.end(syscall.SIGKILL)
		d.run()
	}
	d.ready()
	same(t, "after the kills", split(d.must("find", "-0")), find(t, root))
	d.end(syscall.SIGTERM)
	if out, err := d.verify(); err != nil {
		t.Errorf("--verify-db: %v\n%s", err, out)
	}
}

func TestTwoDaemons(t *testing.T) {
	root := t.TempDir()
	d := start(t, "", root)
	d.ready()
	for _, other := range [][2]string{{"index.db", "other"}, {"other.db", "s"}} {
		cmd := d.indexd("--db", filepath.Join(d.dir, other[0]), "--socket", filepath.Join(d.dir, other[1]), root)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("a second daemon on %q: %v, said %q", other, err, errs.String())
		}
	}
	d.must("status")
}

// A rescan that its user interrupts is cancelled, and the daemon continues.
func TestInterruptedRescan(t *testing.T) {
	root := hostile(t, scale.Size(t, "", 10_000, 30_000))
	d := start(t, "", "--workers", "1", root)
	d.ready()
	cmd := d.command("rescan", "--wait", "-v")
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := errs.Read(make([]byte, 1)); err != nil { // the first line: it is under way
		t.Fatal(err)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	var rest bytes.Buffer
	_, _ = rest.ReadFrom(errs)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 && code != 0 { // 0: it was done before
		t.Errorf("exit status %d", code)
	}
	d.must("wait", "--timeout", "3m")
	same(t, "after the interrupt", split(d.must("find", "-0")), find(t, root))
}
