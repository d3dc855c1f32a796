package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// Errors of Watch. Others come from the file system, such as EACCES if the directory
// cannot be read, or ENAMETOOLONG if the path is longer than PATH_MAX.
var (
	// ErrBudget means that no more watches are available, and that all watched
	// directories changed later than this one.
	ErrBudget = errors.New("no more directories can be watched")
	// ErrMoved means that another directory is at the path than the caller expected, or
	// that it did not stay there. Its parent should be listed again.
	ErrMoved = errors.New("the directory was moved or replaced")
	// ErrElsewhere means that the directory is watched by another path, through a bind
	// mount.
	ErrElsewhere = errors.New("watched by another path")
)

// Watch starts watching the directory at an absolute clean path. When it returns, the
// watch exists: a listing that begins after that misses no event. Watching a directory
// again is allowed and costs one stat.
//
// want identifies the directory that is expected there, for instance from fstat of the
// descriptor that is going to be listed; the zero Ident accepts any. got is the stat of
// the directory after the watch was added. changed is the time of the last known change
// in the directory; events update it. If no watches are left, the directory that has not
// changed for the longest time loses its watch to one that changed later, see OnEvict.
//
// It must not be called for directories on file systems that may hang, see Local.
func (s *Source) Watch(dir string, want Ident, changed time.Time) (got Stat, err error) {
	if want == (Ident{}) {
		if want, err = identOf(dir); err != nil {
			return got, err
		}
	}
	n, isNew, err := s.add(dir, want, changed)
	if errors.Is(err, syscall.ENOSPC) {
		s.noteExhausted(n)
		n, isNew, err = s.add(dir, want, changed) // in place of another
	}
	if n == nil {
		return got, err
	}
	if err == nil {
		// By path, as the kernel found what it watches.
		if got, err = Lstat(dir); err == nil && got.Ident != want {
			err = ErrMoved
		}
	}
	s.mu.Lock()
	if err == nil && s.set.byPath[dir] != n {
		err = ErrMoved // an event removed it meanwhile
	}
	if err == nil {
		s.mu.Unlock()
		if isNew {
			s.checkChildren(dir)
		}
		return got, nil
	}
	switch s.set.byPath[dir] {
	case n:
		s.set.remove(n)
		s.pendingRemovals = append(s.pendingRemovals, dir)
		signal(s.freed) // there may have seemed to be no room meanwhile
	case nil:
		s.pendingRemovals = append(s.pendingRemovals, dir) // possibly removed from the set before the watch was added
	}
	if errors.Is(err, ErrMoved) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		s.dropUnseen(dir)
	}
	s.mu.Unlock()
	s.ops.Lock()
	s.flushRemovals()
	s.ops.Unlock()
	if errors.Is(err, syscall.ENOSPC) { // another user's process took the evicted watch
		err = ErrBudget
	}
	return got, err
}

// noteExhausted records that the kernel refused a watch for n.
func (s *Source) noteExhausted(n *node) {
	s.ops.Lock()
	defer s.ops.Unlock()
	s.mu.Lock()
	s.set.remove(n)
	left := s.set.len()
	s.mu.Unlock()
	if s.budget.exhausted(left) {
		s.log.Info("the kernel allows no more watches", "watches", left, "sysctl", Sysctl)
	}
}

// add adds a directory to the set and asks the kernel to watch it. n is nil if it was not
// asked.
func (s *Source) add(dir string, want Ident, changed time.Time) (n *node, isNew bool, err error) {
	s.ops.Lock()
	defer s.ops.Unlock()
	if s.closed {
		return nil, false, ErrClosed
	}
	s.flushRemovals()
	n, isNew, err = s.reserve(dir, want, changed)
	if err != nil {
		return nil, false, err
	}
	s.flushRemovals() // before adding: reserve may have dropped a watch of the same inode
	if isNew {
		err = s.fs.Add(dir)
	}
	return n, isNew, err
}

