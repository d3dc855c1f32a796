package walker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/testutil/scale"
	"indexd/listing"
)

// The tests of this file compare the walker with find(1) on the same tree, name by name
// and number by number.
//
// findFormat prints everything that a listing contains of an entry except the birth time
// (for which find 4.9 prints nonsense).

// findFormat prints, of one entry, all that a listing has but the birth time
// (find 4.9 prints nonsense there).
const findFormat = `%p\0%y %s %b %T@ %C@ %m %U %G %i %n\0`

// line returns the same for an entry.
func line(e *listing.Entry) string {
	return fmt.Sprintf("%c %d %d %s %s %o %d %d %d %d", e.Type().Letter(), e.Size, e.Blocks,
		findTime(e.Mtime), findTime(e.Ctime), e.Mode&0o7777, e.UID, e.GID, e.Ino, e.Nlink)
}

func findTime(t listing.Time) string {
	return fmt.Sprintf("%d.%09d0", t.Sec, t.Nsec)
}

// find returns find's lines by path, without the root.
func find(t *testing.T, root string) map[string]string {
	t.Helper()
	cmd := exec.Command("find", root, "-mindepth", "1", "-printf", findFormat)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("find: %v", err)
	}
	found := map[string]string{}
	fields := strings.Split(string(out), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		found[fields[i]] = fields[i+1]
	}
	return found
}

// walkTree returns the same from the walker, and checks that listings are as documented.
func walkTree(t *testing.T, p *Pool, root string) map[string]string {
	t.Helper()
	var mu sync.Mutex
	found := map[string]string{}
	after := map[string]string{} // the last name of a part, by directory
	stamps := map[uint64]string{}
	s := waitFor(t, submit(t, p, Spec{Dirs: []string{root}, Visit: func(r *Result) []string {
		mu.Lock()
		defer mu.Unlock()
		if r.Err != nil {
			t.Errorf("%q: %v", r.Dir, r.Err)
			return nil
		}
		last, seen := after[r.Dir]
		if r.First == seen {
			t.Errorf("%q: a part says First %v", r.Dir, r.First)
		}
		if dir, ok := stamps[r.Stamp]; ok && dir != r.Dir {
			t.Errorf("%q and %q have one stamp", dir, r.Dir)
		}
		stamps[r.Stamp] = r.Dir
		if r.Dev == 0 || r.MountID == 0 || r.Listing.Dir.Type() != listing.Dir {
			t.Errorf("%q: device %#x, mount %d, mode %o", r.Dir, r.Dev, r.MountID, r.Listing.Dir.Mode)
		}
		for i := range r.Entries {
			e := &r.Entries[i]
			if e.Name <= last && (seen || i > 0) {
				t.Errorf("%q: %q comes after %q", r.Dir, e.Name, last)
			}
			last = e.Name
			if e.StatErrno != 0 {
				t.Errorf("%q: %v", join(r.Dir, e.Name), syscall.Errno(e.StatErrno))
			}
			found[join(r.Dir, strings.Clone(e.Name))] = line(e)
		}
		after[r.Dir] = strings.Clone(last)
		return subdirs(r.Listing)
	}}))
	if s.Entries != int64(len(found)) || s.Dirs != int64(len(after)) {
		t.Errorf("%d entries in %d directories, but %+v", len(found), len(after), s)
	}
	return found
}

func compare(t *testing.T, got, want map[string]string) {
	t.Helper()
	bad := 0
	for path, line := range want {
		if got[path] != line {
			t.Errorf("%.200q\n got %s\nwant %s", path, got[path], line)
			bad++
		}
		if bad > 10 {
			t.FailNow()
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%.200q: find does not have it", path)
		}
	}
}

// hostileNames are names that trip up programs.
var hostileNames = []string{
	"new\nline", "\n", "tab\there", " ", "  lead", "trail ", "-rf", "--", "*", "?", "[a-z]", "\\", "'", "\"", "$(x)", "~", "#", "%s",
	"\xff\xfe", "caf\xe9", "cafe\u0301", "café", "\x01\x02\x1b[31m", "\x7f", "...", "..a", ".hidden", ".\n", "a:b", "日本語", "🗂",
	strings.Repeat("x", 255), strings.Repeat("\xff", 255), strings.Repeat("é", 127), "sameprefix", "sameprefix0", "sameprefi", "sameprefiy", "s",
}

