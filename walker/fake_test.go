package walker

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// fakeFS is a kernel with an in-memory file system: of any size, with any fault, and with
// calls that hang. Directories must be added before use; hooks may block. All directories
// are on device 1 unless dev says otherwise.
type fakeFS struct {
	mu   sync.Mutex
	dirs map[string]*fakeDir
	open map[int]*fakeOpen
	last int

	onOpen  func(dir string) unix.Errno
	onNames func(dir string) unix.Errno
	onStatx func(dir, name string) unix.Errno

	opens, statxs, busy, most atomic.Int64 // most: open at once
}

type fakeDir struct {
	ino, dev uint64
	entries  []fakeEntry
}

type fakeEntry struct {
	name string
	typ  byte
}

type fakeOpen struct {
	path string
	dir  *fakeDir
	pos  int
}

func newFakeFS() *fakeFS {
	return &fakeFS{dirs: map[string]*fakeDir{}, open: map[int]*fakeOpen{}, last: 1000}
}

// dir adds a directory with files, and its name to its parent if that exists.
func (f *fakeFS) dir(path string, files ...string) *fakeDir {
	d := &fakeDir{ino: uint64(len(f.dirs) + 1), dev: 1}
	for _, name := range files {
		d.entries = append(d.entries, fakeEntry{name, unix.DT_REG})
	}
	f.dirs[path] = d
	slash := strings.LastIndexByte(path, '/')
	parent, name := path[:max(slash, 1)], path[slash+1:]
	if p := f.dirs[parent]; p != nil && name != "" {
		p.entries = append(p.entries, fakeEntry{name, unix.DT_DIR})
		d.dev = p.dev
	}
	return d
}

// flat adds a directory of n files and sub subdirectories.
func (f *fakeFS) flat(path string, n, sub int) {
	d := f.dir(path)
	for i := range n {
		d.entries = append(d.entries, fakeEntry{fmt.Sprintf("f%07d", i*7919%n), unix.DT_REG})
	}
	for i := range sub {
		f.dir(fmt.Sprintf("%s/d%07d", strings.TrimSuffix(path, "/"), i))
	}
}

func (f *fakeFS) openat2(_ int, path *byte, _ *unix.OpenHow) (int, unix.Errno) {
	name := unix.BytePtrToString(path)
	f.opens.Add(1)
	if f.onOpen != nil {
		if errno := f.onOpen(name); errno != 0 {
			return -1, errno
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.dirs[name]
	if d == nil {
		return -1, unix.ENOENT
	}
	f.last++
	f.open[f.last] = &fakeOpen{path: name, dir: d}
	if busy := f.busy.Add(1); busy > f.most.Load() {
		f.most.Store(busy)
	}
	return f.last, 0
}

func (f *fakeFS) openat(int, *byte, int) (int, unix.Errno) { return -1, unix.ENOSYS }

func (f *fakeFS) file(fd int) *fakeOpen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open[fd]
}

func (f *fakeFS) getdents(fd int, buf []byte) (int, unix.Errno) {
	o := f.file(fd)
	if f.onNames != nil {
		if errno := f.onNames(o.path); errno != 0 {
			return 0, errno
		}
	}
	n := 0
	for ; o.pos < len(o.dir.entries); o.pos++ {
		e := o.dir.entries[o.pos]
		size := (direntName + len(e.name) + 1 + 7) &^ 7
		if n+size > len(buf) {
			break
		}
		clear(buf[n : n+size])
		binary.NativeEndian.PutUint16(buf[n+direntReclen:], uint16(size))
		buf[n+direntType] = e.typ
		copy(buf[n+direntName:], e.name)
		n += size
	}
	return n, 0
}

func (f *fakeFS) fstatfs(int, *unix.Statfs_t) unix.Errno { return unix.ENOSYS }

func (f *fakeFS) fgetxattr(int, *byte) unix.Errno { return unix.EOPNOTSUPP }

func (f *fakeFS) statx(fd int, name *byte, _ int, st *unix.Statx_t) unix.Errno {
	o, s := f.file(fd), unix.BytePtrToString(name)
	*st = unix.Statx_t{Mask: unix.STATX_BASIC_STATS, Mode: unix.S_IFREG | 0o644, Nlink: 1, Dev_minor: uint32(o.dir.dev)}
	if s == "" {
		st.Mode, st.Ino = unix.S_IFDIR|0o755, o.dir.ino
		return 0
	}
	f.statxs.Add(1)
	if f.onStatx != nil {
		if errno := f.onStatx(o.path, s); errno != 0 {
			return errno
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.dirs[join(o.path, s)]; d != nil {
		st.Mode, st.Ino, st.Dev_minor = unix.S_IFDIR|0o755, d.ino, uint32(d.dev)
	}
	return 0
}

func (f *fakeFS) close(fd int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[fd] == nil {
		panic("close of what is not open")
	}
	delete(f.open, fd)
	f.busy.Add(-1)
}

// leaked returns the number of descriptors that were not closed.
func (f *fakeFS) leaked() int { return int(f.busy.Load()) }
