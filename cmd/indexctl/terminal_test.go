package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"indexd/cmd/indexctl/internal/console"
	"indexd/internal/testutil/scale"
)

// openPTY opens a pseudoterminal. What is written to tty can be read from ctl.
func openPTY(t *testing.T) (ctl, tty *os.File) {
	t.Helper()
	ctl, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { ctl.Close() })
	n, err := unix.IoctlGetInt(int(ctl.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ctl.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { tty.Close() })
	if err := unix.IoctlSetWinsize(int(ctl.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	return ctl, tty
}

// asked returns a run of indexctl that asks the daemon at socket.
func asked(socket string, args ...string) *exec.Cmd {
	cmd := exec.Command("indexctl", args...)
	cmd.Env = append(os.Environ(), "INDEXD_SOCKET="+socket, "NO_COLOR=", "TERM=xterm", noRaceSleep)
	return cmd
}

// onTerminal runs cmd with a terminal as stdout and stderr and returns what is shown there.
func onTerminal(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	ctl, tty := openPTY(t)
	cmd.Stdout, cmd.Stderr = tty, tty
	var shown bytes.Buffer
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(&shown, ctl) }) // ends with EIO when the terminal is closed
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
	}
	tty.Close()
	wg.Wait()
	return strings.ReplaceAll(shown.String(), "\r\n", "\n")
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const rows = `{"path":"/a/Read\u001b[2Jme","type":"f","size":1,"mode":"0644"}
{"path":"/readme/x\ny readme","type":"f","size":1,"mode":"0644"}
`

// TestTerminal checks that control characters are escaped and matches coloured on a terminal,
// but not in a pipe unless requested.
func TestTerminal(t *testing.T) {
	scale.SkipIfShort(t)
	dir := t.TempDir()
	_, socket, stop := serve(t, dir)
	defer stop()
	write(t, dir, "rows", rows)
	const on, off = colorMatch, colorOff
	escaped := "/a/Read\\x1b[2Jme\n/readme/x\\ny readme\n"
	marked := "/a/Read\\x1b[2J" + on + "me" + off + "\n/readme/x\\ny read" + on + "me" + off + "\n"

	if got := onTerminal(t, asked(socket, "find", "me")); got != marked {
		t.Errorf("coloured: %q, want %q", got, marked)
	}
	for _, c := range []struct {
		env, args, want string
	}{
		{"NO_COLOR=1", "find me", escaped},
		{"NO_COLOR=1", "find me --color=always", marked},
		{"TERM=dumb", "find me", escaped},
		{"X=", "find me --color=never", escaped},
		{"X=", "find -0 me --color=never", strings.ReplaceAll(escaped, "\n", "\x00")},
		{"X=", "find -c me", "2\n"},
	} {
		cmd := asked(socket, strings.Fields(c.args)...)
		cmd.Env = append(cmd.Env, c.env)
		if got := onTerminal(t, cmd); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.env, c.args, got, c.want)
		}
	}
	if got := onTerminal(t, asked(socket, "find", "-l", "me")); !strings.Contains(got, " /a/Read\\x1b[2J"+on+"me"+off+"\n") {
		t.Errorf("long: %q", got)
	}

	raw := "/a/Read\x1b[2Jme\n/readme/x\ny readme\n"
	for args, want := range map[string]string{
		"find me":                raw,
		"find me --color=always": strings.ReplaceAll(strings.ReplaceAll(raw, "Jme\n", "J"+on+"me"+off+"\n"), "readme\n", "read"+on+"me"+off+"\n"),
	} {
		got, err := asked(socket, strings.Fields(args)...).Output()
		if err != nil || string(got) != want {
			t.Errorf("pipe, %s: %q, %v; want %q", args, got, err, want)
		}
	}
}

// TestProgressBar checks that the bar is erased before a line is printed.
func TestProgressBar(t *testing.T) {
	dir := t.TempDir()
	_, socket, stop := serve(t, dir)
	defer stop()
	write(t, dir, "events", `{"progress":{"dirs":1,"entries":10,"errors":0,"queued":1}}
{"path":{"index":0,"path":"/etc","state":"done","dirs":2,"entries":20}}
{"end":{"job":{"id":7,"state":"done"}}}
`)
	want := "\r[###############...............] 10 files in 1 directory, 1 directory to go\x1b[K\r\x1b[K" +
		"/etc: 20 files in 2 directories\n"
	if got := onTerminal(t, asked(socket, "rescan", "--wait", "/etc")); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := onTerminal(t, asked(socket, "rescan", "--wait", "--json", "/etc")); !strings.HasPrefix(got, "{") {
		t.Errorf("with --json: %q", got)
	}
}

// TestClosedPipe checks that a reader that goes away causes no message.
func TestClosedPipe(t *testing.T) {
	scale.SkipIfShort(t)
	dir := t.TempDir()
	_, socket, stop := serve(t, dir)
	defer stop()
	write(t, dir, "rows", strings.Repeat(`{"path":"/a/file","type":"f","size":1,"mode":"0644"}`+"\n", 50_000))
	for _, args := range [][]string{{"find"}, {"find", "-0"}, {"find", "-l"}, {"find", "--json"}, {"find", "--color=always", "f"}} {
		for _, trap := range []string{"", "trap '' PIPE; "} { // by SIGPIPE or, if that is ignored, by EPIPE
			cmd := exec.Command("bash", append([]string{"-c",
				trap + `"$@" | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}`, "bash", "indexctl"}, args...)...)
			cmd.Env = asked(socket).Env
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "141\n" {
				t.Errorf("%s%q: %q, %v", trap, args, out, err)
			}
		}
	}

	// A full disk is an error.
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	cmd := asked(socket, "find")
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = full, &stderr
	err = cmd.Run()
	if cmd.ProcessState.ExitCode() != int(console.Failure) || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("full disk: %v, %q", err, &stderr)
	}
}

// TestInterrupt checks that Ctrl-C cancels the job that the command started.
func TestInterrupt(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		if signal.Ignored(sig) {
			continue // as in a background job of a shell, which is meant to go on
		}
		dir := t.TempDir()
		d, socket, stop := serve(t, dir)
		write(t, dir, "events", `{"dir":{"worker":1,"dir":"/etc","files":5}}`+"\n")
		cmd := asked(socket, "rescan", "--wait", "-v", "/etc")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, len("worker 1: 5 files in /etc\n"))
		if _, err := io.ReadFull(stderr, line); err != nil { // it is running
			t.Error(err)
		}
		cmd.Process.Signal(sig)
		rest, _ := io.ReadAll(stderr)
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != want || len(rest) > 0 {
			t.Errorf("%v: exit status %d, %q; want %d", sig, got, rest, want)
		}
		select {
		case <-d.cancel(7):
		default:
			t.Errorf("%v: the job still runs", sig)
		}
		stop()
	}
}