// reserve adds a directory to the set before its first event can arrive. It drops watches
// known to be of another place or another inode by now. isNew means that the directory
// was not in the set. Only then may it be added to fsnotify: if a path that fsnotify has
// is added while the inode there is known by another path, its tables become inconsistent
// and Remove panics. ops must be held, mu must not.
func (s *Source) reserve(dir string, want Ident, changed time.Time) (n *node, isNew bool, err error) {
	s.mu.Lock()
	other := s.set.byID[want]
	s.mu.Unlock()
	if other != nil && other.path != dir {
		if is, err := identOf(other.path); err == nil && is == want {
			return nil, false, fmt.Errorf("%w: %s", ErrElsewhere, other.path)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other = s.set.byID[want]; other != nil && other.path != dir {
		// Renamed, and the event has not been drained. The kernel has only one watch
		// per inode, and fsnotify keeps the old path.
		s.dropUnseen(other.path)
	}
	if n := s.set.byPath[dir]; n != nil {
		if n.id == want {
			s.set.touch(n, clampTime(changed))
			return n, false, nil
		}
		s.dropUnseen(dir) // the watches below are in another directory
	}
	n = &node{path: dir, id: want, changed: clampTime(changed)}
	if !s.budget.allows(s.set.len(), s.o.Limits) && !s.evictFor(n) {
		return nil, false, ErrBudget
	}
	s.set.add(n)
	return n, true, nil
}

// Unwatch stops watching one directory. Events of it that have not been drained are lost,
// so it must be treated as unwatched.
func (s *Source) Unwatch(dir string) {
	s.removeWith(func() {
		if n := s.set.byPath[dir]; n != nil && s.set.remove(n) {
			s.pendingRemovals = append(s.pendingRemovals, dir)
			signal(s.freed)
		}
	})
}

// UnwatchTree stops watching a directory and all below it.
func (s *Source) UnwatchTree(dir string) { s.removeWith(func() { s.drop(dir) }) }

func (s *Source) removeWith(take func()) {
	s.ops.Lock()
	defer s.ops.Unlock()
	s.mu.Lock()
	take()
	s.mu.Unlock()
	s.flushRemovals()
}

// Watched reports whether a directory is watched.
func (s *Source) Watched(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set.byPath[dir] != nil
}

// CountBelow returns how many directories are watched at and below dir.
func (s *Source) CountBelow(dir string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set.countBelow(dir)
}

// evictFor removes the watch that has been without changes for the longest time, if that
// is longer than for n. ops and mu must be held.
func (s *Source) evictFor(n *node) bool {
	if len(s.set.lru) == 0 || s.set.lru[0].changed >= n.changed {
		return false
	}
	cold := s.set.lru[0]
	s.onEvict(cold.path, time.Unix(int64(cold.changed), 0))
	s.set.remove(cold)
	s.pendingRemovals = append(s.pendingRemovals, cold.path)
	return true
}

// drop removes a directory and all below it from the set; flushRemovals removes the
// watches. It reports whether there were any. mu must be held.
func (s *Source) drop(dir string) bool {
	list := s.set.below(dir)
	for _, n := range list {
		s.set.remove(n)
		s.pendingRemovals = append(s.pendingRemovals, n.path)
	}
	if len(list) > 0 {
		signal(s.freed)
	}
	return len(list) > 0
}

// flushRemovals removes the watches of dropped directories. ops must be held, mu must
// not.
func (s *Source) flushRemovals() {
	s.mu.Lock()
	doomed := s.pendingRemovals
	s.pendingRemovals = nil
	s.mu.Unlock()
	if s.closed {
		return
	}
	for _, dir := range doomed {
		// It fails if the kernel has removed the watch along with the directory.
		_ = s.fs.Remove(dir)
	}
}

// dropUnseen is drop for directories that should still be watched. Changes there go
// unnoticed until they are listed and watched again, so a hint is added. mu must be held.
func (s *Source) dropUnseen(dir string) {
	if s.drop(dir) {
		s.pending.addSubtree(dir)
		s.notify()
		signal(s.wakeJanitor)
	}
}

// janitor removes watches on behalf of goroutines that must not, and checks all watches
// after an overflow.
func (s *Source) janitor() {
	for {
		select {
		case <-s.wakeJanitor:
		case <-s.stopped:
			return
		}
		s.ops.Lock()
		s.flushRemovals()
		s.ops.Unlock()
		s.mu.Lock()
		recheck := s.recheckAll
		s.recheckAll = false
		s.mu.Unlock()
		if recheck {
			s.checkAll()
		}
	}
}

// checkAll drops all watches whose path does not, or may not, lead to their directory any
// more: the events that reported this were lost.
func (s *Source) checkAll() {
	for after := ""; ; {
		s.mu.Lock()
		page := s.set.sorted.page(after)
		s.mu.Unlock()
		if len(page) == 0 {
			return
		}
		for _, n := range page {
			select {
			case <-s.stopped:
				return
			default:
			}
			if st, err := statDir(n.path); err == nil && s.isUnchanged(n, &st) {
				continue
			}
			s.ops.Lock()
			s.mu.Lock()
			if s.set.byPath[n.path] == n {
				s.dropUnseen(n.path)
			}
			s.mu.Unlock()
			s.flushRemovals()
			s.ops.Unlock()
		}
		after = page[len(page)-1].path
	}
}

// checkChildren drops vanished children of a directory whose watch was just added.
// fsnotify suppresses the event of a child's own watch once the parent is watched,
// assuming that the parent has reported it.
func (s *Source) checkChildren(dir string) {
	var gone []string
	for after := ""; ; {
		s.mu.Lock()
		page := s.set.children(dir, after)
		s.mu.Unlock()
		if len(page) == 0 {
			break
		}
		for _, after = range page {
			if _, err := Lstat(after); errors.Is(err, fs.ErrNotExist) {
				gone = append(gone, after)
			}
		}
	}
	if len(gone) > 0 {
		s.removeWith(func() {
			for _, path := range gone {
				s.dropUnseen(path)
			}
		})
	}
}

// isUnchanged reports whether st, now at n's path, is certainly the directory watched
// there. On file systems without birth times, another directory may have reused the
// inode, unless nothing has been done to it since the Source was created.
func (s *Source) isUnchanged(n *node, st *Stat) bool {
	return st.Ident == n.id && (st.Born != 0 || st.Ctime.Sec < s.createdAt.Unix())
}

// drainEvents turns events into hints until there are no more.
func (s *Source) drainEvents() {
	for e := range s.fs.Events {
		s.handleEvent(&e)
		s.drained.Add(1)
	}
}

// handleEvent turns one event into a hint.
func (s *Source) handleEvent(e *fsnotify.Event) {
	if len(e.Name) == 0 || e.Name[0] != '/' {
		return
	}
	dir, name := split(e.Name)
	if dir == s.o.BarrierDir || e.Name == s.o.BarrierDir {
		s.barrier.handleEvent(dir == s.o.BarrierDir, name)
		return
	}
	change := Content
	if e.Op&(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) != 0 {
		change = Named
	}
	path := e.Name
	if dir == "/" {
		path = "/" + name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Op&(fsnotify.Remove|fsnotify.Rename) != 0 {
		s.dropUnseen(path)
	}
	d, known := s.pending.known(dir, name, change)
	if !known {
		s.mu.Unlock()
		excluded := s.o.Excluded(path)
		s.mu.Lock()
		if excluded {
			return
		}
		if name == "" { // "/" itself
			s.pending.addListing(dir)
		} else {
			d = s.pending.addName(dir, name, change)
		}
		s.notify()
	}
	if now := clampTime(time.Now()); d != nil && d.touched != now {
		d.touched = now
		if n := s.set.byPath[dir]; n != nil {
			s.set.touch(n, now)
		}
	}
}

// drainErrors handles errors until there are no more, and answers waitErrors.
func (s *Source) drainErrors() {
	for {
		select {
		case err, ok := <-s.fs.Errors:
			if !ok {
				return
			}
			s.handleError(err)
		case answer := <-s.ping:
			close(answer)
		}
	}
}

func (s *Source) handleError(err error) {
	switch {
	case errors.Is(err, fsnotify.ErrEventOverflow):
		s.mu.Lock()
		s.lost++
		s.recheckAll = true
		s.pending.overflow = true
		s.notify()
		s.mu.Unlock()
		signal(s.wakeJanitor)
		s.barrier.handleOverflow()
		s.throttled.overflow.Log(func(times int) {
			s.log.Info("inotify queue overflow; checking all watched directories", "times", times)
		})
	case errors.Is(err, syscall.EINVAL), errors.Is(err, fsnotify.ErrNonExistentWatch):
		// The kernel had already removed the watch.
	default:
		s.throttled.fault.Log(func(times int) { s.log.Warn("inotify", "err", err, "times", times) })
	}
}

// identOf returns the Ident of the directory at an absolute path, see statDir.
func identOf(dir string) (Ident, error) {
	st, err := statDir(dir)
	return st.Ident, err
}

// statDir returns the stat of the directory at an absolute path. It fails if any
// component is a symbolic link.
func statDir(dir string) (Stat, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, dir, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS,
	})
	var st unix.Statx_t
	switch {
	case err == nil:
		err = unix.Statx(fd, "", unix.AT_EMPTY_PATH, statMask, &st)
		unix.Close(fd)
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		// Before Linux 5.6, in some sandboxes, or with too many open files. Links
		// further up are followed.
		err = unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, statMask, &st)
	}
	return statOf(dir, &st, err)
}

