package walker

import (
	"time"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

// aclSettled is how old a ctime has to be for every later change to show in it,
// whatever the granularity of the file system's times.
const aclSettled = 3 * time.Second

// acls tells that directories have no ACL. It is for one goroutine.
type aclChecker struct {
	dev   uint64 // of the file system looked at last; 0: none
	shown bool   // an ACL cannot change there without the ctime
	fs    unix.Statfs_t
}

// none reports whether the directory that is open has no POSIX ACL but its mode,
// and, as its ctime is, cannot get one and keep that. false: that is not known.
func (a *aclChecker) none(k kernel, fd int, dev uint64, ctime listing.Time) bool {
	if dev != a.dev || dev == 0 {
		a.dev = dev
		a.shown = k.fstatfs(fd, &a.fs) == 0 && ctimeTellsACL(int64(a.fs.Type))
	}
	// ENODATA is from a file system that keeps ACLs; where they are switched off it
	// is EOPNOTSUPP, and they may be there when they are switched on.
	return a.shown && time.Since(ctime.Std()) > aclSettled && k.fgetxattr(fd, &aclName[0]) == unix.ENODATA
}

var aclName = []byte("system.posix_acl_access\x00")

// aclShows reports whether a file system is one of this kernel's own, of which it is
// known that its code gives an inode a new ctime with a new ACL. Servers and file
// systems in user space may do as they like, and asking them takes time.
func ctimeTellsACL(magic int64) bool {
	switch magic {
	case unix.EXT4_SUPER_MAGIC, // ext2 and ext3 too
		unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}
