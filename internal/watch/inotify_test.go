package watch

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"indexd/internal/testutil/fsstress"
	"indexd/internal/testutil/scale"
)

func TestHints(t *testing.T) {
	s, dir := open(t, Options{})
	start(t, s)
	mkdir(t, dir+"/sub")
	s.watch(t, dir)
	for _, c := range []struct {
		what   string
		do     func() error
		name   string
		change Change
	}{
		{"a new file", func() error { return os.WriteFile(dir+"/f", nil, 0o644) }, "f", Named},
		{"a write", func() error { return os.WriteFile(dir+"/f", []byte("abc"), 0o644) }, "f", Content},
		{"another mode", func() error { return os.Chmod(dir+"/f", 0o600) }, "f", Content},
		{"another time", func() error { return os.Chtimes(dir+"/f", time.Unix(1, 0), time.Unix(1, 0)) }, "f", Content},
		{"a new name", func() error { return os.Rename(dir+"/f", dir+"/g") }, "g", Named},
		{"the old name", func() error { return os.Rename(dir+"/g", dir+"/h") }, "g", Named},
		{"a removal", func() error { return os.Remove(dir + "/h") }, "h", Named},
		{"a directory's mode", func() error { return os.Chmod(dir+"/sub", 0o700) }, "sub", Content},
		{"a name of any bytes", func() error { return os.WriteFile(dir+"/a\n\xff ...", nil, 0o644) }, "a\n\xff ...", Named},
		{"a link", func() error { return os.Symlink("/", dir+"/l") }, "l", Named},
		{"three dots", func() error { return os.Mkdir(dir+"/...", 0o755) }, "...", Named},
	} {
		if err := c.do(); err != nil {
			t.Fatal(c.what, err)
		}
		b := s.sync(t)
		i := slices.IndexFunc(b.Dirs, func(h DirHint) bool { return h.Dir == dir })
		if i < 0 || !slices.Contains(b.Dirs[i].Names, NameHint{c.name, c.change}) || b.Overflow {
			t.Errorf("%s: %+v", c.what, b)
		}
	}
	s.watch(t, dir+"/...")
	write(t, dir+"/.../x")
	if b := s.sync(t); !b.says(dir+"/.../x", Named) {
		t.Errorf("in a directory of three dots: %+v", b)
	}
	// Reading raises no events.
	if _, err := os.ReadDir(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(dir + "/a\n\xff ..."); err != nil {
		t.Fatal(err)
	}
	if b := s.sync(t); len(b.Dirs) > 0 {
		t.Errorf("reading: %+v", b)
	}
}

func TestRootDirectory(t *testing.T) {
	s, _ := open(t, Options{})
	start(t, s)
	s.watch(t, "/", "/proc", "/dev")
	if n := s.CountBelow("/"); n != 3 || s.CountBelow("/proc") != 1 {
		t.Errorf("%d watches", n)
	}
	if dir, name := split("//etc"); dir != "/" || name != "etc" {
		t.Errorf("%q %q", dir, name)
	}
	s.UnwatchTree("/")
	if st := s.Status(); st.Watches != 0 {
		t.Errorf("%+v", st)
	}
}

// The watches below a renamed directory would keep reporting its old path.
func TestRenamedDirectoryWithWatchesBelow(t *testing.T) {
	s, dir := open(t, Options{})
	start(t, s)
	mkdir(t, dir+"/old/a/b", dir+"/old-not", dir+"/other")
	s.watch(t, dir, dir+"/old", dir+"/old/a", dir+"/old/a/b", dir+"/old-not", dir+"/other")
	rename(t, dir+"/old", dir+"/other/new")
	b := s.sync(t)
	if !b.says(dir+"/old", Named) || !b.says(dir+"/old/a/b/x", Content) || !b.says(dir+"/other/new", Named) {
		t.Errorf("%+v", b)
	}
	if n := s.CountBelow(dir); n != 3 || !s.Watched(dir+"/old-not") || s.Watched(dir+"/old/a/b") {
		t.Errorf("%d watches are left", n)
	}
	write(t, dir+"/other/new/a/x")
	if b := s.sync(t); len(b.Dirs) > 0 {
		t.Errorf("by the old path: %+v", b)
	}
	s.watch(t, dir+"/other/new", dir+"/other/new/a", dir+"/other/new/a/b")
	write(t, dir+"/other/new/a/b/y")
	if b := s.sync(t); !b.says(dir+"/other/new/a/b/y", Named) || len(b.Dirs) != 1 {
		t.Errorf("by the new path: %+v", b)
	}
}

// If the new place is found before the event of the old one is read, the new watch lasts.
// With fsnotify alone it has the old path and is then dropped.
func TestMoveThenAddBeforeTheEvent(t *testing.T) {
	s, dir := open(t, Options{})
	mkdir(t, dir+"/a/sub")
	s.watch(t, dir, dir+"/a", dir+"/a/sub")
	rename(t, dir+"/a", dir+"/b")
	s.watch(t, dir+"/b", dir+"/b/sub") // nothing is drained yet
	start(t, s)
	b := s.sync(t)
	if !b.says(dir+"/a/x", Named) || !b.says(dir+"/b", Named) {
		t.Errorf("%+v", b)
	}
	write(t, dir+"/b/x", dir+"/b/sub/y")
	b = s.sync(t)
	if !b.says(dir+"/b/x", Named) || !b.says(dir+"/b/sub/y", Named) {
		t.Errorf("after the move: %+v", b)
	}
}

// A name that now belongs to another directory loses the watches of the previous one.
func TestAnotherDirectoryByThatName(t *testing.T) {
	s, dir := open(t, Options{})
	mkdir(t, dir+"/a/sub", dir+"/b/sub")
	s.watch(t, dir+"/a", dir+"/a/sub") // dir is not watched: nobody tells
	rename(t, dir+"/a", dir+"/c")
	rename(t, dir+"/b", dir+"/a")
	s.watch(t, dir+"/a")
	start(t, s)
	if b := s.sync(t); !b.says(dir+"/a/sub/x", Named) {
		t.Errorf("%+v", b)
	}
	if s.Watched(dir + "/a/sub") {
		t.Error("the directory that was below is still watched")
	}
	s.watch(t, dir+"/a", dir+"/a/sub", dir+"/c")
	write(t, dir+"/a/sub/x", dir+"/c/y")
	if b := s.sync(t); !b.says(dir+"/a/sub/x", Named) || !b.says(dir+"/c/y", Named) {
		t.Errorf("%+v", b)
	}
}

func TestRemovedDirectory(t *testing.T) {
	s, dir := open(t, Options{})
	start(t, s)
	mkdir(t, dir+"/a/b")
	s.watch(t, dir, dir+"/a", dir+"/a/b")
	for range 3 { // ext4 gives the inode to the next directory
		if err := os.RemoveAll(dir + "/a"); err != nil {
			t.Fatal(err)
		}
		if b := s.sync(t); !b.says(dir+"/a", Named) || s.Status().Watches != 1 {
			t.Errorf("%+v, %+v", b, s.Status())
		}
		mkdir(t, dir+"/a/b")
		if b := s.sync(t); !b.says(dir+"/a", Named) {
			t.Errorf("%+v", b)
		}
		s.watch(t, dir+"/a", dir+"/a/b")
		write(t, dir+"/a/b/f")
		if b := s.sync(t); !b.says(dir+"/a/b/f", Named) {
			t.Errorf("%+v", b)
		}
	}
}

// Whatever is created while watches are added is either listed or reported. Adding a
// watch when the event of a directory arrives would not be enough.
func TestMkdirRace(t *testing.T) {
	scale.SkipIfShort(t)
	s, dir := open(t, Options{})
	start(t, s)
	m := newMirror(t, s, dir)
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range 100 {
				p := fmt.Sprintf("%s/w%d/%d/a/b/c/d/e", dir, w, i) // 1,800 paths and some
				if err := os.MkdirAll(p, 0o755); err != nil {
					t.Error(err)
				}
			}
		})
	}
	made := make(chan struct{})
	go func() { wg.Wait(); close(made) }()
	for done := false; !done; {
		select {
		case <-s.Ready():
			m.apply(s.Take())
		case <-made:
			done = true
		}
	}
	m.compare()
	if n := len(m.paths()); n < 1800 {
		t.Errorf("only %d paths", n)
	}
	if n := s.CountBelow(dir); n != len(m.dirs) {
		t.Errorf("%d watches for %d directories", n, len(m.dirs))
	}
}