// hostileTree creates a tree with entries of every kind.
func hostileTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name ...string) string { return filepath.Join(append([]string{root}, name...)...) }
	must(os.Mkdir(at("empty"), 0o700))
	must(os.Mkdir(at("names"), 0o755))
	must(os.Mkdir(at("dirs"), 0o755))
	for i, name := range hostileNames {
		must(os.WriteFile(root+"/names/"+name, bytes.Repeat([]byte{'x'}, i*777), 0o600+os.FileMode(i%8)))
		must(os.Mkdir(root+"/dirs/"+name, 0o755))
		must(os.WriteFile(root+"/dirs/"+name+"/inside", nil, 0o644))
	}
	must(os.Mkdir(at("kinds"), 0o755))
	must(unix.Mkfifo(at("kinds", "fifo"), 0o640))
	l, err := net.Listen("unix", at("kinds", "s"))
	must(err)
	t.Cleanup(func() { l.Close() })
	must(os.Symlink("nowhere", at("kinds", "dangling")))
	must(os.Symlink("loop", at("kinds", "loop")))
	must(os.Symlink("..", at("kinds", "up")))
	must(os.Symlink(root, at("kinds", "root")))
	must(os.Symlink("/", at("kinds", "slash")))
	must(os.WriteFile(at("kinds", "sparse"), nil, 0o644))
	must(os.Truncate(at("kinds", "sparse"), 1<<40))
	must(os.Link(at("kinds", "sparse"), at("kinds", "hard")))
	must(os.Chmod(at("kinds", "hard"), 0o755|os.ModeSetuid|os.ModeSticky))
	must(os.Mkdir(at("old"), 0o755|os.ModeSticky))
	must(os.WriteFile(at("old", "1969"), nil, 0o644))
	for name, sec := range map[string]int64{"1969": -1, "1901": -1 << 31, "2038": 1 << 31, "2446": 15032385535} {
		must(os.WriteFile(at("old", name), nil, 0o644))
		ts := []unix.Timespec{{Sec: sec, Nsec: 1}, {Sec: sec, Nsec: 999999999}}
		must(unix.UtimesNanoAt(unix.AT_FDCWD, at("old", name), ts, 0))
	}
	if os.Getuid() == 0 {
		must(os.Lchown(at("kinds", "dangling"), 12345, 4294967294))
		_ = unix.Mknod(at("kinds", "null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) // not in every sandbox
	}
	return root
}

// deepDir creates directories below root until the path is longer than n bytes, with a
// file in each, and returns the path of the deepest.
func deepDir(t *testing.T, root string, n int, name string) string {
	t.Helper()
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { unix.Close(fd) }()
	path := root
	for len(path) <= n {
		if err := unix.Mkdirat(fd, name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd = next
		if err := unix.Symlinkat("file", fd, "file"); err != nil {
			t.Fatal(err)
		}
		path += "/" + name
	}
	return path
}

func TestHostileTreeIsAsFindSeesIt(t *testing.T) {
	root := hostileTree(t)
	deepDir(t, root, 12000, strings.Repeat("d", 200))
	deepDir(t, root, 5000, "\xff\n")
	want := find(t, root)
	if len(want) < 2*len(hostileNames)+2500 {
		t.Fatalf("find found %d entries", len(want))
	}
	for _, o := range []Options{{}, {Workers: 1, BigDir: 1}, {BigDir: 7, PerDevice: 1}, {Workers: 32, BigDir: 38}} {
		compare(t, walkTree(t, testPool(t, o, nil), root), want)
	}
}

func TestManyFilesAreAsFindSeesThem(t *testing.T) {
	scale.SkipIfShort(t)
	root := t.TempDir()
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30000 {
		if err := unix.Symlinkat(strconv.Itoa(i), fd, fmt.Sprintf("%d-%d", i*7919%30011, i)); err != nil {
			t.Fatal(err)
		}
	}
	unix.Close(fd)
	want := find(t, root)
	for _, o := range []Options{{}, {BigDir: 30000}, {BigDir: 29999}} {
		compare(t, walkTree(t, testPool(t, o, nil), root), want)
	}
	t.Run("List", func(t *testing.T) { testList(t, root) })
}

func testList(t *testing.T, dir string) {
	var sizes []int
	if err := List(t.Context(), dir, func(l *listing.Listing) error {
		if l.First != (len(sizes) == 0) || l.Last != (len(l.Entries) < 8192) {
			t.Errorf("part %d: first %v, last %v", len(sizes), l.First, l.Last)
		}
		sizes = append(sizes, len(l.Entries))
		return nil
	}); err != nil || !slices.Equal(sizes, []int{8192, 8192, 8192, 30000 - 3*8192}) {
		t.Errorf("%v, parts of %v", err, sizes)
	}
	enough := errors.New("enough")
	calls := 0
	if err := List(t.Context(), dir, func(*listing.Listing) error { calls++; return enough }); err != enough || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := List(ctx, dir, func(*listing.Listing) error { cancel(enough); return nil }); err != enough {
		t.Errorf("cancelled between two parts: %v", err)
	}
	if err := List(ctx, dir, func(*listing.Listing) error { t.Error("called"); return nil }); err != enough {
		t.Errorf("cancelled before: %v", err)
	}
}

func TestUsrIsAsFindSeesIt(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole tree of a real machine")
	}
	const root = "/usr/share"
	before := find(t, root)
	got := walkTree(t, testPool(t, Options{}, nil), root)
	after := find(t, root)
	if fmt.Sprint(len(before)) != fmt.Sprint(len(after)) {
		t.Skip("the tree is changing")
	}
	for path, line := range before {
		if after[path] != line {
			delete(before, path) // changing
			delete(got, path)
		}
	}
	compare(t, got, before)
}

// The walker may list as little as find may: nothing of another user's closed directory.
func TestUnreadableDirectories(t *testing.T) {
	root := t.TempDir()
	for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"closed": 0, "noexec": 0o644, "noread": 0o311} {
		if err := os.MkdirAll(filepath.Join(root, name, "child"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(root, name), mode); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(filepath.Join(root, name), 0o755)
	}
	// As another user, without root's power to read everything. Files are opened with
	// the ids of the thread, which ends with the goroutine, since it is never unlocked.
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if os.Getuid() == 0 {
			lockThreadAs(65534)
		}
		list := func(name string) (entries []listing.Entry, err error) {
			err = List(t.Context(), filepath.Join(root, name), func(l *listing.Listing) error {
				entries = l.Clone().Entries
				return nil
			})
			return entries, err
		}
		for _, name := range []string{"closed", "noread", "closed/child"} {
			if _, err := list(name); !errorsIs(err, fs.ErrPermission) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if e, err := list("noread/child"); err != nil || len(e) != 0 {
			t.Errorf("a directory below one that may be searched only: %v, %v", e, err)
		}
		e, err := list("noexec")
		if err != nil || len(e) != 1 || e[0].Name != "child" || e[0].Type() != listing.Dir || syscall.Errno(e[0].StatErrno) != syscall.EACCES {
			t.Errorf("a directory that may be read only: %+v, %v", e, err)
		}
		if e, err := list(""); err != nil || !slices.Equal([]string{"closed", "noexec", "noread"}, namesOf(&listing.Listing{Entries: e})) {
			t.Errorf("the directory above: %+v, %v", e, err)
		}
	})
}

// Changes of a directory made after it is opened and before the caller watches it are in
// its listing: names, and its own times.
func TestChangedWhileOpened(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chtimes(dir, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	p := New(Options{})
	defer p.Close()
	j, err := p.Submit(t.Context(), Spec{
		Dirs: []string{dir},
		Opened: func(string, uint64, *listing.Stat) {
			if err := os.Mkdir(filepath.Join(dir, "new"), 0o755); err != nil {
				t.Error(err)
			}
		},
		Visit: func(r *Result) []string {
			fi, err := os.Lstat(dir)
			if err != nil || r.Err != nil {
				t.Error(err, r.Err)
				return nil
			}
			if got := r.Listing.Dir.Mtime.Std(); !got.Equal(fi.ModTime()) || r.Listing.Dir.Nlink != 3 && r.Listing.Dir.Nlink != 1 {
				t.Errorf("its time is %v, not %v; %d links", got, fi.ModTime(), r.Listing.Dir.Nlink)
			}
			if len(r.Listing.Entries) != 1 {
				t.Errorf("%+v", r.Listing.Entries)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}
