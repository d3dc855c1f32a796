package walker

import (
	"errors"
	"io/fs"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

const (
	// direntBuffer is the buffer for one call of getdents64: about 2,000 names.
	direntBuffer = 64 << 10
	// statBatch is how many statx calls are made between two checks for cancellation.
	statBatch = 32
	// retainedEntries is for how many entries a lister keeps memory (112 KiB) after it
	// is done with a directory.
	retainedEntries = 1024
)

// dirReader is the state of the listing of one directory. It holds no descriptor, so that
// a directory returned in parts pins no mount in between.
type dirReader struct {
	dir       string
	namesRead bool // all names have been read
	partGiven bool // a part has been returned
	stamp     uint64
	stat      listing.Stat
	dev       uint64
	mount     uint64
	noACL     bool
	names     names
}

// mountedChild is a child on which another file system is mounted.
type mountedChild struct {
	name string
	dev  uint64
}

// lister lists one directory at a time into memory that it reuses. It is not safe for
// concurrent use.
type lister struct {
	opener
	stamp func() uint64
	stop  *atomic.Bool // set when the listing is no longer needed
	// opened is Spec.Opened of the job.
	opened    func(dir string, dev uint64, st *listing.Stat)
	heartbeat heartbeat

	fd       int
	dents    []byte
	first    dirReader // reused for every directory that is returned at once
	entries  []listing.Entry
	mounted  []mountedChild // among entries
	listed   listing.Listing
	buffers  *bufferPool
	acls     aclChecker
	nul      [1]byte
	statxBuf unix.Statx_t
}

func newLister(k kernel, stamp func() uint64, spare *bufferPool) *lister {
	return &lister{opener: opener{k: k}, stamp: stamp, buffers: spare, fd: -1}
}

// begin returns a reader of dir, valid until the next begin unless detach is called.
func (ls *lister) begin(dir string) *dirReader {
	r := &ls.first
	names := r.names
	names.reset()
	*r = dirReader{dir: dir, names: names}
	return r
}

// detach returns a copy of a reader that outlives the next begin.
func (ls *lister) detach(r *dirReader) *dirReader {
	if r != &ls.first {
		return r
	}
	kept := *r
	*r = dirReader{}
	return &kept
}

// errNoSlot is returned by read if takeSlot reported false.
var errNoSlot = errors.New("walker: no free slot on the device")

// read fills ls.listed with all entries of a directory, or, if there are more than limit,
// with the next limit entries. Once the device is known, it calls takeSlot, if not nil,
// which reports whether the device has a free slot.
func (ls *lister) read(r *dirReader, limit int, takeSlot func(dev uint64) bool) error {
	if ls.cancelled() {
		return ErrCancelled
	}
	defer ls.close()
	if err := ls.open(r); err != nil {
		return err
	}
	if takeSlot != nil && !takeSlot(r.dev) {
		return errNoSlot
	}
	if !r.namesRead {
		if ls.opened != nil {
			ls.opened(r.dir, r.dev, &r.stat)
			// Changes made before the call of opened are visible to nobody else.
			if errno := ls.k.statx(ls.fd, &ls.nul[0], unix.AT_EMPTY_PATH, &ls.statxBuf); errno != 0 {
				return &fs.PathError{Op: "statx", Path: r.dir, Err: errno}
			}
			setStat(&r.stat, &ls.statxBuf)
		}
		ls.heartbeat.tick()
		r.noACL = ls.acls.none(ls.k, ls.fd, r.dev, r.stat.Ctime)
		if err := ls.readNames(r); err != nil {
			return err
		}
	}
	return ls.readPart(r, limit)
}

// open opens the directory and checks its identity. close closes it.
func (ls *lister) open(r *dirReader) error {
	ls.heartbeat.startOp(opOpen)
	var p retryDelay
	fd, err := ls.opener.open(r.dir)
	for err != nil && p.retry(ls, err) {
		fd, err = ls.opener.open(r.dir)
	}
	if err != nil {
		return ls.ignoreShortage(err)
	}
	ls.fd = fd
	if !r.namesRead {
		r.stamp = ls.stamp()
	}
	st := &ls.statxBuf
	ls.heartbeat.tick()
	if errno := ls.k.statx(fd, &ls.nul[0], unix.AT_EMPTY_PATH, st); errno != 0 {
		return &fs.PathError{Op: "statx", Path: r.dir, Err: errno}
	}
	dev := deviceOf(st)
	if r.namesRead {
		if dev != r.dev || st.Ino != r.stat.Ino || birth(st) != r.stat.Btime {
			return &fs.PathError{Op: "open", Path: r.dir, Err: ErrReplaced}
		}
		return nil
	}
	r.dev = dev
	setStat(&r.stat, st)
	r.mount = 0
	if st.Mask&unix.STATX_MNT_ID != 0 {
		r.mount = st.Mnt_id
	}
	return nil
}

// ignoreShortage replaces an error of a listing that is no longer needed if it says
// nothing about the directory.
func (ls *lister) ignoreShortage(err error) error {
	if Shortage(err) {
		return ErrCancelled
	}
	return err
}

// close closes the directory.
func (ls *lister) close() {
	if ls.fd >= 0 {
		ls.k.close(ls.fd)
		ls.fd = -1
	}
}

// readNames reads all names of the open directory.
func (ls *lister) readNames(r *dirReader) error {
	if ls.dents == nil {
		ls.dents = make([]byte, direntBuffer)
	}
	ls.heartbeat.startOp(opNames)
	for {
		if ls.cancelled() {
			return ErrCancelled
		}
		ls.heartbeat.tick()
		p := retryDelay{}
		n, errno := ls.k.getdents(ls.fd, ls.dents)
		for errno != 0 && p.retry(ls, errno) {
			n, errno = ls.k.getdents(ls.fd, ls.dents)
		}
		if errno != 0 {
			return ls.ignoreShortage(&fs.PathError{Op: "getdents64", Path: r.dir, Err: errno})
		}
		if n == 0 {
			break
		}
		if !addDirents(&r.names, ls.dents[:n]) {
			return &fs.PathError{Op: "getdents64", Path: r.dir, Err: ErrTooLarge}
		}
	}
	r.names.finish()
	r.namesRead = true
	return nil
}

// readPart fills ls.listed with the next limit names, or with all that are left. The
// directory is open and its names have been read.
func (ls *lister) readPart(r *dirReader, limit int) error {
	ls.entries, ls.mounted = ls.entries[:0], ls.mounted[:0]
	ls.heartbeat.startOp(opStat)
	st := &ls.statxBuf
	ns := &r.names
	for calls := 0; len(ls.entries) < limit; calls++ {
		n, ok := ns.take()
		if !ok {
			break
		}
		if calls%statBatch == 0 && ls.cancelled() {
			return ErrCancelled
		}
		ls.heartbeat.tick()
		flags := unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
		if n.typ == listing.Dir {
			// It may be a mount whose server hangs. What the kernel has cached is
			// enough until the directory is listed itself.
			flags |= unix.AT_STATX_DONT_SYNC
		}
		errno := ls.k.statx(ls.fd, ns.pointer(n), flags, st)
		for p := (retryDelay{}); errno == unix.ENOMEM && p.retry(ls, errno); {
			errno = ls.k.statx(ls.fd, ns.pointer(n), flags, st)
		}
		if errno == unix.ENOENT {
			continue // vanished
		}
		e := ls.newEntry()
		e.Name = ns.string(n)
		if errno != 0 {
			e.Stat = listing.Stat{Mode: uint32(n.typ) << 12}
			e.StatErrno = uint16(errno)
			continue
		}
		e.StatErrno = 0
		setStat(&e.Stat, st)
		if e.Type() == listing.Dir && deviceOf(st) != r.dev {
			ls.mounted = append(ls.mounted, mountedChild{e.Name, deviceOf(st)})
		}
	}
	ls.listed = listing.Listing{
		Stamp: r.stamp, Dir: r.stat, NoACL: r.noACL, Dev: r.dev, MountID: r.mount,
		Entries: ls.entries, First: !r.partGiven, Last: !ns.left(),
	}
	r.partGiven = true
	return nil
}

// newEntry appends an entry with arbitrary contents to ls.entries.
func (ls *lister) newEntry() *listing.Entry {
	n := len(ls.entries)
	if n == cap(ls.entries) {
		ls.grow()
	}
	ls.entries = ls.entries[:n+1]
	return &ls.entries[n]
}

func (ls *lister) grow() {
	full := ls.entries
	want := max(2*len(full), 64)
	if want <= retainedEntries {
		ls.entries = append(make([]listing.Entry, 0, want), full...)
		return
	}
	ls.entries = append(ls.buffers.get(want), full...)
	if len(full) > retainedEntries {
		ls.buffers.put(full)
	}
}

// release frees memory that only a large directory needs. It invalidates ls.listed.
func (ls *lister) release() {
	if cap(ls.entries) > retainedEntries {
		ls.buffers.put(ls.entries)
		ls.entries = nil
	}
	ls.listed = listing.Listing{}
}

// childDev returns the device of the child called s, which is a directory.
func (ls *lister) childDev(r *dirReader, s string) uint64 {
	for _, c := range ls.mounted {
		if c.name == s {
			return c.dev
		}
	}
	return r.dev
}

// cancelled reports whether to give up: the job was cancelled, or the watchdog revoked
// the listing.
func (ls *lister) cancelled() bool {
	return ls.stop.Load() || ls.heartbeat.isRevoked()
}

// setStat copies what statx returned to s. Only the birth time depends on st.Mask: every
// file system fills in what stat(2) returns.
func setStat(s *listing.Stat, st *unix.Statx_t) {
	s.Ino = st.Ino
	s.Size = int64(st.Size)
	s.Blocks = int64(st.Blocks)
	s.Mtime = listing.Time{Sec: st.Mtime.Sec, Nsec: st.Mtime.Nsec}
	s.Ctime = listing.Time{Sec: st.Ctime.Sec, Nsec: st.Ctime.Nsec}
	s.Btime = birth(st)
	s.Mode = uint32(st.Mode)
	s.UID = st.Uid
	s.GID = st.Gid
	s.Nlink = st.Nlink
}

func birth(st *unix.Statx_t) listing.Time {
	if st.Mask&unix.STATX_BTIME == 0 {
		return listing.Time{}
	}
	return listing.Time{Sec: st.Btime.Sec, Nsec: st.Btime.Nsec}
}

func deviceOf(st *unix.Statx_t) uint64 {
	return uint64(st.Dev_major)<<32 | uint64(st.Dev_minor)
}
