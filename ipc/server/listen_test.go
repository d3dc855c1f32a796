package server

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"indexd/ipc"
)

// socketPath is a path short enough for any kernel's limit.
func socketPath(t *testing.T) string {
	dir, err := os.MkdirTemp("", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "run", "indexd.sock")
}

func TestListen(t *testing.T) {
	path := socketPath(t)
	old := syscall.Umask(0o077)
	l, err := Listen(path, 0o666)
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode() != fs.ModeSocket|0o666 {
		t.Errorf("socket %v, %v", fi.Mode(), err)
	}
	if fi, err := os.Stat(filepath.Dir(path)); err != nil || fi.Mode().Perm() != 0o755 {
		t.Errorf("directory %v, %v: others cannot reach the socket", fi.Mode(), err)
	}
	if l.Addr().String() != path {
		t.Errorf("address %s", l.Addr())
	}
	if _, err := Listen(path, 0o666); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	l, err = Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestListenPrivate(t *testing.T) {
	path := socketPath(t)
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if fi, _ := os.Stat(filepath.Dir(path)); fi.Mode().Perm() != 0o700 {
		t.Errorf("directory %v", fi.Mode())
	}
}

func TestListenReplacesOnlyTheDead(t *testing.T) {
	path := socketPath(t)
	os.MkdirAll(filepath.Dir(path), 0o755)

	// One that somebody else listens at, without our lock.
	other, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, 0o600); !errors.Is(err, ErrInUse) {
		t.Errorf("with another's: %v", err)
	}
	// Left behind by one that was killed.
	other.SetUnlinkOnClose(false)
	other.Close()
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatalf("with a dead one: %v", err)
	}
	// Replaced meanwhile: not ours to remove.
	os.Remove(path)
	os.WriteFile(path, []byte("precious"), 0o600)
	l.Close()
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Error("Close removed what was not its own")
	}
	if _, err := Listen(path, 0o600); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("with a file: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Error("Listen removed a file")
	}
}

// TestListenRace: of many that start at once, with a dead socket in the way,
// one listens, and at the path.
func TestListenRace(t *testing.T) {
	path := socketPath(t)
	os.MkdirAll(filepath.Dir(path), 0o755)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	var wg sync.WaitGroup
	got := make(chan net.Listener, 20)
	for range cap(got) {
		wg.Go(func() {
			l, err := Listen(path, 0o600)
			if err == nil {
				got <- l
			} else if !errors.Is(err, ErrInUse) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(got) != 1 {
		t.Fatalf("%d listen", len(got))
	}
	l := <-got
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestLongPath: a socket's address holds 107 bytes, a path more.
func TestLongPath(t *testing.T) {
	path := filepath.Join(filepath.Dir(socketPath(t)), strings.Repeat("d", 150), "indexd.sock")
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- New(&fake{}, Options{}).Serve(ctx, l) }()
	if _, err := (&ipc.Client{Sockets: []string{path}}).Status(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := Listen(path, 0o600); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestTooLongPath: what no address can name is refused before anything is made
// for it.
func TestTooLongPath(t *testing.T) {
	dir := filepath.Dir(socketPath(t))
	path := filepath.Join(dir, "made", "for", strings.Repeat("s", 100))
	if err := Free(path); err == nil {
		t.Error("Free: no error")
	}
	if l, err := Listen(path, 0o600); err == nil {
		l.Close()
		t.Error("Listen: no error")
	}
	if _, err := os.Lstat(filepath.Join(dir, "made")); err == nil {
		t.Error("its directories were made")
	}
}

// TestInherited hands a listener to this test binary as systemd would.
func TestInherited(t *testing.T) {
	if os.Getenv("IPC_TEST_CHILD") != "" {
		l, err := Inherited()
		if err != nil || l == nil {
			t.Fatal(l, err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("here"))
		c.Close()
		l.Close()
		return
	}
	if l, err := Inherited(); l != nil || err != nil {
		t.Errorf("nothing was handed over, but %v, %v", l, err)
	}
	path := socketPath(t)
	os.MkdirAll(filepath.Dir(path), 0o755)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// A file before it, so that not simply the first is taken.
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" -test.run='^TestInherited$' -test.v`, os.Args[0])
	child.Env = append(os.Environ(), "IPC_TEST_CHILD=1")
	child.ExtraFiles = []*os.File{null, f}
	var out strings.Builder
	child.Stdout, child.Stderr = &out, &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	null.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	c.Read(b)
	c.Close()
	if err := child.Wait(); err != nil || string(b) != "here" {
		t.Fatalf("%v, %q: %s", err, b, out.String())
	}
}