// manyEvents makes more events than the kernel's queue holds.
func manyEvents(t testing.TB, dir string) {
	t.Helper()
	file := dir + "/many"
	for range 2*fsstress.QueueSize(t) + 100 { // of a queue, and of what fsnotify reads at once
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOverflow(t *testing.T) {
	scale.SkipIfShort(t)
	s, dir := open(t, Options{})
	mkdir(t, dir+"/a/b", dir+"/c", dir+"/d")
	m := newMirror(t, s, dir)
	manyEvents(t, dir+"/a")
	// The events of what follows are lost.
	mkdir(t, dir+"/new/er")
	write(t, dir+"/c/f")
	rename(t, dir+"/a", dir+"/z")
	rename(t, dir+"/d", dir+"/a")
	start(t, s)
	b := s.sync(t)
	if !b.Overflow || s.Status().Overflows == 0 {
		t.Fatalf("no overflow: %+v", s.Status())
	}
	m.apply(b)
	m.compare()
	write(t, dir+"/z/b/1", dir+"/a/2", dir+"/new/er/3")
	m.compare()
	if n := s.CountBelow(dir); n != len(m.dirs) {
		t.Errorf("%d watches for %d directories", n, len(m.dirs))
	}
}

// After an overflow that lost the events of moves, no watch is left at the path of
// another directory, whatever the consumer does.
func TestOverflowDropsWhatMoved(t *testing.T) {
	scale.SkipIfShort(t)
	s, dir := open(t, Options{})
	mkdir(t, dir+"/a/sub", dir+"/b/sub")
	s.watch(t, dir, dir+"/a", dir+"/a/sub", dir+"/b", dir+"/b/sub")
	manyEvents(t, dir)
	if err := unix.Renameat2(unix.AT_FDCWD, dir+"/a", unix.AT_FDCWD, dir+"/b", unix.RENAME_EXCHANGE); err != nil {
		t.Skip(err)
	}
	start(t, s)
	s.sync(t)
	within(t, func() bool { return s.Status().Watches == 1 })
}

// within waits for a condition.
func within(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never happened")
		}
	}
}

