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

// Errors of Watch. Others are of the file system: EACCES where the directory
// cannot be read, ENAMETOOLONG of a path longer than PATH_MAX.
var (
	// ErrBudget: no more watches may be had, and those there are stand where
	// something changed later.
	ErrBudget = errors.New("no more directories may be watched")
	// ErrMoved: what stands at the path is not the directory that was meant, or
	// not for long enough. Its parent is to be listed again.
	ErrMoved = errors.New("the directory was moved or replaced")
	// ErrElsewhere: the directory is watched by another path that leads to it, a
	// bind mount.
	ErrElsewhere = errors.New("watched by another path")
)

// Watch has the kernel watch the directory at an absolute, clean path, and
// returns when the watch stands: what is listed after that misses no event.
// Watching again what is watched is allowed, and costs a look at it.
//
// want is what is to stand there, for instance by fstat of the descriptor that
// is going to be listed; zero: whatever does. got is what does stand there, as it
// was when the watch stood.
// changed is when something changed in it last, as far as can be told; an event
// makes it now. Where there are no more watches, the directory in which nothing
// has changed for the longest time is given up for one that changed later, see
// OnGiveUp.
//
// It must not be called for directories of file systems that may hang, see
// Local.
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
		// By its path, as the kernel came to what it watches.
		if got, err = Lstat(dir); err == nil && got.Ident != want {
			err = ErrMoved
		}
	}
	s.mu.Lock()
	if err == nil && s.set.byPath[dir] != n {
		err = ErrMoved // an event took it out meanwhile
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
		signal(s.freed) // meanwhile there seemed to be no room
	case nil:
		s.pendingRemovals = append(s.pendingRemovals, dir) // it may have been taken out before it was added
	}
	if errors.Is(err, ErrMoved) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		s.dropUnseen(dir)
	}
	s.mu.Unlock()
	s.ops.Lock()
	s.flushRemovals()
	s.ops.Unlock()
	if errors.Is(err, syscall.ENOSPC) { // others had that one
		err = ErrBudget
	}
	return got, err
}

// exhausted takes note that the kernel has no watch for n.
func (s *Source) noteExhausted(n *node) {
	s.ops.Lock()
	defer s.ops.Unlock()
	s.mu.Lock()
	s.set.remove(n)
	left := s.set.len()
	s.mu.Unlock()
	if s.budget.exhausted(left) {
		s.log.Info("the kernel gives no more watches", "watches", left, "sysctl", Sysctl)
	}
}

// add has the kernel watch a directory. n is nil where there was no attempt.
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
	s.flushRemovals() // before the new watch: what enter took out may be of the same inode
	if isNew {
		err = s.fs.Add(dir)
	}
	return n, isNew, err
}

// enter makes room for a directory in the set, before its first event can
// come: what is known to be elsewhere now, or something else, is taken out.
// isNew: it was not there. Only then may it be added: fsnotify's tables
// contradict each other where a path is added that it has, while what stands
// there is an inode that it knows by another path, and Remove then panics.
// Called under ops, not mu.
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
		// Renamed, and the event is on its way. The kernel takes no second watch
		// of one inode, and fsnotify keeps the old path.
		s.dropUnseen(other.path)
	}
	if n := s.set.byPath[dir]; n != nil {
		if n.id == want {
			s.set.touch(n, clampTime(changed))
			return n, false, nil
		}
		s.dropUnseen(dir) // what is below was in another directory
	}
	n = &node{path: dir, id: want, changed: clampTime(changed)}
	if !s.budget.allows(s.set.len(), s.o.Limits) && !s.evictFor(n) {
		return nil, false, ErrBudget
	}
	s.set.add(n)
	return n, true, nil
}

// Unwatch gives one directory up. Events of it that were not drained yet are
// lost: it is to be looked at as one that is not watched.
func (s *Source) Unwatch(dir string) {
	s.removeWith(func() {
		if n := s.set.byPath[dir]; n != nil && s.set.remove(n) {
			s.pendingRemovals = append(s.pendingRemovals, dir)
			signal(s.freed)
		}
	})
}

