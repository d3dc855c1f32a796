package access

import (
	"time"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

// settledAfter is how old a ctime has to be for every later change to show in
// it, whatever the granularity of the file system's times.
const settledAfter = 3 * time.Second

// look asks the kernel. A symbolic link is no directory; one in the path above
// would be caught there, since every component is looked at by itself.
//
// known, if not nil, is what an earlier look said: an ACL cannot change without
// the ctime, so where that is the same and was old then, it is not asked for
// again.
func look(dir string, known *stat) stat {
	st, sx := statx(dir)
	if st.none || st.mode&0o070 == 0 {
		return st // by a mask without any permission an ACL is passed over
	}
	st.settled = time.Since(st.ctime.Std()) > settledAfter
	if known != nil && known.settled && !known.none && known.ino == st.ino && known.mount == st.mount && known.ctime == st.ctime {
		st.acl = known.acl
		return st
	}
	acl, err := readACL(dir)
	if err != nil {
		return stat{none: true}
	}
	st.acl = acl
	// The ACL is to be that of the directory that was stat'ed, not of another that
	// had its name for a moment.
	if again, sy := statx(dir); again.none || again.ino != st.ino || again.mount != st.mount || again.ctime != st.ctime || sx != sy {
		return stat{none: true}
	}
	return st
}

// device is a file's st_dev.
type device struct{ major, minor uint32 }

func statx(dir string) (st stat, dev device) {
	var sx unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT,
		unix.STATX_TYPE|unix.STATX_MODE|unix.STATX_UID|unix.STATX_GID|unix.STATX_INO|unix.STATX_CTIME|unix.STATX_MNT_ID, &sx)
	if err != nil || sx.Mode&unix.S_IFMT != unix.S_IFDIR {
		return stat{none: true}, dev
	}
	st.mode, st.uid, st.gid = uint32(sx.Mode), sx.Uid, sx.Gid
	st.ino, st.ctime = sx.Ino, listing.Time{Sec: sx.Ctime.Sec, Nsec: sx.Ctime.Nsec}
	if sx.Mask&unix.STATX_MNT_ID != 0 {
		st.mount = sx.Mnt_id
	}
	return st, device{sx.Dev_major, sx.Dev_minor}
}

// readACL returns the ACL of a directory, "" where it has none.
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
