package plan

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/internal/testutil/scale"
	"indexd/listing"
)

// realTree makes a small tree with something for each test of find(1).
func realTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	base := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	for i, f := range []struct {
		name string
		size int
		mode uint32
	}{
		{"main.go", 1024, 0o644}, {"Main.GO", 1023, 0o600}, {"lib/a.c", 1025, 0o755}, {"lib/b.h", 0, 0o444},
		{"lib/deep/er/x.tar.gz", 10 << 20, 0o640}, {"lib/deep/er/.bashrc", 5, 0o4755}, {"lib/deep/run", 99, 0o111},
		{"a b/c\nd", 1, 0o666}, {"a b/\xff\xfe.go", 2, 0o060}, {"été/ÉTÉ.txt", 4096, 0o7777}, {"lib/.go", 3, 0o000},
		{"src/main/main_test.go", 513, 0o2644}, {"src/main/a1", 0, 0o700}, {"src/[x]{y}*", 8, 0o644},
	} {
		p := filepath.Join(root, f.name)
		must(os.MkdirAll(filepath.Dir(p), 0o755))
		must(os.WriteFile(p, nil, 0o600))
		must(os.Truncate(p, int64(f.size)))
		must(syscall.Chmod(p, f.mode))
		must(os.Chtimes(p, base, base.Add(time.Duration(i)*time.Hour)))
	}
	must(os.Mkdir(filepath.Join(root, "empty"), 0o1777))
	must(os.Mkdir(filepath.Join(root, "empty.go"), 0o700))
	must(os.Symlink("main.go", filepath.Join(root, "link")))
	must(os.WriteFile(filepath.Join(root, "full"), make([]byte, 100_000), 0o644))
	must(os.Link(filepath.Join(root, "full"), filepath.Join(root, "lib", "full")))
	must(os.Link(filepath.Join(root, "main.go"), filepath.Join(root, "a b", "main.go")))
	must(os.Symlink("nowhere", filepath.Join(root, "lib", "dangling.go")))
	must(syscall.Mkfifo(filepath.Join(root, "fifo"), 0o622))
	l, err := net.Listen("unix", filepath.Join(root, "s"))
	must(err)
	t.Cleanup(func() { l.Close() })
	if os.Geteuid() == 0 {
		must(os.Lchown(filepath.Join(root, "main.go"), 4711, 4712))
		must(os.Lchown(filepath.Join(root, "link"), 4711, 0))
		must(syscall.Mknod(filepath.Join(root, "null"), syscall.S_IFCHR|0o666, 1<<8|3))
	}
	return root
}

// ours returns what the plan of r finds below root.
func ours(t *testing.T, r *query.Request, root string) []string {
	t.Helper()
	if err := r.Resolve(&query.Env{Now: time.Now(), Cwd: root}); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	p, err := Compile(r)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	m := p.NewMatcher()
	var found []string
	var visit func(dir string, depth int)
	visit = func(dir string, depth int) {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		m.Enter(dir, depth)
		below := m.Below()
		var subdirs []string
		for _, de := range list {
			p := filepath.Join(dir, de.Name())
			row := Row{Entry: statEntry(t, p)}
			if row.Entry.Type() == listing.Dir {
				sub, _ := os.ReadDir(p)
				row.Empty = query.TruthOf(len(sub) == 0)
				subdirs = append(subdirs, p)
			}
			if m.Match(&row) {
				found = append(found, strings.TrimPrefix(p, root+"/"))
			}
		}
		for _, p := range subdirs {
			if below {
				visit(p, depth+1)
			}
		}
	}
	visit(root, 1)
	slices.Sort(found)
	return found
}

func statEntry(t *testing.T, path string) *listing.Entry {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return &listing.Entry{Name: filepath.Base(path), Stat: listing.Stat{
		Ino: st.Ino, Nlink: uint32(st.Nlink), Blocks: st.Blocks,
		Mode: st.Mode, Size: st.Size, UID: st.Uid, GID: st.Gid,
		Mtime: listing.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)},
	}}
}

