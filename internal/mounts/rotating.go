package mounts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Rotating reports whether the file system of m lies on a rotating disk, according to sysfs,
// which is mounted at a path. A partition has the queue of its disk; the kernel says of
// device-mapper and md devices whether one of their disks rotates. A file system without a
// block device of its own, such as btrfs, has that of its source. What is unknown does not
// rotate.
func (m *Mount) Rotating(sysfs string) bool {
	dev := fmt.Sprintf("%s/dev/block/%d:%d", sysfs, m.Dev>>32, uint32(m.Dev))
	if m.Dev>>32 == 0 {
		source, err := filepath.EvalSymlinks(m.Source) // such as /dev/mapper/NAME
		if err != nil {
			source = m.Source
		}
		if !strings.HasPrefix(source, "/dev/") {
			return false
		}
		// In names of devices in subdirectories sysfs has '!' in place of '/'.
		dev = sysfs + "/class/block/" + strings.ReplaceAll(source[len("/dev/"):], "/", "!")
	}
	for _, queue := range []string{"/queue", "/../queue"} { // the kernel resolves the link first
		if b, err := os.ReadFile(dev + queue + "/rotational"); err == nil {
			return strings.TrimSpace(string(b)) == "1"
		}
	}
	return false
}
