package store_test

import (
	"fmt"
	"strings"
	"testing"

	"indexd/store"
	"indexd/store/record"
)

// mountAll enters volumes: a mount point each, with a - before an offline one.
func mountAll(t *testing.T, s *store.Store, points ...string) {
	t.Helper()
	update(t, s, func(tx *store.Tx) {
		for _, p := range points {
			point, off := strings.CutPrefix(p, "-")
			if _, err := tx.PutVolume(store.VolumeInfo{Identity: p, MountPoint: point, Offline: off}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestLocate(t *testing.T) {
	s := openStore(t)
	mountAll(t, s, "/", "/home", "-/mnt/usb", "/mnt/usb", "/home/u/disk", "-/mnt/cd", "/mnt\xff")
	view(t, s, func(sn *store.Snap) {
		for path, want := range map[string]string{
			"/":                "1:/",
			"/usr/lib":         "1:/usr/lib",
			"/home":            "2:/",
			"/homer":           "1:/homer",
			"/home/u":          "2:/u",
			"/home/u/disk":     "5:/",
			"/home/u/disk/x":   "5:/x",
			"/home/u/diskette": "2:/u/diskette",
			"/mnt/usb/x":       "4:/x", // the online one
			"/mnt/cd/x":        "6:/x",
			"/mnt\xff/a\n":     "7:/a\n",
		} {
			k, ok := sn.Locate(path)
			if !ok || k.String() != want {
				t.Errorf("%q is at %s, %v, want %s", path, k, ok, want)
			}
			if got := sn.PathOf(k); got != path {
				t.Errorf("%s is %q, want %q", k, got, path)
			}
		}
		if k, ok := sn.Locate("/" + strings.Repeat("x/", 20_000)); ok {
			t.Errorf("%s", k)
		}
		if p := sn.PathOf(record.MakeKey(99, "x")); p != "" {
			t.Errorf("%q", p)
		}
	})
	update(t, s, func(tx *store.Tx) {
		if k, _ := tx.Snap().Locate("/home/x"); k.String() != "2:/x" {
			t.Error(k)
		}
		if _, err := tx.PutVolume(store.VolumeInfo{Volume: 2, MountPoint: "/elsewhere"}); err != nil {
			t.Error(err)
		}
		if k, _ := tx.Snap().Locate("/home/x"); k.String() != "1:/home/x" {
			t.Errorf("%s after it was mounted elsewhere", k)
		}
	})
	alone := openStore(t)
	mountAll(t, alone, "/home")
	view(t, alone, func(sn *store.Snap) {
		if k, ok := sn.Locate("/usr"); ok {
			t.Error(k)
		}
	})
}

func TestKeyRanges(t *testing.T) {
	for _, c := range []struct {
		mounts, of, want string
	}{
		{"/", "/", "1:[/ ~)"},
		{"/", "/usr/lib", "1:[/usr/lib ~)"},
		{"/ /home", "/", "1:[/ /home) 2:[/ ~) 1:[/home~ ~)"},
		{"/ /home", "/home/u", "2:[/u ~)"},
		{"/ /home", "/homer", "1:[/homer ~)"},
		{"/ /home /srv /home/u/d", "/", "1:[/ /home) 2:[/ /u/d) 4:[/ ~) 2:[/u/d~ ~) 1:[/home~ /srv) 3:[/ ~) 1:[/srv~ ~)"},
		{"/ /a/b /a/b.c /a/b/c", "/a", "1:[/a /a/b) 2:[/ /c) 4:[/ ~) 2:[/c~ ~) 1:[/a/b~ /a/b.c) 3:[/ ~) 1:[/a/b.c~ ~)"},
		{"/ -/mnt /mnt", "/", "1:[/ /mnt) 3:[/ ~) 1:[/mnt~ ~)"},
		{"/ -/mnt", "/", "1:[/ /mnt) 2:[/ ~) 1:[/mnt~ ~)"},
		{"/home /srv", "/", "1:[/ ~) 2:[/ ~)"},
		{"/home /srv", "/home/x", "1:[/x ~)"},
		{"/home /srv", "/usr", ""},
		{"/ /a", "/a", "2:[/ ~)"},
	} {
		s := openStore(t)
		mountAll(t, s, strings.Fields(c.mounts)...)
		view(t, s, func(sn *store.Snap) {
			segs, err := sn.KeyRanges(c.of)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range segs {
				v := g.Volume.Volume
				top, lo, hi := record.MakeKey(v, ""), "", ""
				_ = top
				lo, hi = bound(g.Lo), bound(g.Hi)
				root := record.MakeKey(v, "")
				if k, ok := sn.Locate(c.of); ok && k.Volume() == v {
					root = k
				}
				if g.Hi.Equal(root.SubtreeEnd()) {
					hi = "~"
				}
				got = append(got, fmt.Sprintf("%d:[%s %s)", v, lo, hi))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("mounts %s, %s:\n got %s\nwant %s", c.mounts, c.of, strings.Join(got, " "), c.want)
			}
		})
	}
}

// bound writes a key, or the end of a subtree as its key with a ~.
func bound(k record.Key) string {
	if k[len(k)-1] == 1 && len(k) > 2 {
		return "/" + k[:len(k)-1].Rel() + "~"
	}
	return "/" + k.Rel()
}