func TestEqualsFind(t *testing.T) {
	scale.SkipIfShort(t)
	if _, err := exec.LookPath("find"); err != nil {
		t.Skip("no find(1) here")
	}
	root := realTree(t)
	uid, gid := os.Geteuid(), os.Getegid()
	ino := statEntry(t, filepath.Join(root, "full")).Ino
	for _, c := range []struct{ query, find string }{
		{"", ""},
		{"type:f", "-type f"},
		{"type:d", "-type d"},
		{"type:l,p", "-type l -o -type p"},
		{"type:s", "-type s"},
		{"type:c,b", "-type c -o -type b"},
		{"NOT type:f", "! -type f"},
		{"type:e", "-empty"},
		{"NOT type:empty", "! -empty"},
		{"type:x", "-type f -perm /111"},
		{"type:x,d", "-type f -perm /111 -o -type d"},
		{"size:1k", "-size 1024c"},
		{"size:+1k", "-size +1024c"},
		{"size:-1k", "-size -1024c"},
		{"size:>=1k", "-size +1023c"},
		{"size:1k..4k", "-size +1023c -size -4097c"},
		{"size:0", "-size 0"},
		{"size:+1M type:f", "-size +1M -type f"},
		{"perm:644", "-perm 644"},
		{"perm:0", "-perm 0"},
		{"perm:-4000", "-perm -4000"},
		{"perm:-0", "-perm -0"},
		{"perm:/222", "-perm /222"},
		{"perm:/0", "-perm /0"},
		{"perm:-6000 NOT type:l", "-perm -6000 ! -type l"},
		{"NOT perm:/111", "! -perm /111"},
		{fmt.Sprintf("owner:%d", uid), fmt.Sprintf("-uid %d", uid)},
		{fmt.Sprintf("owner:!%d", uid), fmt.Sprintf("! -uid %d", uid)},
		{fmt.Sprintf("owner:%d:%d", uid, gid), fmt.Sprintf("-uid %d -gid %d", uid, gid)},
		{fmt.Sprintf("group:%d", gid), fmt.Sprintf("-gid %d", gid)},
		{"owner:4711:4712", "-uid 4711 -gid 4712"},
		{"nlink:1", "-links 1"},
		{"nlink:2", "-links 2"},
		{"links:+1 type:f", "-links +1 -type f"},
		{"nlink:1..2 NOT type:d", "-links -3 ! -type d"},
		{fmt.Sprintf("inode:%d", ino), fmt.Sprintf("-inum %d", ino)},
		{fmt.Sprintf("inum:>%d", ino), fmt.Sprintf("-inum +%d", ino)},
		{fmt.Sprintf("inode:<=%d", ino), fmt.Sprintf("! -inum +%d", ino)},
		{"depth:1", "-maxdepth 1"},
		{"depth:2..3", "-mindepth 2 -maxdepth 3"},
		{"depth:>2", "-mindepth 3"},
		{"mtime:>2026-01-02T09:04:05.6Z", "-newermt 2026-01-02T09:04:05.6Z"},
		{"mtime:<=2026-01-02T09:04:05.6Z", "! -newermt 2026-01-02T09:04:05.6Z"},
		{"mtime:1d", "-newermt @" + fmt.Sprint(time.Now().Add(-24*time.Hour).Unix())},
		{"mtime:<1d", "! -newermt @" + fmt.Sprint(time.Now().Add(-24*time.Hour).Unix())},
		{"main", "-iname *main*"},
		{"Main", "-name *Main*"},
		{"name:*.go", "-iname *.go"},
		{"*.[ch]", "-iname *.[ch]"},
		{"ext:go", "-iname ?*.go"},
		{"ext:tar.gz", "-iname ?*.tar.gz"},
		{"ext:c,h", "-iname ?*.c -o -iname ?*.h"},
		{"?[0-9]", "-name ?[0-9]"},
		{`[[]*\*`, `-name [[]*\*`},
		{`"[x]{y}*"`, `-name *\[x\]{y}\**`},
		{"re:^[a-m]*[.]go$", "-iregex .*/[a-m]*[.]go"},
		{"NOT ( main OR ext:h )", "! ( -iname *main* -o -iname ?*.h )"},
		{"src", "-iname *src*"},
		{"src/", "-ipath */src/*"},
		{"lib/**", "-path */lib/*"},
		{"main AND size:<1k OR type:d NOT perm:755", "-iname *main* -size -1024c -o -type d ! -perm 755"},
		{"in:lib", "-path " + root + "/lib/*"},
		{"NOT in:lib/deep", "! -path " + root + "/lib/deep/*"},
	} {
		r := &query.Request{}
		if c.query != "" {
			r.Terms = []string{c.query}
		}
		compareFind(t, r, root, c.find)
	}
	for _, c := range []struct {
		r    query.Request
		find string
	}{
		{query.Request{Exclude: []string{"deep"}}, "-name deep -prune -o -print0"},
		{query.Request{Exclude: []string{"*.go", "src"}}, "( -name *.go -o -name src ) -prune -o -print0"},
		{query.Request{Exclude: []string{"empty.go/", "main.go/"}}, "-type d -name empty.go -prune -o -print0"},
		{query.Request{Exclude: []string{"lib/deep/er"}, Terms: []string{"NOT type:d"}}, "-path */lib/deep/er -prune -o ! -type d -print0"},
		{query.Request{MaxDepth: 2, MinDepth: 2}, "-mindepth 2 -maxdepth 2"},
		{query.Request{Filters: []string{"size:-1k", "type:f"}, Terms: []string{"a OR e"}}, "( -iname *a* -o -iname *e* ) -size -1024c -type f"},
		{query.Request{Mode: query.ModeFixed, Terms: []string{"*"}}, `-name *\**`},
		{query.Request{Mode: query.ModeGlob, Terms: []string{"*m*", "*.go"}}, "-iname *m* -iname *.go"},
		{query.Request{Mode: query.ModeRegex, Terms: []string{"^m", "o$"}, Case: query.CaseSensitive}, "-name m*o"},
		{query.Request{FullPath: true, Terms: []string{"lib", "e"}, Case: query.CaseSensitive, In: []string{"."}}, "-path *lib* -path *e*"},
	} {
		compareFind(t, &c.r, root, c.find)
	}
}

