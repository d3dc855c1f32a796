package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/testutil/cgroup"
	"indexd/internal/testutil/fsstress"
	"indexd/internal/testutil/synth"
	"indexd/ipc/wire"
	"indexd/listing"
)

// makeTree creates directories, empty and sparse files and links below root, about n in
// total.
func makeTree(root string, n int) error {
	for rel, l := range (synth.Tree{Seed: 1, Entries: n}).Listings() {
		for i := range l.Entries {
			e := &l.Entries[i]
			name := filepath.Join(root, rel, e.Name)
			var err error
			switch e.Type() {
			case listing.Dir:
				err = os.Mkdir(name, 0o755)
			case listing.Symlink:
				err = os.Symlink("somewhere", name)
			default:
				if err = os.WriteFile(name, nil, 0o644); err == nil {
					err = os.Truncate(name, e.Size)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// realLimited indexes and watches, in the cgroup, a real tree of a twentieth as many
// entries as the synthetic one, changes it, and compares with find(1). The kernel's cache
// of its files is dropped first, so that it is charged to the cgroup. The tree is created
// outside: in such a cgroup, ext4 itself runs out of memory when it creates that many
// files, because it may not release any inode.
func (b *bench) realLimited(g *cgroup.Group) error {
	if os.Geteuid() != 0 {
		fmt.Println("left out: dropping caches needs root")
		return nil
	}
	root, outside := filepath.Join(b.dir, "memory.real"), filepath.Join(b.dir, "memory.outside")
	for _, dir := range []string{root, outside} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	if err := makeTree(root, b.synth/20); err != nil {
		return err
	}
	unix.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0); err != nil {
		return err
	}
	section := func(name string) { fmt.Printf("\n| %s | |\n| --- | --- |\n", name) }
	section(fmt.Sprintf("a real tree in %d MiB", littleMemory>>20))
	begun := time.Now()
	d, err := b.limited(g, "memory.real", "--watch", "inotify", root)
	if err != nil {
		return err
	}
	defer func() { _ = d.stop() }()
	if err := d.merged(b.ctx); err != nil {
		return err
	}
	took := time.Since(begun)
	status, err := d.client.Status(b.ctx)
	if err != nil {
		return err
	}
	fmt.Printf("| first index, %d entries in %d directories, %d of them watched | %s |\n", status.Entries, status.Dirs, status.Watch.Watches, took.Round(time.Second/10))
	usage(g, "then")
	same := func(when string) ([]string, error) {
		want, err := findAll(root)
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		have, err := b.rows(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w (%d processes of the group were killed)", when, err, g.Killed())
		}
		if !slices.Equal(have, want) {
			return nil, fmt.Errorf("%s: %d entries are given, find(1) has %d, or some of them are others", when, len(have), len(want))
		}
		fmt.Printf("| %s: all %d entries, with types, modes, sizes, times and inodes as find(1) has them, with `--sync` | %s |\n",
			when, len(want), time.Since(begun).Round(time.Second/10))
		usage(g, "then")
		return want, nil
	}
	want, err := same("at first")
	if err != nil {
		return err
	}
	a := &asking{b: b, g: g, d: d, begun: begun}
	if err := a.real(root, want); err != nil {
		return err
	}
	if err := stir(root, outside, 1); err != nil {
		return err
	}
	section("changed while it is watched")
	if _, err := same("after a storm"); err != nil {
		return err
	}
	if err := errors.Join(a.end(), d.stop()); err != nil {
		return err
	}
	if err := stir(root, outside, 2); err != nil {
		return err
	}
	begun = time.Now()
	if d, err = b.limited(g, "memory.real", "--watch", "inotify", root); err != nil {
		return err
	}
	if err := d.answers(b.ctx); err != nil {
		return err
	}
	section("changed while it did not run")
	fmt.Printf("| started again, answers after | %s |\n", show(time.Since(begun)))
	if want, err = same("after a storm"); err != nil {
		return err
	}
	a = &asking{b: b, g: g, d: d, begun: begun}
	if err := a.real(root, want); err != nil {
		return err
	}
	begun = time.Now()
	if out, err := exec.CommandContext(b.ctx, b.bin("indexctl"), "--socket", d.socket, "check").CombinedOutput(); err != nil {
		return fmt.Errorf("check: %w: %.1000s", err, out)
	}
	section("at the end")
	fmt.Printf("| `indexctl check` finds no difference in | %s |\n", time.Since(begun).Round(time.Second/10))
	fmt.Printf("| anonymous memory of the daemon | %.1f MiB |\n", float64(d.proc("RssAnon"))/1024)
	usage(g, "then")
	return a.end()
}

// findAll returns the sorted output of find(1) for everything below root.
func findAll(root string) ([]string, error) {
	out, err := exec.Command("find", root, "-mindepth", "1", "-printf", fsstress.Full).Output()
	if err != nil {
		return nil, fmt.Errorf("find(1): %w", err)
	}
	list := strings.Split(string(out), "\x00")
	list = list[:len(list)-1]
	slices.Sort(list)
	return list, nil
}

// rows returns the same from the daemon, including all changes so far.
func (b *bench) rows(d *daemon) ([]string, error) {
	var list []string
	t, err := d.client.Find(b.ctx, &wire.FindRequest{Sync: wire.Duration(20 * time.Minute)}, func(r *wire.Row) error {
		list = append(list, fmt.Sprintf("%s/%s %c %o %d %d.%09d0 %d", r.Dir, r.Name, r.Type().Letter(), r.Mode&0o7777, r.Size, r.Mtime.Sec, r.Mtime.Nsec, r.Ino))
		return nil
	})
	if err == nil && t.SyncMissed {
		err = errors.New("not all that changed is in the answer")
	}
	slices.Sort(list)
	return list, err
}

// real queries the real tree and compares with want, the output of find(1).
func (a *asking) real(root string, want []string) error {
	all := func(*made) bool { return true }
	list := []*question{
		{name: "`readme`", args: []string{"find", "-0", "readme"}, match: func(e *made) bool { return strings.Contains(strings.ToLower(e.name), "readme") }, order: byDir},
		{name: "`a`, count", args: []string{"find", "-c", "a"}, match: func(e *made) bool { return strings.Contains(strings.ToLower(e.name), "a") }},
		{name: "`size:>1M`", args: []string{"find", "-0", "size:>1M"}, match: func(e *made) bool { return e.size > 1<<20 }, order: byDir},
		{name: "`--sort size -n 1000`", args: []string{"find", "-0", "--sort", "size", "-n", "1000"}, match: all, first: largest, limit: 1000},
		{name: "everything, `--sort name`", args: []string{"find", "-0", "--sort", "name"}, match: all, order: byName},
		{name: "everything", args: []string{"find", "-0"}, match: all, order: byDir},
	}
	for _, line := range want {
		f := strings.Fields(strings.TrimPrefix(line, root)) // no name has a blank
		m := made{path: root + f[0], name: path.Base(f[0])}
		m.size, _ = strconv.ParseInt(f[3], 10, 64)
		for _, q := range list {
			q.see(&m)
		}
	}
	a.head()
	for _, q := range list {
		q.prune()
		if err := a.row(q.name, q); err != nil {
			return err
		}
	}
	eight := slices.Repeat(list[4:], 4)
	return a.row("eight times everything at once", eight...)
}

// stir changes a tree: 20,000 hostile changes in a directory of their own, one more file
// in each seventh directory, one less in each eleventh, and big directories exchanged.
func stir(root, outside string, round int) error {
	top := filepath.Join(root, fmt.Sprint("storm", round))
	if err := os.Mkdir(top, 0o755); err != nil {
		return err
	}
	fsstress.Blow(uint64(round), 4, 20_000, top, outside)
	var dirs []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, dir := range dirs {
		switch {
		case i%7 == 0:
			err = os.WriteFile(fmt.Sprintf("%s/new-in-round-%d", dir, round), bytes.Repeat([]byte{'x'}, i%100), 0o644)
		case i%11 == 0:
			err = removeOne(dir)
		}
		if err != nil {
			return err
		}
	}
	var tops []string
	for _, dir := range dirs {
		if filepath.Dir(dir) == root && dir != top {
			tops = append(tops, dir)
		}
	}
	for pair := range slices.Chunk(tops, 2) {
		if len(pair) == 2 {
			if err := unix.Renameat2(unix.AT_FDCWD, pair[0], unix.AT_FDCWD, pair[1], unix.RENAME_EXCHANGE); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeOne removes the first file in dir, if there is any.
func removeOne(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, e := range list {
		if !e.IsDir() {
			return os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return nil
}
