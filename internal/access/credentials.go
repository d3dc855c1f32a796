// Package access decides what part of the index a caller may see: only what find(1), run
// by that user, could have found without the index. Seeing an entry takes search
// permission on every directory above the directory it is in, and read permission on that
// directory. Its size, times, owner and mode also take search permission on the
// directory. The decision is based on what the directories are like now, not on stored
// permissions.
package access

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Credentials identify a caller, as vouched for by the kernel.
type Credentials struct {
	UID    uint32
	Groups []uint32 // primary and supplementary, sorted
}

// Peer returns the credentials of the process that connected a unix socket, with its
// supplementary groups at that time.
func Peer(fd int) (Credentials, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Credentials{}, os.NewSyscallError("getsockopt SO_PEERCRED", err)
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return Credentials{}, os.NewSyscallError("getsockopt SO_PEERGROUPS", err)
	}
	return NewCredentials(cred.Uid, append(groups, cred.Gid)), nil
}

// NewCredentials returns the credentials with these ids. It takes ownership of groups.
func NewCredentials(uid uint32, groups []uint32) Credentials {
	slices.Sort(groups)
	return Credentials{uid, slices.Compact(groups)}
}

// In reports whether the caller is in a group.
func (c *Credentials) In(gid uint32) bool {
	_, ok := slices.BinarySearch(c.Groups, gid)
	return ok
}
