package access

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

// stored returns what a listing would have stored.
func (s *dirStat) stored() *Stored {
	return &Stored{Ino: s.ino, Ctime: s.ctime, Mount: uint64(s.mount)}
}

// lookAt returns the stat of dir, found by path.
func lookAt(dir string, last *dirStat) dirStat {
	q := request{dir: dir}
	if last != nil {
		q.last, q.known = *last, true
	}
	return statDir(&q, &parents{now: time.Now()})
}

func newStats(t testing.TB) *Stats {
	s := NewStats()
	t.Cleanup(s.Close)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A directory that replaced the one that was listed shows nothing of the listing.
func TestAnotherDirectoryInItsPlace(t *testing.T) {
	top := t.TempDir()
	dir := top + "/d"
	must(t, os.Mkdir(dir, 0o700))
	was := lookAt(dir, nil)
	w := NewCredentials(uint32(os.Getuid()), []uint32{uint32(os.Getgid())})
	s := newStats(t)
	sight := func() Visibility { return s.View(w, time.Now()).PathChecker(nil).Visibility(dir, was.stored()) }
	if got := sight(); got != Full {
		t.Fatalf("one's own is seen as %d", got)
	}
	must(t, os.Rename(dir, top+"/away"))
	if got := sight(); got != None {
		t.Errorf("what is not there is seen as %d", got)
	}
	must(t, os.Symlink("away", dir))
	if got := sight(); got != None {
		t.Errorf("a link to it is seen as %d", got)
	}
	must(t, os.Remove(dir))
	must(t, os.Mkdir(dir, 0o700))
	v := s.View(w, time.Now())
	if got := v.PathChecker(nil).Visibility(dir, was.stored()); got != Traverse {
		t.Errorf("another one is seen as %d", got)
	}
	v.changed = nil
	buf := []byte(dir) // which its giver uses again
	v.noteChanged(unsafe.String(&buf[0], len(buf)), 0)
	clear(buf)
	if told, more := v.Changed(); !slices.Equal(told, []string{dir}) || more {
		t.Errorf("told of %q, %v", told, more)
	}
	// Once listed again it is visible, unless it has changed once more.
	is := lookAt(dir, nil)
	v.Relisted([]string{dir}, 17)
	for _, c := range []struct {
		what   string
		stored Stored
		want   Visibility
	}{
		{"changed, listed before", Stored{Ino: is.ino, Stamp: 17}, Traverse},
		{"changed, listed since", Stored{Ino: is.ino, Stamp: 18}, Full},
		{"another, listed since", Stored{Ino: is.ino + 1, Ctime: is.ctime, Stamp: 18}, Traverse},
		{"on another mount", Stored{Ino: is.ino, Ctime: is.ctime, Stamp: 18, Mount: uint64(is.mount) + 1}, Traverse},
	} {
		if got := v.PathChecker(nil).Visibility(dir, &c.stored); got != c.want {
			t.Errorf("%s: %d, not %d", c.what, got, c.want)
		}
	}
}

// A directory that replaced the parent, or a link to where the parent has gone, does not
// lead to the contents of the parent.
func TestAnotherDirectoryAbove(t *testing.T) {
	top := t.TempDir()
	must(t, os.MkdirAll(top+"/a/d", 0o700))
	was := lookAt(top+"/a/d", nil)
	s := newStats(t)
	w := NewCredentials(uint32(os.Getuid()), []uint32{uint32(os.Getgid())})
	sight := func() Visibility { return s.View(w, time.Now()).PathChecker(nil).Visibility(top+"/a/d", was.stored()) }
	must(t, os.Rename(top+"/a", top+"/b"))
	must(t, os.Symlink("b", top+"/a"))
	if got := sight(); got != None {
		t.Errorf("by a link: %d", got)
	}
	must(t, os.Remove(top+"/a"))
	must(t, os.MkdirAll(top+"/a/d", 0o700))
	if got := sight(); got != Traverse {
		t.Errorf("in another directory: %d", got)
	}
}

// looking returns a Stats that calls look instead of the kernel, with a clock of its own
// if now is not nil.
func looking(t *testing.T, now *time.Time, look func(string, *dirStat) dirStat) *Stats {
	s := newStats(t)
	s.workers.stat = func(q *request, _ *parents) dirStat { return look(q.dir, &q.last) }
	if now != nil {
		*now = time.Now()
		s.now = func() time.Time { return *now }
	}
	return s
}

// A stat is valid for a moment, and never for a View that requires a newer one.
func TestStatsAge(t *testing.T) {
	var now time.Time
	var looks atomic.Int64
	s := looking(t, &now, func(string, *dirStat) dirStat {
		looks.Add(1)
		return dirStat{perms: perms{mode: 0o755}, id: id{ino: 7}, ctime: listing.Time{Sec: 1}}
	})
	stored := &Stored{Ino: 7, Ctime: listing.Time{Sec: 1}}
	v := s.View(NewCredentials(1, nil), time.Time{})
	ask := func(dir string, want int64) {
		t.Helper()
		if v.PathChecker(nil).Visibility(dir, stored) != Full || looks.Load() != want {
			t.Errorf("%d looks, want %d", looks.Load(), want)
		}
	}
	ask("/a/b/c", 4)
	ask("/a/b/c", 4)
	ask("/a/b/d", 5)
	now = now.Add(statMaxAge)
	ask("/a/b/c", 9)
	now = now.Add(time.Millisecond)
	v = s.View(NewCredentials(1, nil), now)
	ask("/a/b/c", 13)
	ask("/a/b/c", 13)
	v.Relisted(nil, 0) // after a wait
	ask("/a/b/c", 13)
	now = now.Add(time.Millisecond)
	v.Relisted(nil, 0)
	ask("/a/b/c", 17)
}

// A PathChecker drops its way after a while, and makes no more requests than there are
// directories, in whatever order they are checked.
func TestWalkAge(t *testing.T) {
	var now time.Time
	closed := false
	looks := make(map[string]int)
	s := looking(t, &now, func(dir string, _ *dirStat) dirStat {
		looks[dir]++
		if closed && dir == "/a" {
			return dirStat{perms: perms{mode: 0o700}}
		}
		return dirStat{perms: perms{mode: 0o755}, id: id{ino: 7}}
	})
	w := s.View(NewCredentials(1, nil), time.Time{}).PathChecker(nil)
	for _, dir := range []string{"/", "/a", "/a/b", "/a/b/c", "/a/bc", "/a/d", "/e", "/a/b/c", "/", "/a/bc/x", "/ab"} {
		if got := w.Visibility(dir, &Stored{Ino: 7}); got != Full {
			t.Errorf("%s: %d", dir, got)
		}
	}
	for dir, n := range looks {
		if n != 1 {
			t.Errorf("%d looks at %s", n, dir)
		}
	}
	closed = true
	now = now.Add(MaxAge)
	for range 32 { // between which it does not look at the clock
		w.Visibility("/e", &Stored{Ino: 7})
	}
	for _, dir := range []string{"/a/b", "/a/b/c", "/a/bc/x", "/a"} {
		if got := w.Visibility(dir, &Stored{Ino: 7}); got != None {
			t.Errorf("%s: %d", dir, got)
		}
	}
}

// A caller waits once for a directory that hangs, and never for what is below it. When it
// responds again, it is checked again.
func TestHungIsHidden(t *testing.T) {
	hung := make(chan struct{})
	var looks atomic.Int64
	s := looking(t, nil, func(dir string, _ *dirStat) dirStat {
		if strings.HasPrefix(dir, "/mnt/x/") {
			looks.Add(1)
			<-hung
		}
		return dirStat{perms: perms{mode: 0o755}, id: id{ino: 7}}
	})
	s.workers.timeout = 300 * time.Millisecond
	s.workers.mountOf = func(dir string) string {
		if strings.HasPrefix(dir, "/mnt/x") {
			return "/mnt/x"
		}
		return "/"
	}
	sight := func(dir string) Visibility {
		return s.View(NewCredentials(1, nil), time.Time{}).PathChecker(nil).Visibility(dir, &Stored{Ino: 7})
	}
	for i := range 100 {
		if got := sight(fmt.Sprintf("/mnt/x/%d/b", i)); got != None {
			t.Errorf("what does not answer: %d", got)
		}
	}
	if n := looks.Load(); n != 2 {
		t.Errorf("%d looks at what does not answer", n)
	}
	s.workers.timeout = time.Minute
	if got := sight("/mnt/y"); got != Full {
		t.Errorf("one beside: %d", got)
	}
	close(hung)
	deadline := time.Now().Add(3 * time.Minute)
	for sight("/mnt/x/a/b") != Full {
		if time.Now().After(deadline) {
			t.Fatal("what answers again is hidden still")
		}
		time.Sleep(time.Millisecond)
	}
}

// An ACL is read with each stat while it may change unnoticed, and otherwise once.
func TestACLsAreKept(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	now := lookAt(dir, nil)
	fresh := now
	fresh.settled, fresh.acl = false, "x"
	if lookAt(dir, &fresh).acl != "" {
		t.Error("kept while the ctime is new")
	}
	old := now
	old.settled, old.acl = true, "x"
	if lookAt(dir, &old).acl != "x" {
		t.Error("read again with the same ctime")
	}
	old.ctime.Nsec ^= 1
	if lookAt(dir, &old).acl != "" {
		t.Error("kept with another ctime")
	}
}

// BenchmarkSight checks the same directories again and again: cached, with new stats, and
// for the first time.
func BenchmarkSight(b *testing.B) {
	type dir struct {
		path   string
		stored *Stored
	}
	var dirs []dir
	_ = filepath.WalkDir("/usr", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			st := lookAt(p, nil)
			stored := st.stored()
			stored.Doc = uint64(len(dirs) + 1) // as those of the index are
			dirs = append(dirs, dir{p, stored})
		}
		return nil
	})
	for _, kind := range []string{"warm", "cold", "first"} {
		b.Run(kind, func(b *testing.B) {
			s := newStats(b)
			for b.Loop() {
				var since time.Time
				switch kind {
				case "cold":
					since = time.Now()
				case "first":
					s = newStats(b)
				}
				at := 0
				w := s.View(NewCredentials(61001, []uint32{61001}), since).PathChecker(func(add func(string, *Stored) bool) {
					for _, d := range dirs[at+1:] {
						if !add(d.path, d.stored) {
							break
						}
					}
				})
				for i := range dirs {
					at = i
					w.Visibility(dirs[i].path, dirs[i].stored)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(dirs)), "ns/dir")
		})
	}
}

