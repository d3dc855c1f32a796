package access

import "encoding/binary"

// Permissions, as in a mode's last three bits.
const (
	mayRead   = 4
	maySearch = 1
)

// perms decide who may do what with a directory.
type perms struct {
	mode, uid, gid uint32
	flags
	acl string // system.posix_acl_access; "" if there is none
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

// of returns the permissions of a caller by the rules of the kernel's
// acl_permission_check and posix_acl_permission, without capabilities. Each permission is
// determined as if it were requested alone: if an ACL grants different ones to several
// groups, all of them count.
func (p *perms) of(w *Credentials) uint32 {
	if w.UID == p.uid {
		return p.mode >> 6 & 7
	}
	// As in the kernel, an ACL whose mask is empty is ignored. It does not deny access.
	if p.acl != "" && p.mode&0o070 != 0 {
		return p.byACL(w)
	}
	if w.In(p.gid) {
		return p.mode >> 3 & 7
	}
	return p.mode & 7
}

// rootControlled reports whether only root can replace a directory inside this one: root
// owns it, and no other class may write. This covers users named in an ACL, since the
// group bits of the mode are then the mask.
func (p *perms) rootControlled() bool { return p.uid == 0 && p.mode&0o022 == 0 }

// aclEntries calls each for every entry of an ACL until it returns false. It reports
// false if the format of the ACL is unknown.
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
		case aclUserObj: // the mode decides for the owner
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
