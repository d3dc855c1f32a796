package mounts

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// table parses lines. A leading newline is ignored, so that a literal may begin with one.
func table(t *testing.T, lines string) *Table {
	t.Helper()
	tab, err := Parse(strings.NewReader(strings.TrimLeft(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func points(list []*Mount) []string {
	var p []string
	for _, m := range list {
		p = append(p, m.Point)
	}
	return p
}

func all(string) bool { return true }

func parseLine(line string) (Mount, error) {
	all, err := parse(strings.NewReader(line + "\n"))
	if err != nil {
		return Mount{}, err
	}
	return all[0], nil
}

func TestParse(t *testing.T) {
	m, err := parseLine(`36 35 98:4 /a\040b\134 /mnt\011\012` + "\xc3(" + ` rw,noatime master:1 shared:2 - fuse.x\040y /dev/a\040b rw,errors=continue`)
	want := Mount{ID: 36, Parent: 35, Dev: 98<<32 | 4, Root: `/a b\`, Point: "/mnt\t\n\303\050", FSType: "fuse.x y", Source: "/dev/a b"}
	if err != nil || m != want {
		t.Errorf("%+v, %v", m, err)
	}
	for line, want := range map[string]Mount{
		`1 0 0:21 / / rw - tmpfs  rw`:                                   {1, 0, 21, "/", "/", "tmpfs", "", false},
		`1 0 0:21 / / rw - tmpfs - rw`:                                  {1, 0, 21, "/", "/", "tmpfs", "-", false},
		`1 0 0:21 / /- rw - - - -`:                                      {1, 0, 21, "/", "/-", "-", "-", false},
		`1 0 0:21 / /a\0 rw - x y z`:                                    {1, 0, 21, "/", `/a\0`, "x", "y", false},
		`1 0 0:21 / /a\999 rw - x y z`:                                  {1, 0, 21, "/", `/a\999`, "x", "y", false},
		`1 0 0:21 /@ / rw - btrfs /dev/x rw,subvolid=5,subvol=/@`:       {1, 0, 21, "/@", "/", "btrfs", "/dev/x", true},
		`1 0 0:21 /@/a / rw - btrfs /dev/x rw,subvolid=5,subvol=/@`:     {1, 0, 21, "/@/a", "/", "btrfs", "/dev/x", false},
		`1 0 0:21 /@ / rw - ext4 /dev/x rw,subvol=/@`:                   {1, 0, 21, "/@", "/", "ext4", "/dev/x", false},
		`1 0 0:4 net:[4026532281] /run/netns/x rw shared:9 - nsfs n rw`: {1, 0, 4, "net:[4026532281]", "/run/netns/x", "nsfs", "n", false},
	} {
		if m, err := parseLine(line); err != nil || m != want {
			t.Errorf("%s: %+v, %v", line, m, err)
		}
	}
	if m, err := parseLine(`1 0 0:21 /a\040,b / rw - btrfs /dev/x rw,subvol=/a\040`); err != nil || m.Subvolume {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := parseLine(`1 0 0:21 /a\040\134b / rw - btrfs /dev/x rw,subvol=/a\040\134b`); err != nil || !m.Subvolume {
		t.Errorf("%+v, %v", m, err)
	}
	for _, line := range []string{
		"", "1", "1 0 0:21 / / rw", "1 0 0:21 / / rw -", "1 0 0:21 / / rw - tmpfs",
		"1 0 21 / / rw - a b c", "1 0 0:21 / mnt rw - a b c",
	} {
		if _, err := Parse(strings.NewReader("1 0 0:1 / / rw - a b c\n" + line + "\n")); err == nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestLongLine reads a table with lines longer than package mountinfo accepts: one whose
// options are long, as those of an overlay of many layers, and one whose mount point is.
func TestLongLine(t *testing.T) {
	tab := table(t, `
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 0:30 / /merged rw - overlay overlay rw`+strings.Repeat(",lowerdir+=/var/lib/layers/"+strings.Repeat("x", 200), 500)+`
22 20 0:31 / /home/mallory`+strings.Repeat("/"+strings.Repeat(`\040`, 200), 100)+` rw - fuse.x x rw
23 20 0:32 / /tmp rw - tmpfs tmpfs rw
`)
	if got, want := points(tab.Under("/")), []string{"/merged", "/tmp"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// unescape undoes escape.
func unescape(t *testing.T, s string) string {
	t.Helper()
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEscape(t *testing.T) {
	var b strings.Builder
	for i := range 256 {
		b.WriteByte(byte(i))
	}
	e := escape(b.String())
	if unescape(t, e) != b.String() || strings.ContainsFunc(e, func(r rune) bool { return r <= ' ' || r > '~' }) {
		t.Errorf("%q", e)
	}
}

const hidden = `
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 8:2 / /a rw - ext4 /dev/sda2 rw
22 21 8:3 / /a/b rw - ext4 /dev/sda3 rw
23 22 8:4 / /a/b/c rw - ext4 /dev/sda4 rw
24 21 8:5 / /a/b! rw - ext4 /dev/sda5 rw
25 20 8:6 / /d/e rw - ext4 /dev/sda6 rw
26 20 8:7 / /d rw - ext4 /dev/sda7 rw
27 26 8:8 / /d/f rw - ext4 /dev/sda8 rw
28 20 8:9 / /g rw - ext4 /dev/sda9 rw
29 28 8:10 / /g rw - ext4 /dev/sda10 rw
30 28 8:11 / /g/h rw - ext4 /dev/sda11 rw
31 29 8:12 / /g/i rw - ext4 /dev/sda12 rw
`

func TestVisible(t *testing.T) {
	tab := table(t, hidden)
	if got, want := points(tab.Under("/")), []string{"/a", "/a/b", "/a/b/c", "/a/b!", "/d", "/d/f", "/g", "/g/i"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for path, want := range map[string]int{
		"/": 20, "/x": 20, "/a": 21, "/ab": 20, "/a/x/y": 21, "/a/b": 22, "/a/b/c/d": 23, "/a/b!": 24, "/a/b!/c": 24,
		"/d": 26, "/d/e": 26, "/d/e/x": 26, "/d/f/x": 27, "/g": 29, "/g/h/x": 29, "/g/i": 31,
	} {
		if m := tab.Containing(path); m == nil || m.ID != want {
			t.Errorf("%s lies on %+v, want %d", path, m, want)
		}
	}
	if got, want := points(tab.Through("/a/b/c/d")), []string{"/a/b/c", "/a/b", "/a", "/"}; !slices.Equal(got, want) {
		t.Errorf("through %q, want %q", got, want)
	}
	for path, want := range map[string]int{"/": 20, "/a/b": 22, "/g": 29, "/d": 26} {
		if m := tab.At(path); m == nil || m.ID != want {
			t.Errorf("at %s is %+v, want %d", path, m, want)
		}
	}
	for _, path := range []string{"/x", "/a/", "/d/e", "/g/h", ""} {
		if m := tab.At(path); m != nil {
			t.Errorf("at %s is %+v", path, m)
		}
	}
	for dir, want := range map[string][]string{"/a": {"/a/b", "/a/b/c", "/a/b!"}, "/a/b": {"/a/b/c"}, "/d": {"/d/f"}, "/d/e": nil, "/x": nil, "/a/b/": nil} {
		if got := points(tab.Under(dir)); !slices.Equal(got, want) {
			t.Errorf("under %s: %q, want %q", dir, got, want)
		}
	}
}

func TestTableWithoutRoot(t *testing.T) {
	tab := table(t, "21 20 8:2 / /a rw - ext4 /dev/sda2 rw\n")
	if m := tab.Containing("/b"); m != nil {
		t.Errorf("%+v", m)
	}
	if m := tab.Containing("/a/b"); m == nil || m.ID != 21 {
		t.Errorf("%+v", m)
	}
	if tab := table(t, ""); tab.Containing("/") != nil || tab.Under("/") != nil {
		t.Error("an empty table has mounts")
	}
}

// A table that is not a tree, such as one read while it changes, still gives a Table.
func TestTableOfAnyShape(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	names := []string{"/", "/a", "/a/b", "/a/b/c", "/b"}
	for range 2000 {
		var list []Mount
		for range rnd.IntN(8) {
			list = append(list, Mount{ID: rnd.IntN(6), Parent: rnd.IntN(6), Root: "/", Point: names[rnd.IntN(len(names))]})
		}
		tab := newTable(list)
		for _, m := range tab.Under("/") {
			if tab.At(m.Point) != m || tab.Containing(m.Point+"/x") == nil {
				t.Fatalf("seed %d: %+v", seed, list)
			}
			tab.Alias(m, all)
			tab.Duplicates(m, all)
		}
	}
}

func TestComparePaths(t *testing.T) {
	sorted := []string{"/", "/a", "/a/a", "/a/a/a", "/a/a\x01", "/a/b", "/a\x01", "/a!", "/a!/x", "/ab", "/b"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := ComparePaths(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%q against %q: %d", a, b, got)
			}
		}
	}
}

// The oracle is what the kernel reports for each directory near the root.
func TestContainingOnThisMachine(t *testing.T) {
	tab, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	if tab.At("/") == nil {
		t.Fatal("no root")
	}
	dirs := []string{"/", t.TempDir()}
	for _, pattern := range []string{"/*", "/*/*"} {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	checkContaining(t, tab, dirs)
}

func checkContaining(t *testing.T, tab *Table, dirs []string) {
	t.Helper()
	checked := 0
	for _, dir := range dirs {
		if fi, err := os.Lstat(dir); err != nil || !fi.IsDir() {
			continue
		}
		var stx unix.Statx_t
		if err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &stx); err != nil {
			continue
		}
		if stx.Mask&unix.STATX_MNT_ID == 0 {
			t.Skip("this kernel does not tell what a path lies on")
		}
		checked++
		if m := tab.Containing(dir); m == nil || uint64(m.ID) != stx.Mnt_id {
			t.Errorf("%s lies on %+v, want %d", dir, m, stx.Mnt_id)
		}
	}
	if checked == 0 {
		t.Error("nothing was checked")
	}
}