// UnwatchTree gives up a directory and all below it.
func (s *Source) UnwatchTree(dir string) { s.removeWith(func() { s.drop(dir) }) }

func (s *Source) removeWith(take func()) {
	s.ops.Lock()
	defer s.ops.Unlock()
	s.mu.Lock()
	take()
	s.mu.Unlock()
	s.flushRemovals()
}

// Watched reports whether there is a watch for a directory.
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

// giveUpFor gives up the directory in which nothing has changed for the longest
// time, if that is longer than in n. Called under ops and mu.
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

// drop takes a directory and all below it out of the set; the watches go at the
// next reap. It reports whether there was one. Called under mu.
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

// reap removes the watches of what was dropped. Called under ops, not mu.
func (s *Source) flushRemovals() {
	s.mu.Lock()
	doomed := s.pendingRemovals
	s.pendingRemovals = nil
	s.mu.Unlock()
	if s.closed {
		return
	}
	for _, dir := range doomed {
		// It fails where the kernel removed the watch, with the directory.
		_ = s.fs.Remove(dir)
	}
}

// lose is drop where the directories are not given up: what happens there now
// is seen by nobody, until they are looked at and watched again. Called under
// mu.
func (s *Source) dropUnseen(dir string) {
	if s.drop(dir) {
		s.pending.addSubtree(dir)
		s.notify()
		signal(s.wakeJanitor)
	}
}

// janitor removes watches for those who must not, and goes through all after
// an overflow.
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

// checkAll drops what is watched by a path that is not its own any more, and
// what may be so: the events that would have told were lost.
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

// checkChildren drops children that are gone of a directory that is watched since
// just now. Their own watches told of that, but fsnotify keeps it to itself once the
// parent is watched, which will have told, as it takes it.
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

// isStill reports whether st, what stands at n's path now, is surely what was
// watched there. Where a file system keeps no time of birth, it may be another
// that got its inode, unless nothing was done to it since the Source was made.
func (s *Source) isUnchanged(n *node, st *Stat) bool {
	return st.Ident == n.id && (st.Born != 0 || st.Ctime.Sec < s.createdAt.Unix())
}

// drainEvents makes hints of events until there are no more.
func (s *Source) drainEvents() {
	for e := range s.fs.Events {
		s.handleEvent(&e)
		s.drained.Add(1)
	}
}

// event makes a hint of one event.
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

// drainErrors takes note of overflows until there are no more errors, and
// answers who asks whether all errors so far were seen.
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
			s.log.Info("more changes than the kernel keeps; looking at all that is watched", "times", times)
		})
	case errors.Is(err, syscall.EINVAL), errors.Is(err, fsnotify.ErrNonExistentWatch):
		// A watch was to be removed that the kernel had removed already.
	default:
		s.throttled.fault.Log(func(times int) { s.log.Warn("inotify", "err", err, "times", times) })
	}
}

// identOf says what directory an absolute path leads to, as lookAt does.
func identOf(dir string) (Ident, error) {
	st, err := statDir(dir)
	return st.Ident, err
}

// lookAt looks at the directory that an absolute path leads to. With a symbolic
// link anywhere on it, it leads to none.
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
		// Before Linux 5.6, in some sandboxes, and where too many files are open:
		// links further up are followed.
		err = unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, statMask, &st)
	}
	return statOf(dir, &st, err)
}

// Stat is a directory as it was at one moment.
type Stat struct {
	Ident
	Mtime, Ctime unix.StatxTimestamp
}

// Lstat looks at a directory by its path; links further up are followed.
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

// Local reports whether changes to file systems of this type all go through
// this kernel, and none of its calls waits for somebody else: such can be
// watched.
func Local(fsType string) bool {
	switch fsType {
	case "9p", "afs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
		"ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs", "virtiofs", "vboxsf", "prl_fs", "autofs", "fuse":
		return false
	}
	return !strings.HasPrefix(fsType, "fuse.") && !strings.HasPrefix(fsType, "afs")
}
