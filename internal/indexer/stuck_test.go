package indexer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"indexd/internal/testutil/fsstress"
	"indexd/internal/testutil/scale"
	"indexd/ipc/wire"
)

// hangs is how long a system call takes before these tests call it stuck. On a busy machine
// others take a second now and then.
const hangs = 2 * time.Second

// A file system that does not answer is reported and delays nothing else. When it answers
// again, or is gone, the index becomes right by itself.
func TestHungFileSystem(t *testing.T) {
	scale.SkipIfShort(t)
	root := tree(t, "live/a", "m/")
	var files []string
	for i := range 40 { // more than there are workers
		files = append(files, fmt.Sprintf("d%d/e/f", i))
	}
	mounted := fsstress.MountFS(t, root+"/m", files...)
	cfg := Config{Timing: Timing{StuckAfter: hangs}}
	l := startLive(t, "", root, cfg, nil)
	l.do(l.WaitReady(deadline(t)))
	l.compare()

	mounted.Hang()
	t.Run("beside it", func(t *testing.T) {
		l := l.as(t)
		l.do(os.WriteFile(root+"/live/b", nil, 0o644), os.MkdirAll(root+"/live/c/d", 0o755))
		l.do(l.Sync(deadline(t), []string{root + "/live"}))
		l.do(l.present(root+"/live/b"), l.present(root+"/live/c/d"))
		// In the directory that it is mounted in.
		l.do(os.WriteFile(root+"/new", nil, 0o644))
		l.do(l.Sync(deadline(t), []string{root + "/live"}), l.present(root+"/new"))
		if end := l.rescan(root + "/live"); end.State != wire.JobDone || end.Paths[0].State != wire.JobDone {
			t.Errorf("%+v", end)
		}
	})
	t.Run("all", func(t *testing.T) {
		l := l.as(t)
		l.do(l.Sync(deadline(t), nil))
		l.hangsAt(root + "/m")
		if err := l.present(root + "/m/d7/e/f"); err != nil {
			t.Error("what was known of it: ", err)
		}
	})
	t.Run("events lost", func(t *testing.T) {
		l := l.as(t)
		before := l.rootAt(root).record().Names
		l.eventsLost()
		l.until("names are verified", func() bool { return l.rootAt(root).record().Names.After(before) })
		l.do(os.WriteFile(root+"/live/after", nil, 0o644))
		l.do(l.Sync(deadline(t), []string{root + "/live"}), l.present(root+"/live/after"))
		l.hangsAt(root + "/m")
		if s := l.pool.Stats(); s.Stuck > s.Workers {
			t.Errorf("%+v", s)
		}
	})
	mounted.Resume()
	t.Run("it answers", func(t *testing.T) {
		l := l.as(t)
		l.until("it can be read", func() bool { s, err := l.Status(); return err == nil && s.Roots[0].Unreadable == 0 })
		l.compare()
	})

	mounted.Hang()
	t.Run("stop and start", func(t *testing.T) {
		l.t = t
		l.stop()
	})
	l = startLive(t, l.db, root, cfg, nil)
	l.do(os.WriteFile(root+"/live/later", nil, 0o644))
	l.do(l.Sync(deadline(t), []string{root + "/live"}), l.present(root+"/live/later"))
	mounted.Abort()
	mounted.Unmount()
	l.MountsChanged()
	l.idle()
	l.do(l.Sync(deadline(t), nil), l.present(root+"/live/later"))
	if !slices.Contains(l.paths(root+"/m"), root+"/m/d7/e/f") {
		t.Error("it is gone, not offline")
	}
}

// A first index meets a file system that does not answer.
func TestFirstIndexWithAHungFileSystem(t *testing.T) {
	scale.SkipIfShort(t)
	root := tree(t, "a/b", "m/", "z/y")
	mounted := fsstress.MountFS(t, root+"/m", "d/f")
	mounted.Hang()
	l := startLive(t, "", root, Config{Timing: Timing{StuckAfter: hangs}}, nil)
	l.do(l.WaitReady(deadline(t)))
	l.do(l.present(root+"/a/b"), l.present(root+"/z/y"))
	l.do(os.WriteFile(root+"/z/later", nil, 0o644), l.Sync(deadline(t), []string{root + "/z"}), l.present(root+"/z/later"))
	l.hangsAt(root + "/m")
	mounted.Resume()
	l.until("it is read", func() bool {
		return errors.Join(l.Sync(deadline(t), nil), l.present(root+"/m/d/f")) == nil
	})
	l.compare()
}

// as returns l for a part of the test.
func (l *liveRig) as(t *testing.T) *liveRig {
	l.t = t
	return l
}

// hangsAt fails the test unless a directory is reported as unreadable.
func (l *liveRig) hangsAt(dir string) {
	l.t.Helper()
	e, err := l.Explain(dir)
	if err != nil || !strings.Contains(e.Err, "input/output") {
		l.t.Errorf("%+v %v", e, err)
	}
	s, err := l.Status()
	if err != nil || s.Roots[0].Unreadable == 0 || s.Roots[0].State == Live {
		l.t.Errorf("%+v %v", s.Roots, err)
	}
}

// until waits for a condition.
func (l *liveRig) until(what string, ok func() bool) {
	l.t.Helper()
	for end := time.Now().Add(generous); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatal("never: ", what)
		}
	}
}
