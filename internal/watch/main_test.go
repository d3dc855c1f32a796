package watch

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"indexd/internal/testutil/fsstress"
)

func TestMain(m *testing.M) {
	if f := inside[os.Getenv("WATCH_TEST_INSIDE")]; f != nil {
		f()
		return
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a condition may take to become true on a loaded machine.
const patience = 3 * time.Minute

// inside are functions that run in namespaces of their own; see inNamespaces.
var inside = map[string]func(){}

// inNamespaces runs one of inside in a new user and mount namespace, where even an
// ordinary user is root. The test fails with its output, if any.
func inNamespaces(t *testing.T, name string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "WATCH_TEST_INSIDE="+name, "WATCH_TEST_DIR="+tempDir(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && cmd.ProcessState == nil:
		t.Skip("no namespaces here: ", err)
	case strings.HasPrefix(string(out), "skip"):
		t.Skip(string(out))
	case err != nil || len(out) > 0:
		t.Fatalf("%v: %s", err, out)
	}
}

// tempDir is t.TempDir without symbolic links.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// open returns a Source that is not running, and a tree to watch.
func open(t testing.TB, o Options) (s *Source, dir string) {
	t.Helper()
	top := tempDir(t)
	dir = filepath.Join(top, "tree")
	mkdir(t, dir)
	o.BarrierDir = filepath.Join(top, "cookies")
	fsstress.UsualQueue(t, func() {
		var err error
		if s, err = Open(o); err != nil {
			t.Fatal(err)
		}
	})
	return s, dir
}

// start runs s until the end of the test.
func start(t testing.TB, s *Source) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	})
}

// sync returns the hints up to a barrier.
func (s *Source) sync(t testing.TB) Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seq, err := s.Barrier(ctx)
	if err != nil {
		t.Fatal("barrier: ", err)
	}
	b := s.Take()
	if b.Seq < seq {
		t.Fatalf("after barrier %d there is a batch up to %d", seq, b.Seq)
	}
	return b
}

// consistent fails if fsnotify watches something else than s believes. It must be called
// only while nothing happens.
func (s *Source) consistent(t testing.TB) {
	t.Helper()
	s.removeWith(func() {})
	have := s.fs.WatchList()
	want := []string{s.o.BarrierDir}
	s.mu.Lock()
	for path := range s.set.byPath {
		want = append(want, path)
	}
	s.mu.Unlock()
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("%d directories are watched, %d are known:\n%.500q\n%.500q", len(have), len(want), have, want)
	}
}

// watch is Watch for directories that must be watchable.
func (s *Source) watch(t testing.TB, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if _, err := s.Watch(dir, Ident{}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
}

// says reports whether the batch covers a change of a name.
func (b *Batch) says(path string, c Change) bool {
	dir, name := split(path)
	for _, h := range b.Dirs {
		switch {
		case h.Subtree && (path == h.Dir || strings.HasPrefix(path, h.Dir+"/") || h.Dir == "/"), h.List && h.Dir == dir:
			return true
		case h.Dir == dir:
			for _, n := range h.Names {
				if n.Name == name && n.Change >= c {
					return true
				}
			}
		}
	}
	return b.Overflow
}

func mkdir(t testing.TB, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t testing.TB, files ...string) {
	t.Helper()
	for _, f := range files {
		if err := os.WriteFile(f, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