func compareFind(t *testing.T, r *query.Request, root, find string) {
	t.Helper()
	what := fmt.Sprintf("%+v", *r)
	args := []string{root, "-mindepth", "1"}
	action := []string{"-print0"}
	for _, a := range strings.Fields(find) {
		switch a {
		case "-mindepth", "-maxdepth":
			args = append(args, a)
			continue
		case "-print0":
			action = nil
		}
		args = append(args, a)
	}
	if action != nil && find != "" && !strings.HasPrefix(find, "-m") {
		args = slices.Concat(args[:3], []string{"("}, args[3:], []string{")"})
	}
	cmd := exec.Command("find", append(args, action...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", cmd, err, &stderr)
	}
	var want []string
	for _, p := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if p != "" {
			want = append(want, strings.TrimPrefix(p, root+"/"))
		}
	}
	slices.Sort(want)
	if got := ours(t, r, root); !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nfind %q\n by %v", what, got, want, args[1:])
	}
}

// find(1) has no test on the allocated size, but prints it.
func TestBlocksEqualFind(t *testing.T) {
	if _, err := exec.LookPath("find"); err != nil {
		t.Skip("no find(1) here")
	}
	root := realTree(t)
	out, err := exec.Command("find", root, "-mindepth", "1", "-printf", `%b %P\0`).Output()
	if err != nil {
		t.Fatal(err)
	}
	const k = 1024
	for term, holds := range map[string]func(size uint64) bool{
		"blocks:0":         func(n uint64) bool { return n == 0 },
		"blocks:>0":        func(n uint64) bool { return n > 0 },
		"blocks:4k":        func(n uint64) bool { return n == 4*k },
		"blocks:+4k":       func(n uint64) bool { return n > 4*k },
		"blocks:-0.1M":     func(n uint64) bool { return n < 104857 },
		"blocks:4k..200k":  func(n uint64) bool { return 4*k <= n && n <= 200*k },
		"NOT blocks:<=512": func(n uint64) bool { return n > 512 },
	} {
		var want []string
		for _, line := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			blocks, path, _ := strings.Cut(line, " ")
			n, err := strconv.ParseUint(blocks, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if holds(n * 512) {
				want = append(want, path)
			}
		}
		slices.Sort(want)
		if got := ours(t, &query.Request{Terms: []string{term}}, root); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nfind %q", term, got, want)
		}
	}
}
