package mounts

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestAlias(t *testing.T) {
	for _, c := range []struct {
		name    string
		table   string
		aliases map[string]string // of the visible mounts, those that are one
		inside  map[string]string // directories within mounts that are duplicates
		outside string            // blank-separated trees that are not indexed
	}{
		{
			name: "bind mount of a directory",
			table: `
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 8:1 /home/x /srv/x rw - ext4 /dev/a rw`,
			aliases: map[string]string{"/srv/x": "/home/x"},
		},
		{
			name: "bind mount of what is not indexed",
			table: `
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 8:1 /home/x /srv/x rw - ext4 /dev/a rw
3 1 8:1 /home/x /srv/longer rw - ext4 /dev/a rw`,
			aliases: map[string]string{"/srv/longer": "/srv/x"},
			outside: "/home",
		},
		{
			name: "bind mount of a directory on itself",
			table: `
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 8:1 /data /data rw - ext4 /dev/a rw`,
		},
		{
			name: "one file system at two places",
			table: `
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 8:2 / /data rw - ext4 /dev/b rw
3 1 8:2 / /srv rw - ext4 /dev/b rw
4 1 8:2 / /abc rw - ext4 /dev/b rw`,
			aliases: map[string]string{"/data": "/abc", "/srv": "/abc"},
		},
		{
			name: "a part mounted, and the whole elsewhere",
			table: `
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 8:2 /x /a rw - ext4 /dev/b rw
3 1 8:2 / /much/longer rw - ext4 /dev/b rw`,
			aliases: map[string]string{"/a": "/much/longer/x"},
		},
		{
			name: "another part of the file system",
			table: `
1 0 8:1 /r / rw - ext4 /dev/a rw
2 1 8:1 /rr /srv rw - ext4 /dev/a rw`,
		},
		{
			name: "what the bind mount shows is hidden by another mount",
			table: `
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 8:1 /home/x /srv/x rw - ext4 /dev/a rw
3 1 8:2 / /home rw - ext4 /dev/b rw`,
		},
		{
			name: "btrfs with @ and @home",
			table: `
1 0 0:30 /@ / rw - btrfs /dev/a rw,subvol=/@
2 1 0:30 /@home /home rw - btrfs /dev/a rw,subvol=/@home
3 1 0:30 /@snapshots /.snapshots rw - btrfs /dev/a rw,subvol=/@snapshots`,
		},
		{
			name: "btrfs with @, @home and the whole",
			table: `
1 0 0:30 /@ / rw - btrfs /dev/a rw,subvol=/@
2 1 0:30 /@home /home rw - btrfs /dev/a rw,subvol=/@home
3 1 0:30 / /mnt/pool rw - btrfs /dev/a rw,subvol=/`,
			inside: map[string]string{"/mnt/pool/@": "/", "/mnt/pool/@home": "/home"},
		},
		{
			name: "btrfs, bind mount of a plain directory",
			table: `
1 0 0:30 /@ / rw - btrfs /dev/a rw,subvol=/@
2 1 0:30 /@/opt/x /x rw - btrfs /dev/a rw,subvol=/@`,
			aliases: map[string]string{"/x": "/opt/x"},
		},
		{
			name: "btrfs, one subvolume at two places",
			table: `
1 0 0:30 /@ / rw - btrfs /dev/a rw,subvol=/@
2 1 0:30 /@home /home rw - btrfs /dev/a rw,subvol=/@home
3 1 0:30 /@home /mnt/h rw - btrfs /dev/a rw,subvol=/@home`,
			aliases: map[string]string{"/mnt/h": "/home"},
		},
		{
			name: "root is a snapper snapshot",
			table: `
1 0 0:30 /@/.snapshots/1/snapshot / rw - btrfs /dev/a rw,subvol=/@/.snapshots/1/snapshot
2 1 0:30 /@/.snapshots /.snapshots rw - btrfs /dev/a rw,subvol=/@/.snapshots
3 1 0:30 /@/home /home rw - btrfs /dev/a rw,subvol=/@/home`,
			inside: map[string]string{"/.snapshots/1/snapshot": "/"},
		},
		{
			name: "timeshift",
			table: `
1 0 0:30 /@ / rw - btrfs /dev/a rw,subvol=/@
2 1 0:30 / /run/timeshift/backup rw - btrfs /dev/a rw,subvol=/
3 1 0:30 /@/srv /srv2 rw - btrfs /dev/a rw,subvol=/@`,
			aliases: map[string]string{"/srv2": "/srv"},
			inside:  map[string]string{"/run/timeshift/backup/@": "/", "/run/timeshift/backup/@/srv": "/srv"},
		},
		{
			name: "btrfs with the whole, bind mount of a plain directory",
			table: `
1 0 0:30 /@ / rw - btrfs /dev/a rw,subvol=/@
2 1 0:30 / /mnt/pool rw - btrfs /dev/a rw,subvol=/
3 1 0:30 /@/srv /srv2 rw - btrfs /dev/a rw,subvol=/@`,
			aliases: map[string]string{"/srv2": "/srv"},
			inside:  map[string]string{"/mnt/pool/@": "/", "/mnt/pool/@/srv": "/srv"},
		},
		{
			name: "recursive bind mount, what is mounted within has a shorter path by the alias",
			table: `
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 8:2 / /data/long/x/disk rw - ext4 /dev/b rw
3 1 8:1 /data/long/x /d rw - ext4 /dev/a rw
4 3 8:2 / /d/disk rw - ext4 /dev/b rw
5 2 8:3 / /data/long/x/disk/c rw - ext4 /dev/c rw
6 4 8:3 / /d/disk/c rw - ext4 /dev/c rw`,
			aliases: map[string]string{"/d": "/data/long/x"}, // what is in it nobody asks for
		},
		{
			name: "a shorter path through what is not entered",
			table: `
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 0:20 / /tmp rw - tmpfs tmpfs rw
3 2 8:2 / /tmp/d rw - ext4 /dev/b rw
4 1 8:2 / /media/disk rw - ext4 /dev/b rw`,
			outside: "/tmp",
		},
		{
			name: "a subvolume mounted below what is not entered",
			table: `
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 0:20 / /run rw - tmpfs tmpfs rw
3 2 0:30 /@data /run/media/data rw - btrfs /dev/b rw,subvol=/@data
4 1 0:30 / /mnt/pool rw - btrfs /dev/b rw,subvol=/`,
			outside: "/run",
		},
		{
			name: "a container's merged directory, bound elsewhere",
			table: `
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 0:50 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw
3 1 0:50 / /srv/a/rather/long/path/to/the/very/same/thing rw - overlay overlay rw`,
			aliases: map[string]string{"/var/lib/docker/overlay2/abc/merged": "/srv/a/rather/long/path/to/the/very/same/thing"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab := table(t, c.table)
			indexed := func(p string) bool {
				for _, out := range strings.Fields(c.outside) {
					if Within(p, out) {
						return false
					}
				}
				return true
			}
			inside := map[string]string{}
			for _, m := range append([]*Mount{tab.At("/")}, tab.Under("/")...) {
				other, ok := tab.Alias(m, indexed)
				if want, isAlias := c.aliases[m.Point]; ok != isAlias || ok && other != want {
					t.Errorf("%s is indexed as %s (%v)", m.Point, other, ok)
				}
				for _, d := range tab.Duplicates(m, indexed) {
					inside[d.Path] = d.Canonical
				}
			}
			for p, canonical := range c.inside {
				if inside[p] != canonical {
					t.Errorf("%s is indexed as %q, want %s", p, inside[p], canonical)
				}
				delete(inside, p)
			}
			for p, canonical := range inside {
				t.Errorf("%s is taken for %s", p, canonical)
			}
		})
	}
}

