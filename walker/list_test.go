package walker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

func errorsIs(err, target error) bool { return err != nil && errors.Is(err, target) }

// lockThreadAs lets this goroutine open files as another user. The thread is never
// unlocked.
func lockThreadAs(uid int) {
	runtime.LockOSThread()
	if _, err := unix.SetfsgidRetGid(uid); err != nil {
		panic(err)
	}
	if _, err := unix.SetfsuidRetUid(uid); err != nil {
		panic(err)
	}
}

// realKernel is the real kernel with hooks.
type realKernel struct {
	linux
	before2 func(path string, how *unix.OpenHow) unix.Errno
	beforeX func(name string) unix.Errno
	steps   atomic.Int64
	stats   atomic.Int64
}

func (k *realKernel) openat2(dirfd int, path *byte, how *unix.OpenHow) (int, unix.Errno) {
	if k.before2 != nil {
		if errno := k.before2(unix.BytePtrToString(path), how); errno != 0 {
			return -1, errno
		}
	}
	return k.linux.openat2(dirfd, path, how)
}

func (k *realKernel) openat(dirfd int, path *byte, flags int) (int, unix.Errno) {
	k.steps.Add(1)
	return k.linux.openat(dirfd, path, flags)
}

func (k *realKernel) statx(dirfd int, name *byte, flags int, st *unix.Statx_t) unix.Errno {
	k.stats.Add(1)
	if k.beforeX != nil {
		if errno := k.beforeX(unix.BytePtrToString(name)); errno != 0 {
			return errno
		}
	}
	return k.linux.statx(dirfd, name, flags, st)
}

// visitOne lists one directory with a pool over k and returns a clone of the last result.
func visitOne(t *testing.T, k kernel, o Options, dir string) (last Result) {
	t.Helper()
	p := testPool(t, o, k)
	waitFor(t, submit(t, p, Spec{Dirs: []string{dir}, Visit: func(r *Result) []string {
		last = Result{Dir: r.Dir, Err: r.Err}
		if r.Listing != nil {
			last.Listing = r.Listing.Clone()
		}
		return nil
	}}))
	return last
}

func TestWhatVanishesIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	for i := range 100 {
		if err := os.WriteFile(fmt.Sprintf("%s/%02d", dir, i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	k := &realKernel{beforeX: func(name string) unix.Errno {
		if strings.HasSuffix(name, "7") {
			os.Remove(dir + "/" + name)
		}
		if name == "05" { // becomes a directory
			os.Remove(dir + "/05")
			os.Mkdir(dir+"/05", 0o755)
		}
		if name == "06" {
			return unix.EIO
		}
		return 0
	}}
	r := visitOne(t, k, Options{}, dir)
	if r.Err != nil || len(r.Entries) != 90 {
		t.Fatalf("%d entries, %v", len(r.Entries), r.Err)
	}
	if e := r.Entries[5]; e.Name != "05" || e.Type() != listing.Dir {
		t.Errorf("a file that became a directory: %+v", e)
	}
	want := listing.Entry{Name: "06", Stat: listing.Stat{Mode: unix.S_IFREG}, StatErrno: uint16(unix.EIO)}
	if e := r.Entries[6]; e != want {
		t.Errorf("a file that cannot be stat'ed: %+v", e)
	}
}

func TestADirectoryThatIsNoneAnyMore(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"gone", "file", "link", "swapped/child", "other/child", "fifo"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := testPool(t, Options{Workers: 1}, nil)
	got := map[string]error{}
	waitFor(t, submit(t, p, Spec{Dirs: []string{dir}, Visit: func(r *Result) []string {
		got[strings.TrimPrefix(r.Dir, dir)] = r.Err
		switch r.Dir {
		case dir:
			for _, name := range []string{"gone", "file", "link", "fifo"} {
				os.Remove(filepath.Join(dir, name))
			}
			os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
			os.Symlink("other", filepath.Join(dir, "link"))
			unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644)
		case dir + "/swapped": // its child is not reached through a link
			os.Rename(dir+"/swapped", dir+"/moved")
			os.Symlink("other", dir+"/swapped")
		}
		return descend(r)
	}}))
	want := map[string]error{"": nil, "/other": nil, "/other/child": nil, "/gone": syscall.ENOENT, "/file": syscall.ENOTDIR,
		"/link": syscall.ENOTDIR, "/fifo": syscall.ENOTDIR, "/swapped": nil, "/swapped/child": syscall.ELOOP}
	for name, err := range want {
		if g, ok := got[name]; !ok || !errors.Is(g, err) {
			t.Errorf("%q: %v, want %v", name, g, err)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
}

// A directory that is removed while it is open.
func TestADirectoryRemovedWhileItIsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	k := &realKernel{beforeX: func(name string) unix.Errno {
		if name == "" {
			os.Remove(dir)
		}
		return 0
	}}
	if r := visitOne(t, k, Options{}, dir); !errorsIs(r.Err, fs.ErrNotExist) {
		t.Errorf("%v, %+v", r.Err, r.Listing)
	}
}

// A directory whose stat fails.
func TestADirectoryThatCannotBeStated(t *testing.T) {
	k := &realKernel{beforeX: func(name string) unix.Errno {
		if name == "" {
			return unix.ESTALE
		}
		return 0
	}}
	if r := visitOne(t, k, Options{}, t.TempDir()); !errorsIs(r.Err, syscall.ESTALE) {
		t.Error(r.Err)
	}
}

func TestADirectoryReplacedBetweenItsParts(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "d")
	fill := func() {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if err := os.WriteFile(fmt.Sprintf("%s/%d", dir, i), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	p := testPool(t, Options{Workers: 2, BigDir: 3}, nil)
	parts := 0
	var err error
	s := waitFor(t, submit(t, p, Spec{Dirs: []string{dir}, Visit: func(r *Result) []string {
		if err = r.Err; err == nil {
			if parts++; parts == 2 {
				os.Rename(dir, dir+"-moved")
				fill()
			}
		}
		return nil
	}}))
	if parts != 2 || !errorsIs(err, ErrReplaced) || s.Dirs != 0 || s.Errors != 1 || s.Entries != 6 {
		t.Errorf("%d parts, %v, %+v", parts, err, s)
	}
}

func TestPathsThatNobodyShouldGive(t *testing.T) {
	for _, dir := range []string{"", "relative", "/a\x00b", "\x00"} {
		if err := List(t.Context(), dir, nil); !errorsIs(err, syscall.EINVAL) {
			t.Errorf("%q: %v", dir, err)
		}
	}
	if err := List(t.Context(), "/"+strings.Repeat("x", 5000)+"/y", nil); !errorsIs(err, syscall.ENAMETOOLONG) {
		t.Errorf("a component of 5,000 bytes: %v", err)
	}
	if err := List(t.Context(), "/"+strings.Repeat("x", 256), nil); !errorsIs(err, syscall.ENAMETOOLONG) {
		t.Errorf("a component of 256 bytes: %v", err)
	}
}

// Without openat2, or if a sandbox denies it, paths are opened one component after the
// other, and links are still not followed.
func TestWithoutOpenat2(t *testing.T) {
	root := hostileTree(t)
	deepDir(t, root, 9000, strings.Repeat("d", 200))
	want := find(t, root)
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM} {
		k := &realKernel{before2: func(string, *unix.OpenHow) unix.Errno { return errno }}
		compare(t, walkTree(t, testPool(t, Options{}, k), root), want)
		if k.steps.Load() == 0 {
			t.Error("nothing was opened by step")
		}
		for path, want := range map[string]error{
			"/kinds/up":             syscall.ENOTDIR,
			"/kinds/up/kinds":       syscall.ENOTDIR,
			"/kinds/root/names":     syscall.ENOTDIR,
			"/kinds/loop":           syscall.ENOTDIR,
			"/kinds/sparse":         syscall.ENOTDIR,
			"/names/nothing/at/all": syscall.ENOENT,
		} {
			if r := visitOne(t, k, Options{}, root+path); !errorsIs(r.Err, want) {
				t.Errorf("%v: %s: %v", errno, path, r.Err)
			}
		}
	}
}

// O_NOATIME is denied to all but the owner.
func TestWithoutNoatime(t *testing.T) {
	dir := t.TempDir()
	k := &realKernel{before2: func(_ string, how *unix.OpenHow) unix.Errno {
		if how.Flags&unix.O_NOATIME != 0 && how.Flags&unix.O_PATH == 0 {
			return unix.EPERM
		}
		return 0
	}}
	if r := visitOne(t, k, Options{}, dir); r.Err != nil || k.steps.Load() != 0 {
		t.Errorf("%v, %d steps", r.Err, k.steps.Load())
	}
}

// Listing allocates nothing per entry, and hardly anything per directory.
func TestNoAllocationPerEntry(t *testing.T) {
	dir := t.TempDir()
	for i := range 1000 {
		if err := os.Symlink("x", fmt.Sprintf("%s/name-%d", dir, i)); err != nil {
			t.Fatal(err)
		}
	}
	var stop atomic.Bool
	ls := newLister(&linux{}, func() uint64 { return 0 }, &bufferPool{})
	ls.stop = &stop
	n := testing.AllocsPerRun(20, func() {
		if err := ls.read(ls.begin(dir), 8192, nil); err != nil || len(ls.listed.Entries) != 1000 {
			t.Fatal(err)
		}
		ls.release()
	})
	if n > 0 {
		t.Errorf("%v allocations for a directory of 1,000 entries", n)
	}
}

// A lister does not keep the memory of one huge directory.
func TestALargeDirectorysMemoryIsGivenBack(t *testing.T) {
	f := newFakeFS()
	f.flat("/", 100000, 0)
	var stop atomic.Bool
	ls := newLister(f, func() uint64 { return 0 }, &bufferPool{})
	ls.stop = &stop
	if err := ls.read(ls.begin("/"), 200000, nil); err != nil || len(ls.listed.Entries) != 100000 || !ls.listed.Last {
		t.Fatal(err, len(ls.listed.Entries))
	}
	if names := namesOf(&ls.listed); !slices.IsSorted(names) {
		t.Error("not sorted")
	}
	ls.release()
	ls.begin("/")
	ns := &ls.first.names
	if cap(ls.entries) > retainedEntries || len(ns.blocks) > 1 || len(ns.runs) > 1 || slices.ContainsFunc(ns.blocks[1:cap(ns.blocks)], func(b []byte) bool { return b != nil }) {
		t.Errorf("kept: %d entries, %d blocks, %d runs", cap(ls.entries), len(ns.blocks), len(ns.runs))
	}
}