// fsnotify sends EINVAL while it holds its lock if a directory is created, moved and
// removed while watches come and go. Adding on the goroutine that drains errors would
// hang.
//
// INDEXD_SOAK=2000 makes the rounds long.
func TestStormOfDirectoriesDoesNotDeadlock(t *testing.T) {
	scale.SkipIfShort(t)
	s, dir := open(t, Options{})
	start(t, s)
	s.watch(t, dir)
	n := scale.Size(t, "INDEXD_SOAK", 4, 8)
	for round := range 50 {
		var storms, adders sync.WaitGroup
		end := make(chan struct{})
		for w := range 3 {
			a, b := fmt.Sprintf("%s/a%d-%d", dir, round, w), fmt.Sprintf("%s/b%d-%d", dir, round, w)
			storms.Go(func() {
				for range n {
					if err := errors.Join(os.Mkdir(a, 0o755), os.Rename(a, b), os.Remove(b)); err != nil {
						t.Error(err)
					}
				}
			})
			adders.Go(func() {
				for {
					select {
					case <-end:
						return
					default:
					}
					for _, d := range []string{a, b} {
						_, _ = s.Watch(d, Ident{}, time.Time{}) // there or not
					}
					s.Unwatch(a)
					s.Take()
				}
			})
		}
		storms.Wait()
		close(end)
		adders.Wait()
	}
	s.sync(t)
	s.consistent(t)
	if n := s.CountBelow(dir); n != 1 {
		t.Errorf("%d watches are left", n)
	}
}

