package mounts

import (
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Identity returns a name for what is mounted at m that is the same after a reboot, on
// another device node or at another mount point: the UUID of the file system and the root
// within it, or, without a UUID, type, source and mount point. It is printable ASCII. It
// never depends on a device number, which may change between boots.
//
// If two file systems have the same UUID, as a disk and its clone do, the name of the one
// mounted later also contains its source. File systems that may hang are not accessed.
func (t *Table) Identity(m *Mount) string {
	uuid := t.uuid(m)
	if uuid == "" {
		return "mount:" + escape(m.FSType) + " " + escape(m.Source) + " " + escape(m.Root) + " " + escape(m.Point)
	}
	id := "uuid:" + uuid + " " + escape(m.Root)
	for _, other := range t.sorted {
		if other.Dev != m.Dev && t.uuid(other) == uuid && t.mountedAt(other.Dev) < t.mountedAt(m.Dev) {
			return id + " " + escape(m.Source)
		}
	}
	return id
}

// mountedAt orders file systems by the time they were mounted: it returns the lowest
// mount id.
func (t *Table) mountedAt(dev uint64) int {
	return slices.MinFunc(t.byDev[dev], func(a, b *Mount) int { return a.ID - b.ID }).ID
}

// uuid returns the UUID of the file system that m shows, or "" if it has none or cannot
// be asked. Each file system is asked once.
func (t *Table) uuid(m *Mount) string {
	t.uuidMu.Lock()
	defer t.uuidMu.Unlock()
	uuid, ok := t.uuids[m.Dev]
	if !ok {
		// Through m, or if it cannot be opened, through one of the others.
		others := t.byDev[m.Dev]
		for _, at := range append([]*Mount{m}, others[:min(len(others), 3)]...) {
			if uuid = t.askKernel(at); uuid != "" {
				break
			}
		}
		if uuid == "" {
			uuid = byUUID(m)
		}
		t.uuids[m.Dev] = uuid
	}
	return uuid
}

// onDisk reports whether a file system is on a local block device and implemented by the
// kernel, so that opening it waits for nobody else. Such file systems also keep their
// UUIDs, unlike tmpfs, which has a new one after each mount.
func onDisk(fsType string) bool {
	switch fsType {
	case "bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "hfs", "hfsplus", "iso9660",
		"jfs", "msdos", "nilfs2", "ntfs3", "reiserfs", "squashfs", "udf", "vfat", "xfs":
		return true
	}
	return false
}

// inMemory reports whether a path may lead through such a file system without waiting for
// anybody else, though it is not onDisk.
func inMemory(fsType string) bool {
	switch fsType {
	case "devtmpfs", "overlay", "proc", "ramfs", "rootfs", "sysfs", "tmpfs", "zfs":
		return true
	}
	return false
}

// local reports whether m can be opened without waiting for a server: nothing on the way
// to it needs one.
func (t *Table) local(m *Mount) bool {
	way := t.Through(m.Point)
	return onDisk(m.FSType) && way[len(way)-1].Point == "/" && !slices.ContainsFunc(way, func(on *Mount) bool {
		return !onDisk(on.FSType) && !inMemory(on.FSType)
	})
}

// fsUUID is struct fsuuid2 of linux/fs.h.
type fsUUID struct {
	len  uint8
	uuid [16]uint8
}

const getFSUUID = 0x80111500 // FS_IOC_GETFSUUID, since Linux 6.9

// askKernel returns the UUID that the kernel reports, or "".
func (t *Table) askKernel(m *Mount) string {
	if t.visible[m.Point] != m || !t.local(m) {
		return ""
	}
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, err := retryShortage(func() (int, error) { return unix.Open(m.Point, flags, 0) })
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	// The table may be stale: check that this is still the same mount.
	var stx unix.Statx_t
	err = unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &stx)
	if err != nil || stx.Mask&unix.STATX_MNT_ID == 0 || stx.Mnt_id != uint64(m.ID) {
		return ""
	}
	var u fsUUID
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), getFSUUID, uintptr(unsafe.Pointer(&u)))
	if errno != 0 || int(u.len) != len(u.uuid) || u.uuid == [16]uint8{} {
		return ""
	}
	return formatUUID(u.uuid)
}

func formatUUID(u [16]uint8) string {
	var b strings.Builder
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b.WriteByte('-')
		}
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

// byUUID looks for m's device among udev's links and returns the UUID, or "". It accesses
// only device nodes.
func byUUID(m *Mount) string {
	dev, ok := device(m)
	if !ok {
		return ""
	}
	const dir = "/dev/disk/by-uuid"
	links, err := retryShortage(func() ([]os.DirEntry, error) { return os.ReadDir(dir) })
	if err != nil {
		return ""
	}
	for _, l := range links {
		var st unix.Stat_t
		if unix.Stat(dir+"/"+l.Name(), &st) == nil && st.Rdev == dev {
			return escape(unquoteUdev(l.Name()))
		}
	}
	return ""
}

// device returns the number of the block device that m is on: its own, or, if that stands
// for no device (btrfs), that of the source.
func device(m *Mount) (uint64, bool) {
	if major := uint32(m.Dev >> 32); major != 0 {
		return unix.Mkdev(major, uint32(m.Dev)), true
	}
	if !strings.HasPrefix(m.Source, "/dev/") {
		return 0, false
	}
	var st unix.Stat_t
	if unix.Stat(m.Source, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return 0, false
	}
	return st.Rdev, true
}

// unquoteUdev undoes udev's \xHH quoting in the name of a link.
func unquoteUdev(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			hi, lo := strings.IndexByte(hexDigits, s[i+2]), strings.IndexByte(hexDigits, s[i+3])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

const hexDigits = "0123456789abcdef"
