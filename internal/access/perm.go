package access

import "encoding/binary"

// Permissions, as in a mode's last three bits.
const (
	mayRead   = 4
	maySearch = 1
)

// perms are what decides who may do what with a directory.
type perms struct {
	mode, uid, gid uint32
	flags
	acl string // system.posix_acl_access; "": none
}

// Tags of an entry of an ACL: linux/posix_acl.h.
const (
	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20
)

// of returns the permissions that w has, by the rules of the kernel's
// acl_permission_check and posix_acl_permission, but for capabilities. Each is as if
// it were asked for alone: of those that an ACL gives to several groups all count.
func (p *perms) of(w *Credentials) uint32 {
	if w.UID == p.uid {
		return p.mode >> 6 & 7
	}
	// As in the kernel, a mask without any permission makes the ACL be passed
	// over, not refuse.
	if p.acl != "" && p.mode&0o070 != 0 {
		return p.byACL(w)
	}
	if w.In(p.gid) {
		return p.mode >> 3 & 7
	}
	return p.mode & 7
}

// firm reports whether nobody but root can put another directory in the place of
// one that is in it: it is root's, and no other class may write, nor who is named
// in an ACL, for whom the group's bits are the mask.
func (p *perms) rootControlled() bool { return p.uid == 0 && p.mode&0o022 == 0 }

// aclEntries calls each with the entries of the ACL, until it returns false.
// false: the ACL is not of a form that is known.
func aclEntries(raw string, each func(tag, perm, id uint32) bool) bool {
	const version, header, size = 2, 4, 8
	acl := []byte(raw)
	if len(acl) < header || (len(acl)-header)%size != 0 || binary.LittleEndian.Uint32(acl) != version {
		return false
	}
	for b := acl[header:]; len(b) > 0; b = b[size:] {
		tag, perm := uint32(binary.LittleEndian.Uint16(b)), uint32(binary.LittleEndian.Uint16(b[2:]))
		if !each(tag, perm, binary.LittleEndian.Uint32(b[4:])) {
			break
		}
	}
	return true
}

func (p *perms) byACL(w *Credentials) uint32 {
	mask := uint32(7)
	var user, group, other uint32
	named, inGroup := false, false
	known := aclEntries(p.acl, func(tag, perm, id uint32) bool {
		switch tag {
		case aclUserObj: // the owner's is decided by the mode
		case aclUser:
			if id == w.UID && !named {
				named, user = true, perm
			}
		case aclGroupObj:
			id = p.gid
			fallthrough
		case aclGroup:
			if w.In(id) {
				inGroup = true
				group |= perm
			}
		case aclMask:
			mask = perm
		case aclOther:
			other = perm
		default:
			return false
		}
		return true
	})
	switch {
	case !known:
		return 0
	case named:
		return user & mask & 7
	case inGroup:
		return group & mask & 7
	}
	return other & 7
}