func TestLinkInPlaceOfTheDirectory(t *testing.T) {
	s, dir := open(t, Options{})
	start(t, s)
	mkdir(t, dir+"/d", dir+"/elsewhere")
	if err := os.Symlink("elsewhere", dir+"/l"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Watch(dir+"/l", Ident{}, time.Time{}); !errors.Is(err, unix.ENOTDIR) {
		t.Error(err)
	}
	// Swapped after it was opened: want identifies what was opened.
	want, err := identOf(dir + "/d")
	if err != nil {
		t.Fatal(err)
	}
	rename(t, dir+"/d", dir+"/was")
	rename(t, dir+"/l", dir+"/d")
	if got, err := s.Watch(dir+"/d", want, time.Time{}); err == nil {
		t.Errorf("%+v for %+v", got, want)
	}
	rename(t, dir+"/d", dir+"/l")
	rename(t, dir+"/elsewhere", dir+"/d")
	if _, err := s.Watch(dir+"/d", want, time.Time{}); !errors.Is(err, ErrMoved) {
		t.Error(err)
	}
	write(t, dir+"/d/f")
	if b := s.sync(t); len(b.Dirs) > 0 || s.Status().Watches > 0 {
		t.Errorf("not undone: %+v", b)
	}
}

// While a directory and a link are swapped continuously, nothing but the directory is
// watched in the end.
func TestSymlinkSwap(t *testing.T) {
	s, dir := open(t, Options{})
	start(t, s)
	mkdir(t, dir+"/d", dir+"/elsewhere")
	if err := os.Symlink("elsewhere", dir+"/l"); err != nil {
		t.Fatal(err)
	}
	s.watch(t, dir)
	swap := func() error {
		return unix.Renameat2(unix.AT_FDCWD, dir+"/d", unix.AT_FDCWD, dir+"/l", unix.RENAME_EXCHANGE)
	}
	if err := errors.Join(swap(), swap()); err != nil {
		t.Skip(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 2000 {
			if err := swap(); err != nil {
				t.Error(err)
			}
		}
	})
	for range 1000 {
		_, _ = s.Watch(dir+"/d", Ident{}, time.Time{})
	}
	wg.Wait()
	s.sync(t)
	s.watch(t, dir+"/d")
	s.sync(t)
	write(t, dir+"/elsewhere/f")
	if b := s.sync(t); len(b.Dirs) > 0 {
		t.Errorf("elsewhere: %+v", b)
	}
	write(t, dir+"/d/g")
	if b := s.sync(t); !b.says(dir+"/d/g", Named) {
		t.Errorf("in the directory: %+v", b)
	}
}

func TestExcludedRaisesNothing(t *testing.T) {
	var asked sync.Map
	s, dir := open(t, Options{Excluded: func(path string) bool {
		asked.Store(path, true)
		return strings.HasSuffix(path, ".db")
	}})
	start(t, s)
	s.watch(t, dir)
	write(t, dir+"/own.db")
	write(t, dir+"/own.db")
	if b := s.sync(t); len(b.Dirs) > 0 {
		t.Errorf("%+v", b)
	}
	if _, ok := asked.Load(dir + "/own.db"); !ok {
		t.Error("was not asked about the path")
	}
	write(t, dir+"/other")
	if b := s.sync(t); !b.says(dir+"/other", Named) {
		t.Errorf("%+v", b)
	}
}

// A link further up leads to a directory that has a path of its own.
func TestLinkFurtherUp(t *testing.T) {
	s, dir := open(t, Options{})
	start(t, s)
	mkdir(t, dir+"/a")
	if err := os.Symlink(".", dir+"/l"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Watch(dir+"/l/a", Ident{}, time.Time{}); !errors.Is(err, unix.ELOOP) {
		t.Error(err)
	}
	s.watch(t, dir+"/a")
	write(t, dir+"/l/a/f")
	if b := s.sync(t); !b.says(dir+"/a/f", Named) || len(b.Dirs) != 1 {
		t.Errorf("%+v", b)
	}
}

func TestUnreadable(t *testing.T) {
	s, dir := open(t, Options{})
	start(t, s)
	long := filepath.Join(dir, strings.Repeat(strings.Repeat("x", 200)+"/", 30)) + "y"
	if _, err := s.Watch(long, Ident{}, time.Time{}); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Error(err)
	}
	if _, err := s.Watch(dir+"/none", Ident{}, time.Time{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if st := s.Status(); st.Watches != 0 {
		t.Errorf("%+v", st)
	}
}

func TestEnded(t *testing.T) {
	unused, _ := open(t, Options{})
	if err := unused.Close(); err != nil {
		t.Error(err)
	}
	s, dir := open(t, Options{})
	t.Run("run", func(t *testing.T) { start(t, s) })
	if _, err := s.Watch(dir, Ident{}, time.Time{}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := s.Barrier(t.Context()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	s.Unwatch(dir)
}

// The log may lie in the watched tree: it must not get a line for each overflow.
func TestOverflowsAreSaidSeldom(t *testing.T) {
	var log bytes.Buffer
	s, _ := open(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 1000 {
		s.handleError(fsnotify.ErrEventOverflow)
		s.handleError(unix.EIO)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s.flushLogs()
	if n := strings.Count(log.String(), "\n"); n < 2 || n >= 500 || s.Status().Overflows != 1000 {
		t.Errorf("%d lines for %d overflows", n, s.Status().Overflows)
	}
}

// A directory is removed whose parent has just been watched. fsnotify suppresses its
// event, assuming that the parent reports it. No watch of it must be left.
func TestRemovedBeforeItsParentIsWatched(t *testing.T) {
	s, dir := open(t, Options{})
	mkdir(t, dir+"/other")
	for _, name := range []string{"a", "a-b", "a/b", "c", "c/d", "e"} {
		mkdir(t, dir+"/"+name)
		s.watch(t, dir+"/"+name)
	}
	s.watch(t, dir+"/other")
	write(t, dir+"/other/f") // nobody takes the event of it: those behind it stay in the queue
	for _, name := range []string{"a-b", "c"} {
		if err := os.RemoveAll(dir + "/" + name); err != nil {
			t.Fatal(err)
		}
	}
	s.watch(t, dir)
	start(t, s)
	s.sync(t)
	for name, want := range map[string]bool{"a": true, "a-b": false, "a/b": true, "c": false, "c/d": false, "e": true} {
		if got := s.Watched(dir + "/" + name); got != want {
			t.Errorf("%s is watched: %v", name, got)
		}
	}
}
