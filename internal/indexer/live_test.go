package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/testutil/fsstress"
	"indexd/internal/testutil/scale"
	"indexd/internal/watch"
	"indexd/listing"
)

// liveRig is a rig whose root is watched.
type liveRig struct {
	*rig
	src  *watch.Source
	root string
	runs atomic.Pointer[rig]
	held atomic.Value // a func() that the goroutine which drains events calls
}

// runLive indexes root ("" for a new one) and watches it.
func runLive(t *testing.T, db, root string, limits func() (watch.Limits, error)) *liveRig {
	t.Helper()
	l := startLive(t, db, root, Config{}, limits)
	if err := l.WaitReady(deadline(t)); err != nil {
		t.Fatal(err)
	}
	return l
}

// startLive is runLive without waiting for the first index.
func startLive(t *testing.T, db, root string, cfg Config, limits func() (watch.Limits, error)) *liveRig {
	t.Helper()
	if root == "" {
		var err error
		if root, err = filepath.EvalSymlinks(t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	side, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := &liveRig{root: root}
	barrierDir := filepath.Join(side, "sync")
	fsstress.UsualQueue(t, func() {
		l.src, err = watch.Open(watch.Options{
			BarrierDir: barrierDir, Limits: limits,
			Excluded: func(path string) bool {
				if hold, ok := l.held.Load().(func()); ok {
					hold()
				}
				r := l.runs.Load()
				return r != nil && r.Excluded(path)
			},
		})
	})
	if errors.Is(err, watch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	cfg.Roots, cfg.Watch, cfg.BarrierDir = []string{root}, l.src, barrierDir
	l.rig = run(t, db, cfg)
	l.runs.Store(l.rig)
	return l
}

// compare waits for a barrier and compares the index with find(1).
func (l *liveRig) compare() {
	l.t.Helper()
	if err := l.Sync(deadline(l.t), nil); err != nil {
		l.t.Fatal("sync: ", err)
	}
	l.same()
}

// same compares the index with find(1).
func (l *liveRig) same() {
	l.t.Helper()
	fsstress.Same(l.t, l.entries(), fsstress.Find(l.t, l.root, fsstress.Full))
}

// entries returns the index's entries in the format in which same has find print them.
func (l *liveRig) entries() (list []string) {
	l.t.Helper()
	l.each(l.root, func(dir string, e *listing.Entry) {
		list = append(list, fmt.Sprintf("%s %c %o %d %d.%09d0 %d", join(dir, e.Name), e.Type().Letter(),
			e.Mode&0o7777, e.Size, e.Mtime.Sec, e.Mtime.Nsec, e.Ino))
	})
	slices.Sort(list)
	return list
}

func (l *liveRig) do(errs ...error) {
	l.t.Helper()
	if err := errors.Join(errs...); err != nil {
		l.t.Fatal(err)
	}
}

func (l *liveRig) path(name string) string { return filepath.Join(l.root, name) }

// Each kind of change, one at a time, is in the index after a barrier.
func TestLiveChanges(t *testing.T) {
	scale.SkipIfShort(t)
	l := runLive(t, "", "", nil)
	at := l.path
	outside := t.TempDir()
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"nothing", func() error { return nil }},
		{"a file", func() error { return os.WriteFile(at("f"), []byte("x"), 0o644) }},
		{"its content", func() error { return os.WriteFile(at("f"), []byte("xyz"), 0o644) }},
		{"its content, at once again", func() error { return os.WriteFile(at("f"), []byte("xyz123"), 0o644) }},
		{"its mode", func() error { return os.Chmod(at("f"), 0o600) }},
		{"a deep directory", func() error { return os.MkdirAll(at("a/b/c/d/e/f/g"), 0o755) }},
		{"a file deep in it", func() error { return os.WriteFile(at("a/b/c/d/e/f/g/h"), []byte("x"), 0o644) }},
		{"a renamed directory", func() error { return os.Rename(at("a/b"), at("moved")) }},
		{"a file in it by its new name", func() error { return os.WriteFile(at("moved/c/d/new"), []byte("x"), 0o644) }},
		{"away and back", func() error {
			return errors.Join(os.Rename(at("moved"), at("away")), os.WriteFile(at("away/c/x"), nil, 0o644), os.Rename(at("away"), at("moved")))
		}},
		{"and then", func() error { return os.WriteFile(at("moved/c/y"), nil, 0o644) }},
		{"a tree from outside", func() error {
			return errors.Join(os.MkdirAll(outside+"/t/u/v", 0o755), os.WriteFile(outside+"/t/u/f", []byte("1"), 0o644), os.Rename(outside+"/t", at("t")))
		}},
		{"a swap", func() error {
			return unix.Renameat2(unix.AT_FDCWD, at("t"), unix.AT_FDCWD, at("moved"), unix.RENAME_EXCHANGE)
		}},
		{"in both", func() error {
			return errors.Join(os.WriteFile(at("moved/u/1"), nil, 0o644), os.WriteFile(at("t/c/2"), nil, 0o644))
		}},
		{"a link in place of a directory", func() error {
			return errors.Join(os.Rename(at("t"), at("bar")), os.Symlink("bar", at("t")))
		}},
		{"below the link", func() error { return os.WriteFile(at("t/c/3"), nil, 0o644) }},
		{"a hard link", func() error { return os.Link(at("f"), at("bar/f2")) }},
		{"a directory's times", func() error { return os.Chtimes(at("bar/c"), time.Unix(1, 0), time.Unix(1, 5)) }},
		{"a directory's mode", func() error { return os.Chmod(at("bar/c"), 0o700) }},
		{"a removed tree", func() error { return os.RemoveAll(at("bar")) }},
		{"made again", func() error { return os.MkdirAll(at("bar/c"), 0o755) }},
		{"many files", func() error {
			for i := range 1000 {
				if err := os.WriteFile(at(fmt.Sprintf("bar/c/%d", i)), nil, 0o644); err != nil {
					return err
				}
			}
			return nil
		}},
		{"many files' contents", func() error {
			for i := range 1000 {
				if err := os.WriteFile(at(fmt.Sprintf("bar/c/%d", i)), []byte("12345"), 0o644); err != nil {
					return err
				}
			}
			return nil
		}},
		{"many of them removed", func() error {
			for i := range 999 {
				if err := os.Remove(at(fmt.Sprintf("bar/c/%d", i))); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		if err := c.do(); err != nil {
			t.Fatal(c.what, ": ", err)
		}
		if ok := t.Run(c.what, func(t *testing.T) { l.t = t; l.compare() }); !ok {
			break
		}
	}
	l.t = t
	s, err := l.Status()
	if err != nil || s.Roots[0].State != Live || s.Roots[0].LiveDirs != s.Roots[0].Dirs {
		t.Errorf("%+v %v", s, err)
	}
	e, err := l.Explain(l.path("bar/c"))
	if err != nil || !e.Watched {
		t.Errorf("%+v %v", e, err)
	}
}

// A change is indexed without a barrier.
func TestLiveUnasked(t *testing.T) {
	l := runLive(t, "", "", nil)
	l.do(os.MkdirAll(l.path("a/b"), 0o755), os.WriteFile(l.path("a/b/f"), []byte("x"), 0o644))
	has := func(path string) bool {
		return slices.ContainsFunc(l.entries(), func(e string) bool { return strings.HasPrefix(e, path+" ") })
	}
	l.until("it shows", func() bool { return has(l.path("a/b/f")) })
}

// In a directory with very many files, only the changed file is stat'ed.
func TestLiveBigDirectory(t *testing.T) {
	scale.SkipIfShort(t)
	l := runLive(t, "", "", nil)
	l.do(os.Mkdir(l.path("big"), 0o755))
	for i := range scale.Size(t, "", bigDir+100, 2*bigDir) {
		l.do(os.WriteFile(l.path(fmt.Sprintf("big/%d", i)), nil, 0o644))
	}
	l.compare()
	before := l.Progress().Entries
	l.do(os.WriteFile(l.path("big/17"), []byte("abc"), 0o644), os.Remove(l.path("big/18")), os.Mkdir(l.path("big/dir"), 0o755),
		os.WriteFile(l.path("big/dir/f"), nil, 0o644), os.Rename(l.path("big/19"), l.path("big/new")))
	l.compare()
	if n := l.Progress().Entries - before; n > 100 {
		t.Errorf("%d entries were listed", n)
	}
}

// A file that is written all the time is checked less and less often, but is right after a
// barrier.
func TestLiveBusyFile(t *testing.T) {
	l := runLive(t, "", "", nil)
	f, err := os.Create(l.path("log"))
	l.do(err)
	defer f.Close()
	l.compare()
	before := l.st.LastStamp()
	for range 2000 {
		_, err := f.WriteString("line\n")
		l.do(err)
	}
	l.compare()
	if n := l.st.LastStamp() - before; n > 20 {
		t.Errorf("%d looks at 2,000 writes", n)
	}
}

// After any batch of hostile changes by several writers, a barrier makes the index what
// find(1) finds.
func TestLiveStorm(t *testing.T) {
	seed := fsstress.Seed(t)
	l := runLive(t, "", "", nil)
	outside := t.TempDir()
	for round, left := 0, fsstress.Ops(t, 3000, 9000); left > 0; round++ {
		n := 30 + 90*(round%25)
		fsstress.Blow(seed+uint64(round), 3, n, l.root, outside)
		l.compare()
		left -= n
	}
	l.idle()
	l.same()
}

// A barrier in the middle of a storm includes what was changed before it.
func TestLiveBarrierInAStorm(t *testing.T) {
	scale.SkipIfShort(t)
	l := runLive(t, "", "", nil)
	l.do(os.Mkdir(l.path("storm"), 0o755), os.Mkdir(l.path("quiet"), 0o755))
	l.compare()
	end := make(chan struct{})
	var wg sync.WaitGroup
	outside := t.TempDir()
	wg.Go(func() {
		w := fsstress.NewWriter(1, 2, l.path("storm"), outside)
		for {
			select {
			case <-end:
				return
			default:
				w.Do()
			}
		}
	})
	for i := range 40 {
		name := l.path(fmt.Sprintf("quiet/%d/a/b/c", i))
		l.do(os.MkdirAll(name, 0o755), os.WriteFile(name+"/f", nil, 0o644))
		if err := l.Sync(deadline(t), nil); err != nil {
			t.Fatal(err)
		}
		if err := l.present(name + "/f"); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	close(end)
	wg.Wait()
}

// With few watches or none, a barrier looks at the rest.
func TestLiveBudget(t *testing.T) {
	scale.SkipIfShort(t)
	for _, watches := range []int{0, 10} {
		l := runLive(t, "", "", func() (watch.Limits, error) { return watch.Limits{Watches: watches}, nil })
		w := fsstress.NewWriter(7, watches, l.root, t.TempDir())
		for range 8 {
			w.Times(100)
			l.compare()
		}
		s, err := l.Status()
		if err != nil || s.Roots[0].State == Live {
			t.Errorf("%+v %v", s.Roots, err)
		}
		l.stop()
	}
}

// What changed while the daemon did not run, names and sizes, is right after the first
// barrier.
func TestLiveRestart(t *testing.T) {
	scale.SkipIfShort(t)
	l := runLive(t, "", "", nil)
	w := fsstress.NewWriter(3, 4, l.root, t.TempDir())
	for range scale.Size(t, "", 2, 4) {
		w.Times(300)
		l.compare()
		l.stop()
		w.Times(300)
		l = runLive(t, l.db, l.root, nil)
		l.compare()
		l.do(os.MkdirAll(l.path("new/a/b"), 0o755), os.WriteFile(l.path("new/a/b/c"), nil, 0o644))
		l.compare()
	}
}

// Lost events cost a look at everything, but leave the index right.
func TestLiveOverflow(t *testing.T) {
	scale.SkipUnlessLong(t)
	l := runLive(t, "", "", nil)
	l.do(os.MkdirAll(l.path("a/b"), 0o755), os.MkdirAll(l.path("c"), 0o755), os.WriteFile(l.path("c/f"), nil, 0o644))
	l.compare()
	// The goroutine that drains events is blocked in Excluded.
	gate := l.hold()
	for i := range 2*fsstress.QueueSize(t) + 100 {
		l.do(os.WriteFile(l.path("a/x"), nil, 0o644), os.Remove(l.path("a/x")))
		if i == 100 {
			l.do(os.WriteFile(l.path("c/early"), nil, 0o644))
		}
	}
	l.do(os.WriteFile(l.path("c/f"), []byte("longer"), 0o644), os.Rename(l.path("a/b"), l.path("z")),
		os.MkdirAll(l.path("n/e/w"), 0o755))
	gate()
	l.compare()
	if l.src.Status().Overflows == 0 {
		t.Error("there was no overflow")
	}
	l.do(os.WriteFile(l.path("n/e/w/f"), nil, 0o644), os.WriteFile(l.path("z/g"), nil, 0o644))
	l.compare()
}

// The log lies in the watched tree. Repeated loss of events does not fill it.
func TestLiveLogOfOverflows(t *testing.T) {
	scale.SkipIfShort(t)
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	log, err := os.Create(root + "/log")
	must(t, err)
	t.Cleanup(func() { log.Close() })
	l := startLive(t, "", root, Config{Log: slog.New(slog.NewTextHandler(log, nil))}, nil)
	must(t, l.WaitReady(deadline(t)))
	const rounds = 50
	for i := range rounds {
		l.eventsLost()
		must(t, os.WriteFile(l.path("f"), make([]byte, i), 0o644))
		must(t, l.Sync(deadline(t), nil))
	}
	for _, line := range []string{"looked for changes", "verified"} {
		text, err := os.ReadFile(log.Name())
		must(t, err)
		if n := strings.Count(string(text), line); n > rounds/2 {
			t.Errorf("%d lines that it %s in %d rounds", n, line, rounds)
		}
	}
}

// Lost changes of names and sizes are found without a barrier.
func TestLiveOverflowUnasked(t *testing.T) {
	scale.SkipIfShort(t)
	l := runLive(t, "", "", nil)
	l.do(os.MkdirAll(l.path("a/b"), 0o755), os.WriteFile(l.path("a/b/f"), nil, 0o644))
	l.compare()
	gate := l.hold()
	for range 2*fsstress.QueueSize(t) + 100 {
		l.do(os.WriteFile(l.path("x"), nil, 0o644), os.Remove(l.path("x")))
	}
	l.do(os.WriteFile(l.path("a/b/f"), []byte("longer"), 0o644), os.MkdirAll(l.path("n/e/w"), 0o755))
	gate()
	want := func(e string) bool { return strings.HasPrefix(e, l.path("a/b/f")+" f 644 6 ") }
	names := func(e string) bool { return strings.HasPrefix(e, l.path("n/e/w")+" ") }
	l.until("they are found", func() bool {
		have := l.entries()
		return slices.ContainsFunc(have, want) && slices.ContainsFunc(have, names)
	})
	l.same()
}

// hold keeps events from being drained until the returned function is called.
func (l *liveRig) hold() (release func()) {
	gone := make(chan struct{})
	held := make(chan struct{})
	var once sync.Once
	l.held.Store(func() {
		once.Do(func() { close(held) })
		<-gone
	})
	l.do(os.WriteFile(l.path("hold"), nil, 0o644))
	<-held
	return func() { close(gone) }
}

// A barrier that is not reached in time returns an error.
func TestLiveSyncTooLate(t *testing.T) {
	l := runLive(t, "", "", nil)
	why := errors.New("too late")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	if err := l.Sync(ctx, nil); !errors.Is(err, why) {
		t.Error(err)
	}
}

// The root itself may disappear and come back.
func TestLiveRoot(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root := top + "/root"
	if err := os.MkdirAll(root+"/a", 0o755); err != nil {
		t.Fatal(err)
	}
	l := runLive(t, "", root, nil)
	l.do(os.WriteFile(root+"/a/f", nil, 0o644))
	l.compare()
	l.do(os.Rename(root, top+"/was"), os.MkdirAll(root+"/b/c", 0o755))
	l.compare()
	l.do(os.WriteFile(root+"/b/c/f", nil, 0o644))
	l.compare()
}
