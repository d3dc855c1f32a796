package access

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A directory that a user puts above another one only while the parent is checked does
// not lead to it.
func TestAnotherDirectoryAboveForAMoment(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("to look into what is closed needs root")
	}
	top := t.TempDir()
	for d := top; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	must(t, os.MkdirAll(top+"/a/d/e", 0o755))
	must(t, os.Mkdir(top+"/own", 0o755))
	must(t, os.Chmod(top+"/a", 0o700))
	must(t, os.Chmod(top, 0o777))
	swap := func() {
		t.Helper()
		must(t, unix.Renameat2(unix.AT_FDCWD, top+"/a", unix.AT_FDCWD, top+"/own", unix.RENAME_EXCHANGE))
	}
	was, below := lookAt(top+"/a/d", nil), lookAt(top+"/a/d/e", nil)
	s := newStats(t)
	v := s.View(NewCredentials(61001, []uint32{61001}), time.Time{})
	swap()
	if !v.CanList(top + "/a") {
		t.Error("one's own cannot be listed")
	}
	swap()
	if got := v.PathChecker(nil).Visibility(top+"/a/d", was.stored()); got != None {
		t.Errorf("what is in the one that is closed is seen as %d", got)
	}
	if got := v.PathChecker(nil).Visibility(top+"/a/d/e", below.stored()); got != None || v.CanList(top+"/a/d/e") {
		t.Errorf("what is below that is seen as %d", got)
	}
	// Nor with a single PathChecker.
	v = s.View(v.cred, time.Now())
	w := v.PathChecker(nil)
	swap()
	_ = w.Visibility(top+"/a", &Stored{})
	swap()
	if got := w.Visibility(top+"/a/d", was.stored()); got != None {
		t.Errorf("by one walk it is seen as %d", got)
	}
	// A caller with permission sees it at once, although another directory was there
	// before.
	swap()
	v = s.View(NewCredentials(61001, []uint32{61001}), time.Now())
	_ = v.CanList(top + "/a")
	swap()
	must(t, os.Chmod(top+"/a", 0o755))
	if got := v.PathChecker(nil).Visibility(top+"/a/d", was.stored()); got != Full {
		t.Errorf("opened it is seen as %d", got)
	}
}

// Which directories are found through their open parent, and which by path.
func TestLinked(t *testing.T) {
	rights := map[string]perms{
		"/tmp": {mode: 0o1777}, "/usr": {mode: 0o755}, "/usr/group": {mode: 0o775}, "/usr/group/root": {mode: 0o755},
		"/usr/alice": {mode: 0o755, uid: 61001}, "/usr/root": {mode: 0o555}, "/usr/root/in": {mode: 0o700},
	}
	var linked []string
	s := looking(t, nil, nil)
	s.workers.stat = func(q *request, _ *parents) dirStat {
		if q.linked {
			linked = append(linked, q.dir)
		}
		p, ok := rights[q.dir]
		if !ok {
			p.mode = 0o755
		}
		p.linked = q.linked
		return dirStat{perms: p, id: id{ino: 7}, up: id{ino: 7}}
	}
	dirs := strings.Fields("/ /tmp /tmp/x /usr /usr/alice /usr/alice/d /usr/group /usr/group/root /usr/group/root/d /usr/root /usr/root/in /usr/root/in/d/e/f")
	want := strings.Fields("/tmp/x /usr/alice/d /usr/group/root /usr/group/root/d")
	for _, first := range []int{1, maxPrefetch} {
		linked = nil
		at := 0
		v := s.View(NewCredentials(61001, nil), time.Now())
		w := v.PathChecker(func(add func(string, *Stored) bool) {
			for i := at + 1; i < len(dirs)-1 && add(dirs[i], &Stored{Doc: uint64(i + 1)}); i++ {
			}
		})
		w.prefetchLimit = first
		for i := range dirs[:len(dirs)-1] {
			at = i
			w.Visibility(dirs[i], &Stored{Ino: 7, Doc: uint64(i + 1)})
		}
		slices.Sort(linked)
		if !slices.Equal(linked, want) {
			t.Errorf("linked are %q, not %q", linked, want)
		}
	}
	b := &batch{requests: []request{{dir: "/usr"}, {dir: "/usr/root/in"}}, above: []pathStep{{"", true}}}
	if _, left := s.refresh(b); left || b.requests[0].linked || !b.requests[1].linked {
		t.Error("a directory whose parent has not been checked is taken for controlled by root")
	}
}

// If one directory of a batch hangs, only that one is hidden.
func TestOneOfManyHangs(t *testing.T) {
	hung := make(chan struct{})
	defer close(hung)
	s := looking(t, nil, nil)
	s.workers.stat = func(q *request, _ *parents) dirStat {
		if strings.HasPrefix(q.dir, "/c") {
			<-hung
		}
		return dirStat{perms: perms{mode: 0o755}, id: id{ino: 7}}
	}
	s.workers.mountOf = func(string) string { return "/" }
	dirs := strings.Fields("/ /a /b /c /c/d /e /f")
	at := 0
	w := s.View(NewCredentials(61001, nil), time.Time{}).PathChecker(func(add func(string, *Stored) bool) {
		for i := at + 1; i < len(dirs) && add(dirs[i], &Stored{Doc: uint64(i + 1)}); i++ {
		}
	})
	w.prefetchLimit = maxPrefetch
	for i, dir := range dirs {
		at = i
		want := Full
		if within(dir+"/", "/c") {
			want = None
		}
		if got := w.Visibility(dir, &Stored{Ino: 7, Doc: uint64(i + 1)}); got != want {
			t.Errorf("%s: %d, not %d", dir, got, want)
		}
	}
}
