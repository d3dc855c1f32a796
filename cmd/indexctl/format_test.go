package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/cmd/indexctl/internal/console"
	"indexd/ipc/wire"
	"indexd/listing"
)

// TestLongAsLs compares with ls -lh.
func TestLongAsLs(t *testing.T) {
	dir := t.TempDir()
	var files []string
	add := func(size int64, mode uint32) {
		file := filepath.Join(dir, fmt.Sprintf("%d-%o", size, mode))
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
		if err := unix.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	for _, size := range []int64{0, 1, 999, 1000, 1023, 1024, 1025, 1126, 1127, 9 << 10, 10137, 10138, 10139, 10<<10 - 1, 10 << 10, 10<<10 + 1,
		999 << 10, 1023<<10 - 1, 1023 << 10, 1023<<10 + 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 1<<30 - 1, 5<<30 + 1, 1 << 40} {
		add(size, 0o644)
	}
	for _, mode := range []uint32{0, 0o777, 0o1777, 0o1666, 0o4755, 0o4644, 0o2755, 0o2644, 0o7777, 0o7000} {
		add(0, mode)
	}
	users, groups := newUsers(), newGroups()
	for _, file := range files {
		var st unix.Stat_t
		if err := unix.Lstat(file, &st); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("ls", "-lhd", "--time-style=+%Y-%m-%d %H:%M", file)
		cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "TZ=" + os.Getenv("TZ")}
		out, err := cmd.Output()
		if err != nil {
			t.Skip("ls(1) is not GNU's")
		}
		ls := strings.Fields(string(out))
		want := strings.Join(append(ls[:1:1], ls[2:]...), " ") // without the number of links
		l := longPrinter{out: &console.Output{}}
		row := wire.Row{Dir: dir, User: users.name(st.Uid), Group: groups.name(st.Gid), Entry: listing.Entry{
			Name: filepath.Base(file), Stat: listing.Stat{Size: st.Size, Mode: st.Mode, Mtime: listing.Time{Sec: st.Mtim.Sec}}}}
		if got := strings.Join(strings.Fields(string(l.appendRow(nil, &row))), " "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestNamesAsGetent compares with the C library.
func TestNamesAsGetent(t *testing.T) {
	for database, n := range map[string]*names{"passwd": newUsers(), "group": newGroups()} {
		out, err := exec.Command("getent", database).Output()
		if err != nil {
			t.Skip("getent(1) is not installed")
		}
		seen := map[uint32]bool{}
		for line := range strings.Lines(string(out)) {
			name, id, ok := parseName(line)
			if !ok {
				t.Fatalf("line %q", line)
			}
			if got, err := n.lookup(name); err != nil || got != id {
				t.Errorf("%s %s: %d, %v; want %d", database, name, got, err, id)
			}
			if got := n.name(id); got != name && !seen[id] {
				t.Errorf("%s %d: %s, want %s", database, id, got, name)
			}
			seen[id] = true
		}
		if got := n.name(4294967294); got != "4294967294" {
			t.Errorf("%s without a name: %s", database, got)
		}
		if _, err := n.lookup("no such name"); err == nil {
			t.Errorf("%s: a name that nobody has was found", database)
		}
		if _, err := n.lookup("0"); err == nil {
			t.Errorf("%s: a number was taken for a name", database)
		}
	}
}

// TestNamesFromGetent has a user that is in none of the files, as with LDAP.
func TestNamesFromGetent(t *testing.T) {
	bin := t.TempDir()
	fake := "#!/bin/sh\ncase $1:$2 in passwd:far|passwd:70001) echo far:x:70001:70001:::;; *) exit 2;; esac\n"
	if err := os.WriteFile(filepath.Join(bin, "getent"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	n := newUsers()
	if id, err := n.lookup("far"); err != nil || id != 70001 {
		t.Errorf("far is %d, %v", id, err)
	}
	if name := n.name(70001); name != "far" {
		t.Errorf("70001 is %s", name)
	}
}

func TestProgress(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1, 0)
	p := &progress{file: write, now: func() time.Time { return now }}
	for range 5 {
		p.show(&wire.Progress{Dirs: 1, Entries: 2, Errors: 3, Queued: 4})
		now = now.Add(lineInterval / 2)
	}
	p.clear()
	write.Close()
	var b strings.Builder
	if _, err := read.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	line := "2 files in 1 directory, 4 directories to go, 3 errors\n"
	if want := strings.Repeat(line, 3); b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}

	// The bar fits the line, and does not go back.
	p.bar = true
	for _, c := range []struct {
		dirs, queued int64
		want         string
	}{
		{1, 3, "[#######.......................] "},
		{2, 18, "[#######.......................] "},
		{20, 0, "[##############################] "},
	} {
		if got := p.line(&wire.Progress{Dirs: c.dirs, Queued: c.queued}, "text"); got != c.want+"text" {
			t.Errorf("%d of %d: %s", c.dirs, c.dirs+c.queued, got)
		}
	}
	if got := p.line(&wire.Progress{}, strings.Repeat("x", 90)); len(got) != 79 {
		t.Errorf("%d columns", len(got))
	}
	(*progress)(nil).show(&wire.Progress{})
	(*progress)(nil).clear()
}
