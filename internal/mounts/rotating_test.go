package mounts

import (
	"os"
	"path/filepath"
	"testing"
)

// A sysfs with a rotating disk sdz and its partition sdz1, an SSD, and a device-mapper
// device on the disk.
func TestRotating(t *testing.T) {
	sysfs := t.TempDir()
	disk := func(path, rotational string, links ...string) {
		t.Helper()
		dir := filepath.Join(sysfs, "devices", path)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if rotational != "" {
			if err := os.MkdirAll(dir+"/queue", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/queue/rotational", []byte(rotational+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, link := range links {
			link = filepath.Join(sysfs, link)
			if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(dir, link); err != nil {
				t.Fatal(err)
			}
		}
	}
	disk("pci/block/sdz", "1", "dev/block/8:400", "class/block/sdz")
	disk("pci/block/sdz/sdz1", "", "dev/block/8:401", "class/block/sdz1")
	disk("pci/block/ssd", "0", "dev/block/8:416", "class/block/ssd")
	disk("virtual/block/dm-99", "1", "dev/block/253:99", "class/block/dm-99")
	disk("pci/block/cciss!c9", "1", "class/block/cciss!c9")
	for _, c := range []struct {
		what         string
		major, minor uint64
		source       string
		want         bool
	}{
		{"a disk", 8, 400, "/dev/sdz", true},
		{"a partition", 8, 401, "/dev/sdz1", true},
		{"an SSD", 8, 416, "/dev/ssd", false},
		{"device-mapper", 253, 99, "/dev/mapper/vg-lv", true},
		{"an unknown device", 8, 17, "/dev/sdz1", false},
		{"btrfs on a partition", 0, 40, "/dev/sdz1", true},
		{"btrfs on an SSD", 0, 41, "/dev/ssd", false},
		{"a name with a slash", 0, 42, "/dev/cciss/c9", true},
		{"tmpfs", 0, 43, "tmpfs", false},
		{"a server", 0, 44, "server:/dev/sdz1", false},
		{"another path", 0, 45, "/srv/dev/sdz1", false},
	} {
		m := Mount{Dev: c.major<<32 | c.minor, Source: c.source}
		if got := m.Rotating(sysfs); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