// Whatever is mounted, each tree is indexed by exactly one path: on a mount that is no
// alias, in no directory that is a duplicate.
func TestEachTreeOnce(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	for range 3000 {
		list := []Mount{{ID: 1, Root: "/", Point: "/"}}
		for i := range 1 + rnd.IntN(6) {
			m := Mount{ID: i + 2, Parent: 1, Dev: 7, Root: "/"}
			for range rnd.IntN(4) {
				m.Root = strings.TrimPrefix(m.Root, "/") // "" at first
				m.Root = strings.TrimSuffix("/"+m.Root, "/") + "/" + pick("a", "a", "a", "b", ".snapshots")
			}
			m.Point = pick("", "", "/long", "/.snapshots", "/.snapshots/merged") + "/" + string(rune('a'+i))
			m.Subvolume = strings.Count(m.Root, "/") == 1 && rnd.IntN(2) == 0 // of one directory perhaps not for each mount
			list = append(list, m)
		}
		tab := newTable(list)
		for _, m := range tab.byDev[7] {
			var found []string
			for _, on := range tab.byDev[7] {
				p, ok := tab.pathOf(on, m.Root)
				if _, alias := tab.Alias(on, all); !ok || alias {
					continue
				}
				for _, d := range tab.Duplicates(on, all) {
					ok = ok && !Within(p, d.Path)
				}
				if ok {
					found = append(found, p)
				}
			}
			if canonical, _ := tab.Alias(m, all); len(found) != 1 || found[0] != canonical {
				t.Fatalf("seed %d: %s is %s and found as %q in %+v", seed, m.Root, canonical, found, list)
			}
		}
	}
}

// However many paths lead to a tree, exactly one is canonical.
func TestAliasLeavesOne(t *testing.T) {
	tab := table(t, `
1 0 0:30 / / rw - btrfs /dev/a rw,subvol=/
2 1 0:30 /a /b rw - btrfs /dev/a rw,subvol=/
3 1 0:30 /a /c rw - btrfs /dev/a rw,subvol=/
4 1 0:30 / /d rw - btrfs /dev/a rw,subvol=/
5 4 0:30 /a /d/e rw - btrfs /dev/a rw,subvol=/
6 1 0:30 /a /.snapshots/1 rw - btrfs /dev/a rw,subvol=/`)
	kept := map[string]bool{}
	for _, m := range append([]*Mount{tab.At("/")}, tab.Under("/")...) {
		canonical, _ := tab.Alias(m, all)
		if m.Root == "/a" {
			kept[canonical] = true
		}
	}
	if len(kept) != 1 || !kept["/a"] {
		t.Errorf("%v", kept)
	}
}
