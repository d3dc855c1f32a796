package walker

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

// aclKernel has one directory.
type aclKernel struct {
	linux
	magic       int64
	fs, acl     unix.Errno
	asked, from int
}

func (k *aclKernel) fstatfs(_ int, st *unix.Statfs_t) unix.Errno {
	k.from++
	st.Type = k.magic
	return k.fs
}

func (k *aclKernel) fgetxattr(int, *byte) unix.Errno { k.asked++; return k.acl }

// NoACL is set only if the kernel reports that there is no ACL, for a directory whose
// ctime would change with one. Network servers are not asked.
func TestNoACL(t *testing.T) {
	old := listing.Time{Sec: time.Now().Unix() - 60}
	young := listing.Time{Sec: time.Now().Unix() + 60}
	for _, c := range []struct {
		what        string
		magic       int64
		fs, acl     unix.Errno
		ctime       listing.Time
		want, asked bool
	}{
		{"ext4", unix.EXT4_SUPER_MAGIC, 0, unix.ENODATA, old, true, true},
		{"tmpfs", unix.TMPFS_MAGIC, 0, unix.ENODATA, old, true, true},
		{"there is one", unix.EXT4_SUPER_MAGIC, 0, 0, old, false, true},
		{"switched off", unix.EXT4_SUPER_MAGIC, 0, unix.EOPNOTSUPP, old, false, true},
		{"an error", unix.XFS_SUPER_MAGIC, 0, unix.EIO, old, false, true},
		{"not settled", unix.EXT4_SUPER_MAGIC, 0, unix.ENODATA, young, false, false},
		{"NFS", unix.NFS_SUPER_MAGIC, 0, unix.ENODATA, old, false, false},
		{"FUSE", unix.FUSE_SUPER_MAGIC, 0, unix.ENODATA, old, false, false},
		{"overlay", unix.OVERLAYFS_SUPER_MAGIC, 0, unix.ENODATA, old, false, false},
		{"not known", unix.EXT4_SUPER_MAGIC, unix.EIO, unix.ENODATA, old, false, false},
	} {
		k := &aclKernel{magic: c.magic, fs: c.fs, acl: c.acl}
		var a aclChecker
		for range 2 { // the file system is asked for once
			if got := a.none(k, 3, 7, c.ctime); got != c.want || k.asked > 0 != c.asked || k.from != 1 {
				t.Errorf("%s: %v, not %v; asked %d and %d times", c.what, got, c.want, k.asked, k.from)
			}
		}
		if k.magic = unix.NFS_SUPER_MAGIC; a.none(k, 3, 8, c.ctime) || k.from != 2 {
			t.Errorf("%s: another device is taken for the same", c.what)
		}
	}
}

// aclOf returns what setfacl creates for u:uid:perm on a directory of mode 0755.
func aclOf(uid, perm uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range [][3]uint32{{1, 7, ^uint32(0)}, {2, perm, uid}, {4, 5, ^uint32(0)}, {16, 5, ^uint32(0)}, {32, 5, ^uint32(0)}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

// TestACLGivesAnotherCtime checks what NoACL relies on, for the file systems available
// here: setting, changing or removing an ACL changes the ctime of the directory, even if
// its mode stays the same.
func TestACLGivesAnotherCtime(t *testing.T) {
	for _, top := range []string{os.TempDir(), "/dev/shm", "/var/tmp", "/run"} {
		t.Run(top, func(t *testing.T) {
			var fs unix.Statfs_t
			if err := unix.Statfs(top, &fs); err != nil || !ctimeTellsACL(int64(fs.Type)) {
				t.Skip("not one of the file systems that are asked")
			}
			dir, err := os.MkdirTemp(top, "acl-")
			if err != nil {
				t.Skip(err)
			}
			defer os.RemoveAll(dir)
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			stat := func() (mode uint32, ctime unix.StatxTimestamp) {
				var st unix.Statx_t
				if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_BASIC_STATS, &st); err != nil {
					t.Fatal(err)
				}
				return uint32(st.Mode), st.Ctime
			}
			const name = "system.posix_acl_access"
			for what, change := range map[string]func(perm uint32) error{
				"set":     func(perm uint32) error { return unix.Setxattr(dir, name, aclOf(61001, perm), 0) },
				"removed": func(uint32) error { return unix.Removexattr(dir, name) },
			} {
				// Two changes within one tick of the clock are not distinguishable.
				for end := time.Now().Add(time.Minute); ; {
					if err := unix.Setxattr(dir, name, aclOf(61001, rand.Uint32N(2)), 0); errors.Is(err, unix.EOPNOTSUPP) {
						t.Skip("without ACLs")
					} else if err != nil {
						t.Fatal(err)
					}
					mode, was := stat()
					if err := change(2 + rand.Uint32N(2)); err != nil {
						t.Fatal(err)
					}
					now, is := stat()
					if now != mode {
						t.Fatalf("%s: the mode is %o, was %o", what, now, mode)
					}
					if is != was {
						break
					}
					if time.Now().After(end) {
						t.Fatalf("%s: the ctime stays as it was", what)
					}
				}
			}
		})
	}
}
