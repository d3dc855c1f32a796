package mounts

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// maxLine is the longest line that package mountinfo is given: its limit is 64 KiB, that
// of a bufio.Scanner. The kernel has none. A mount point may lie deeper than PATH_MAX, and
// whoever may mount a FUSE file system may choose it.
const maxLine = 60 << 10

// parse reads lines such as
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//	id parent dev root point options optional... - type source options
//
// A line longer than maxLine is cut, which most often costs only its last options. If
// what is left cannot be parsed, the mount is left out.
func parse(r io.Reader) ([]Mount, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for line := range bytes.Lines(data) {
		if len(line) > maxLine {
			line = append(line[:maxLine:maxLine], '\n')
			if _, err := mountinfo.GetMountsFromReader(bytes.NewReader(line), nil); err != nil {
				continue
			}
		}
		text.Write(line)
	}
	infos, err := mountinfo.GetMountsFromReader(&text, nil)
	if err != nil {
		return nil, err
	}
	all := make([]Mount, len(infos))
	for i, info := range infos {
		if !strings.HasPrefix(info.Mountpoint, "/") {
			return nil, fmt.Errorf("mount point %q is not an absolute path", info.Mountpoint)
		}
		all[i] = mountOf(info)
	}
	return all, nil
}

func mountOf(i *mountinfo.Info) Mount {
	m := Mount{
		ID: i.ID, Parent: i.Parent, Dev: uint64(i.Major)<<32 | uint64(i.Minor),
		Root: i.Root, Point: i.Mountpoint, FSType: i.FSType, Source: i.Source,
	}
	if m.FSType == "btrfs" {
		// btrfs names the subvolume in which the mounted directory lies.
		for option := range strings.SplitSeq(i.VFSOptions, ",") {
			if name, ok := strings.CutPrefix(option, "subvol="); ok {
				m.Subvolume = unescapeOption.Replace(name) == m.Root
			}
		}
	}
	return m
}

// unescapeOption undoes the kernel's escapes in the value of a mount option, which
// package mountinfo leaves as they are.
var unescapeOption = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// escape returns s in printable ASCII without spaces: every other byte, and the
// backslash, becomes a backslash and three octal digits.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '\\' || c >= 0x7f {
			fmt.Fprintf(&b, "\\%03o", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