// NoACL applies to the very directory that was listed, as it was then, and to no other.
func TestNoACLIsOfOneDirectory(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	const name = "system.posix_acl_access"
	if err := unix.Setxattr(dir, name, []byte(denying(61001)), 0); err != nil {
		t.Skip(err)
	}
	is := lookAt(dir, nil)
	if is.acl == "" || is.mode&0o777 != 0o755 || is.mount == 0 {
		t.Fatalf("%+v", is)
	}
	plain := func(change func(s *Stored)) dirStat {
		s := is.stored()
		s.NoACL = true
		change(s)
		return statDir(&request{dir: dir, noACL: s.noACLDir()}, &parents{now: time.Now()})
	}
	if st := plain(func(*Stored) {}); st.acl != "" || st.mode != is.mode {
		t.Errorf("it is asked for one: %+v", st)
	}
	for what, change := range map[string]func(s *Stored){
		"it is not known":     func(s *Stored) { s.NoACL = false },
		"another inode":       func(s *Stored) { s.Ino++ },
		"another ctime":       func(s *Stored) { s.Ctime.Nsec ^= 1 },
		"another mount":       func(s *Stored) { s.Mount++ },
		"of an unknown mount": func(s *Stored) { s.Mount = 0 },
	} {
		if st := plain(change); st.acl != is.acl {
			t.Errorf("%s: it is taken for a directory without an ACL", what)
		}
	}
	// Through a whole query, with the others that are requested along with it.
	sub := dir + "/sub"
	must(t, os.Mkdir(sub, 0o755))
	must(t, os.Chmod(sub, 0o755))
	must(t, unix.Setxattr(sub, name, []byte(denying(61001)), 0))
	below, above := lookAt(sub, nil), lookAt(dir, nil)
	in, top := below.stored(), above.stored()
	in.NoACL, in.Doc, in.Ctime.Nsec = true, 2, in.Ctime.Nsec^1
	top.NoACL, top.Doc, top.Ctime.Nsec = true, 1, top.Ctime.Nsec^1
	s := newStats(t)
	w := s.View(NewCredentials(61001, []uint32{61001}), time.Now()).PathChecker(func(add func(string, *Stored) bool) { add(sub, in) })
	w.prefetchLimit = maxPrefetch
	if a, b := w.Visibility(dir, top), w.Visibility(sub, in); a != None || b != None {
		t.Errorf("what an ACL closed since it was listed is seen as %d and %d", a, b)
	}
	if told, _ := w.v.Changed(); len(told) > 0 {
		t.Errorf("told of %q", told)
	}
}

// denying returns an ACL that has no other effect on a directory of mode 0755.
func denying(uid uint32) string {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range [][3]uint32{{aclUserObj, 7, ^uint32(0)}, {aclUser, 0, uid}, {aclGroupObj, 5, ^uint32(0)}, {aclMask, 5, ^uint32(0)}, {aclOther, 5, ^uint32(0)}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return string(b)
}
