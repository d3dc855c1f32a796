package walker

import (
	"time"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

// aclSettled is the age beyond which a ctime is sure to change with the next change of
// the inode, however coarse the timestamps of the file system are.
const aclSettled = 3 * time.Second

// aclChecker finds out which directories have no ACL. It is not safe for concurrent use.
type aclChecker struct {
	dev   uint64 // of the file system checked last; 0 if none
	shown bool   // whether an ACL on it cannot change without the ctime changing
	fs    unix.Statfs_t
}

// none reports whether the open directory has no POSIX ACL beyond its mode bits, and its
// ctime is old enough that setting one would change it. The result false means unknown.
func (a *aclChecker) none(k kernel, fd int, dev uint64, ctime listing.Time) bool {
	if dev != a.dev || dev == 0 {
		a.dev = dev
		a.shown = k.fstatfs(fd, &a.fs) == 0 && ctimeTellsACL(int64(a.fs.Type))
	}
	// A file system that supports ACLs returns ENODATA. EOPNOTSUPP means that they are
	// switched off; some may be stored that take effect when they are switched on.
	return a.shown && time.Since(ctime.Std()) > aclSettled && k.fgetxattr(fd, &aclName[0]) == unix.ENODATA
}

var aclName = []byte("system.posix_acl_access\x00")

// ctimeTellsACL reports whether the file system is one of the kernel's own whose code is
// known to change the ctime of an inode along with its ACL. Network servers and
// user-space file systems may behave differently, and asking them is slow.
func ctimeTellsACL(magic int64) bool {
	switch magic {
	case unix.EXT4_SUPER_MAGIC, // also ext2 and ext3
		unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}
