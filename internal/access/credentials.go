// Package access says what of the index a caller may see: what find(1), run by
// that user, could have found alone. An entry is seen by who has search
// permission on every directory above the one it is in, and read permission on
// that one; its size, times, owner and mode by who has search permission there
// too. What decides is not what was stored but what the directories say now.
package access

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Who is a caller, as the kernel vouches for it.
type Credentials struct {
	UID    uint32
	Groups []uint32 // all that it is in, sorted
}

// Peer returns who is at the other end of a unix socket: who had connected it,
// with the supplementary groups of that moment.
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

// New returns the caller with these ids; it keeps groups.
func NewCredentials(uid uint32, groups []uint32) Credentials {
	slices.Sort(groups)
	return Credentials{uid, slices.Compact(groups)}
}

// In reports whether the caller is in a group.
func (w *Credentials) In(gid uint32) bool {
	_, ok := slices.BinarySearch(w.Groups, gid)
	return ok
}
