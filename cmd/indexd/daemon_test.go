package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"indexd/internal/config"
	"indexd/internal/indexer"
	"indexd/internal/indexer/jobs"
	"indexd/internal/query"
	"indexd/ipc/wire"
	"indexd/store"
)

// What a client draws a bar from: all that is known to be left.
func TestProgressOfAllPaths(t *testing.T) {
	info := jobs.Info{Queued: 9, Paths: []wire.PathResult{
		{Dirs: 1, Entries: 20, Errors: 1}, {Dirs: 4, Entries: 50},
	}}
	if got, want := progressOf(&info), (wire.Progress{Dirs: 5, Entries: 70, Errors: 1, Queued: 9}); got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
}

// Results come as paths end, and are told in the order asked.
func TestFollowerTellsResultsInOrder(t *testing.T) {
	var paths []wire.PathResult
	for i, path := range []string{"/a", "/b", "/c", "/d"} {
		paths = append(paths, wire.PathResult{Index: i, Path: path, State: wire.JobDone})
	}
	for _, c := range []struct {
		name  string
		ended []int // before the job does
		state wire.JobState
		stops bool
		want  string
	}{
		{"all", []int{2, 0, 3, 1}, wire.JobDone, false, "[/a /b /c /d end done]"},
		{"the last ends first", []int{3}, wire.JobDone, false, "[/a /b /c /d end done]"},
		{"cancelled", []int{0, 2}, wire.JobCancelled, false, "[/a /b /c /d end cancelled]"},
		{"the daemon stops", []int{0, 2}, wire.JobRunning, true, "[/a end running: indexd is stopping]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			f := follower{pr: &principal{d: newDaemon(nil, nil, nil, &config.Config{}, nil), all: true}, results: make(map[int]wire.PathResult), sent: time.Now()}
			f.event = func(e *wire.JobEvent) error {
				switch {
				case e.Path != nil:
					got = append(got, e.Path.Path)
				case e.End != nil && e.End.Error != nil:
					got = append(got, fmt.Sprintf("end %s: %s", e.End.Job.State, e.End.Error))
				case e.End != nil:
					got = append(got, fmt.Sprintf("end %s", e.End.Job.State))
				}
				return nil
			}
			for _, i := range c.ended {
				if err := f.take(1, &jobs.Event{Path: &paths[i]}); err != nil {
					t.Fatal(err)
				}
			}
			end := &jobs.Info{ID: 1, State: c.state, Interrupted: c.stops, Paths: slices.Clone(paths)}
			if err := f.take(1, &jobs.Event{End: end}); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("%v, want %s", got, c.want)
			}
		})
	}
}

func TestFollowerStopsWithItsReader(t *testing.T) {
	gone := errors.New("gone")
	f := follower{pr: &principal{all: true}, event: func(*wire.JobEvent) error { return gone }, results: make(map[int]wire.PathResult), sent: time.Now()}
	if err := f.take(1, &jobs.Event{Dir: &wire.JobDir{Dir: "/a"}}); err != gone {
		t.Error(err)
	}
	if err := f.take(1, &jobs.Event{Path: &wire.PathResult{}}); err != gone {
		t.Error(err)
	}
}

func TestConsole(t *testing.T) {
	var b bytes.Buffer
	c := &console{w: &b, terminal: true}
	c.draw("one")
	c.draw("one") // nothing new
	fmt.Fprintln(c, "a log line")
	c.draw("two")
	c.draw("")
	fmt.Fprintln(c, "another")
	want := clearLine + "one" + clearLine + "a log line\n" + "one" + clearLine + "two" + clearLine + "another\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	c = &console{w: &b}
	c.draw("one")
	fmt.Fprintln(c, "a log line")
	if b.String() != "a log line\n" {
		t.Errorf("%q where there is no terminal", b.String())
	}
	if newConsole(os.Stdin).terminal != isTerminal(t, "/dev/stdin") {
		t.Error("a terminal is not told from a file")
	}
}

// isTerminal asks test(1).
func isTerminal(t *testing.T, file string) bool {
	f, err := os.Open(file)
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	cmd := exec.Command("test", "-t", "0")
	cmd.Stdin = f
	return cmd.Run() == nil
}

func TestGrouped(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestNeedRestart(t *testing.T) {
	a := config.Config{DB: "/a", Workers: 1, Roots: []string{"/"}}
	b := config.Config{DB: "/b", Workers: 2, Roots: []string{"/x"}}
	if got := needRestart(&a, &b); !slices.Equal(got, []string{"db", "workers"}) {
		t.Errorf("%q", got)
	}
	if got := needRestart(&a, &a); got != nil {
		t.Errorf("%q", got)
	}
}

// A socket that systemd hands over is listened at, and left when we stop; the
// configured one is not made.
func TestSocketHandedOver(t *testing.T) {
	dir, err := os.MkdirTemp("", "indexd")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec indexd "$@"`, "sh",
		"--config=", "--db", filepath.Join(dir, "db"), "--socket", filepath.Join(dir, "other"), t.TempDir())
	cmd.ExtraFiles = []*os.File{f}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c, ctx, cancel := client(filepath.Join(dir, "s"))
	defer cancel()
	werr := c.Wait(ctx, true)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || werr != nil {
		t.Errorf("%v, %v: %s", err, werr, stderr.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "other")); !os.IsNotExist(err) {
		t.Error("the configured socket was made too")
	}
	if _, err := os.Stat(filepath.Join(dir, "s")); err != nil {
		t.Error("systemd's socket was removed: ", err)
	}
}

// Who reads the log may go away; the daemon does not go with them.
func TestNobodyReadsTheLog(t *testing.T) {
	dir := t.TempDir()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("indexd", "--config=", "--db", filepath.Join(dir, "db"), "--socket", filepath.Join(dir, "s"), t.TempDir())
	cmd.Stderr = w
	r.Close()
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	c, ctx, cancel := client(filepath.Join(dir, "s"))
	defer cancel()
	if err := c.Wait(ctx, true); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// indexctl says the same of a path of which it knows before.
func TestTextOfWhatIsNotIndexed(t *testing.T) {
	if indexer.ErrNotIndexed.Error() != wire.NotIndexed {
		t.Errorf("%q and %q", indexer.ErrNotIndexed, wire.NotIndexed)
	}
}

func TestUnknownNamesAreBadRequests(t *testing.T) {
	for _, req := range []wire.FindRequest{{Request: query.Request{Sort: "color"}}, {Request: query.Request{Mode: "poem"}}, {Request: query.Request{Case: "lower"}}} {
		if _, err := compile(&req); !errors.Is(err, wire.ErrBadRequest) {
			t.Errorf("%+v: %v", req, err)
		}
	}
	for _, sort := range []query.Sort{"", "path", "name", "size", "mtime", "ext"} {
		if _, err := compile(&wire.FindRequest{Request: query.Request{Sort: sort, Mode: "terms", Case: "smart"}}); err != nil {
			t.Errorf("sort %q: %v", sort, err)
		}
	}
}

func TestPlainErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{store.ErrFull, "the database has reached its size limit"},
		{fmt.Errorf("open /x: %w: %w", store.ErrNotDatabase, io.EOF), "open /x: not an index database: EOF"},
		{io.EOF, "EOF"},
	} {
		if err := problem(c.err); err.Error() != c.want || !errors.Is(err, c.err) {
			t.Errorf("%v: %v, want %s", c.err, err, c.want)
		}
	}
	if problem(nil) != nil {
		t.Error("nil is an error")
	}
}