// Stat is the state of a directory at one moment.
type Stat struct {
	Ident
	Mtime, Ctime unix.StatxTimestamp
}

// Lstat returns the stat of a directory by path. Links further up are followed.
func Lstat(dir string) (Stat, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT,
		statMask, &st)
	return statOf(dir, &st, err)
}

func statOf(dir string, st *unix.Statx_t, err error) (Stat, error) {
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = unix.ENOTDIR
	}
	if err != nil {
		return Stat{}, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	got := Stat{Ident{Dev: uint64(st.Dev_major)<<32 | uint64(st.Dev_minor), Ino: st.Ino}, st.Mtime, st.Ctime}
	if st.Mask&unix.STATX_BTIME != 0 {
		got.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return got, nil
}

const statMask = unix.STATX_TYPE | unix.STATX_INO | unix.STATX_BTIME | unix.STATX_MTIME | unix.STATX_CTIME

// Local reports whether all changes to file systems of this type go through this kernel,
// and none of its calls waits for a server. Only such file systems can be watched.
func Local(fsType string) bool {
	switch fsType {
	case "9p", "afs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
		"ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs", "virtiofs", "vboxsf", "prl_fs", "autofs", "fuse":
		return false
	}
	return !strings.HasPrefix(fsType, "fuse.") && !strings.HasPrefix(fsType, "afs")
}
