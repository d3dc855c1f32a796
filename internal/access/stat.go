package access

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

// settledAfter is the age beyond which a ctime is sure to change with the next change of
// the inode, however coarse the timestamps of the file system are.
const settledAfter = 3 * time.Second

// request asks for the dirStat of one directory.
type request struct {
	dir string // absolute and clean
	// last is the result of an earlier request, if known. An ACL cannot change without
	// the ctime, so if the ctime is the same and was settled then, the ACL is not read
	// again.
	last  dirStat
	known bool
	// linked means that the directory must be found through its parent, whose identity
	// becomes part of the result. Without it, all directories above are controlled by
	// root.
	linked bool
	// noACL identifies the directory if it is known to have no ACL.
	noACL noACLDir

	key, number uint64 // for Stats.lookup and Stats.store
}

// noACLDir identifies a directory that has no ACL; the zero value identifies none. Its
// ctime was settled when that was checked, so setting an ACL would have changed it.
type noACLDir struct {
	ino, mount uint64
	ctime      listing.Time
}

func (s *Stored) noACLDir() noACLDir {
	if !s.NoACL {
		return noACLDir{}
	}
	return noACLDir{s.Ino, s.Mount, s.Ctime}
}

// matches reports whether st is of that directory. If the mount is unknown, it is not.
func (p *noACLDir) matches(st *dirStat) bool {
	return p.mount != 0 && p.mount == uint64(st.mount) && p.ino == st.ino && p.ctime == st.ctime
}

// statDir asks the kernel. A symbolic link is not a directory. Links further up in the
// path are not a concern here: every component is checked by its own request.
func statDir(q *request, ups *parents) dirStat {
	at, name, up := unix.AT_FDCWD, q.dir, id{}
	if q.linked {
		p := ups.of(q.dir)
		if p == nil {
			return noDir
		}
		at, name, up = p.fd, q.dir[len(p.dir)+1:], p.id
	}
	st := statx(at, name)
	st.linked, st.up = q.linked, up
	if st.none || st.mode&0o070 == 0 {
		return st // an ACL with an empty mask is ignored
	}
	st.settled = ups.now.Sub(st.ctime.Std()) > settledAfter
	if last := &q.last; q.known && last.settled && !last.none && last.id == st.id && last.ctime == st.ctime {
		st.acl = last.acl
		return st
	}
	if q.noACL.matches(&st) {
		return st
	}
	file := q.dir
	if q.linked { // not by path, which may lead elsewhere by now
		file = "/proc/self/fd/" + strconv.Itoa(at) + "/" + name
	}
	acl, err := readACL(file)
	if err != nil {
		return noDir
	}
	st.acl = acl
	// The ACL must belong to the directory whose stat this is, not to another one that
	// had its name for a moment.
	if again := statx(at, name); again.none || again.id != st.id || again.ctime != st.ctime {
		return noDir
	}
	return st
}

// parents holds open directories, each of them inside the one before it, through which
// directories are found.
type parents struct {
	open []parent
	now  time.Time // not later than the requests: the clock is read once for many
}

type parent struct {
	dir string // "" for the root
	fd  int
	id  id
}

// maxParents bounds the number of open descriptors.
const maxParents = 16

// of opens the parent of dir, which must not be "/". It returns nil if that fails.
func (p *parents) of(dir string) *parent {
	up := dir[:strings.LastIndexByte(dir, '/')]
	at, from := unix.AT_FDCWD, 0
	for n := len(p.open); n > 0; n-- {
		last := &p.open[n-1]
		if last.dir == up {
			return last
		}
		if n < maxParents && within(up, last.dir) {
			at, from = last.fd, len(last.dir)+1
			break
		}
		_ = unix.Close(last.fd)
		p.open = p.open[:n-1]
	}
	name := up[from:]
	if up == "" {
		name = "/"
	}
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	st := statx(fd, "")
	if st.none {
		_ = unix.Close(fd)
		return nil
	}
	p.open = append(p.open, parent{up, fd, st.id})
	return &p.open[len(p.open)-1]
}

// close closes all descriptors, so that no file system is kept busy.
func (p *parents) close() {
	for _, up := range p.open {
		_ = unix.Close(up.fd)
	}
	p.open = p.open[:0]
}

// statx returns the stat of name in the directory fd, or of fd itself if name is "".
func statx(fd int, name string) (st dirStat) {
	var sx unix.Statx_t
	flags := unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	err := unix.Statx(fd, name, flags,
		unix.STATX_TYPE|unix.STATX_MODE|unix.STATX_UID|unix.STATX_GID|unix.STATX_INO|unix.STATX_CTIME|unix.STATX_MNT_ID, &sx)
	if err != nil || sx.Mode&unix.S_IFMT != unix.S_IFDIR {
		return noDir
	}
	st.mode, st.uid, st.gid = uint32(sx.Mode), sx.Uid, sx.Gid
	st.dev = sx.Dev_major<<20 | sx.Dev_minor
	st.ino, st.ctime = sx.Ino, listing.Time{Sec: sx.Ctime.Sec, Nsec: sx.Ctime.Nsec}
	if sx.Mask&unix.STATX_MNT_ID != 0 {
		st.mount = uint32(sx.Mnt_id) // the id in mountinfo, an int
	}
	return st
}

// readACL returns the ACL of a directory, or "" if there is none.
func readACL(dir string) (string, error) {
	var buf [1024]byte
	for b := buf[:]; ; {
		n, err := unix.Lgetxattr(dir, "system.posix_acl_access", b)
		switch err {
		case nil:
			if n == 0 {
				return "", unix.EINVAL
			}
			return string(b[:n]), nil
		case unix.ENODATA, unix.EOPNOTSUPP, unix.ENOSYS:
			return "", nil
		case unix.ERANGE:
			b = make([]byte, 64<<10) // XATTR_SIZE_MAX
			continue
		}
		return "", err
	}
}
