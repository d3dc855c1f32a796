package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/testutil/scale"
)

// predicates are queries and the equivalent arguments of find(1), separated by spaces.
var predicates = []struct{ ours, theirs string }{
	// Types.
	{"-t f", "-type f"},
	{"-t d", "-type d"},
	{"-tl", "-type l"},
	{"-t s", "-type s"},
	{"-t p", "-type p"},
	{"-t b", "-type b"},
	{"-t c", "-type c"},
	{"-t file,symlink", "-type f,l"},
	{"-t l -t p", "-type l,p"},
	{"type:d,s,p,b,c", "-type d,s,p,b,c"},
	{"-t x", "-type f -perm /111"},
	{"-t f NOT type:x", "-type f -not -perm /111"},
	{"-t e", "-empty"},
	{"-t e -t f NOT type:d NOT ( type:f size:>0 )", "-type f -empty"},
	{"type:e type:d", "-type d -empty"},
	{"-t f NOT type:e", "-type f -not -empty"},
	// Sizes, which find(1) rounds up to its unit.
	{"-S 0", "-size 0"},
	{"-S 1", "-size 1c"},
	{"-S 1k", "-size 1024c"},
	{"-S +1k", "-size +1k"},
	{"size:>1023 size:<1025", "-size -1025c -size +1023c"},
	{"-S -1k", "-size -1024c"},
	{"-S +10M -t f", "-type f -size +10M"},
	{"-S-300 -t f", "-type f -size -300c"},
	{"size:>=1M", "-size +1048575c"},
	{"size:<=1M size:>1000k", "-size -1048577c -size +1000k"},
	{"-S +1G", "-size +1G"},
	{"-S 4G..6G", "-size +4294967295c -size -6442450945c"},
	{"size:4096..", "-size +4095c"},
	{"size:..4096 type:f", "-type f -size -4097c"},
	{"size:1.5k", "-size 1536c"},
	{"-S +100k -S -200k -e so,a,pyc", "-size +100k -size -204800c ( -iname ?*.so -o -iname ?*.a -o -iname ?*.pyc )"},
	// Names.
	{"-s stdio", "-name *stdio*"},
	{"-s README", "-name *README*"},
	{"-i README", "-iname *README*"},
	{"readme", "-iname *readme*"},
	{"Readme", "-name *Readme*"},
	{"-F *", `-name *\**`},
	{"-s *.so.?", "-name *.so.?"},
	{"-g -i lib[a-f]*.SO*", "-iname lib[a-f]*.so*"},
	{"-s [A-Z]*[0-9]", "-name [A-Z]*[0-9]"},
	{"-s [!a-zA-Z0-9]*", "-name [!a-zA-Z0-9]*"},
	{"-s .*", "-name .*"},
	{"-s *.c OR *.h", "( -name *.c -o -name *.h )"},
	{"-s lib NOT *.so*", "-name *lib* -not -name *.so*"},
	{"-s -p /share/man/", "-path */share/man/*"},
	{"-s /usr/lib/x86", "-path */usr/lib/x86*"},
	{"-s -r ^lib.*\\.so\\.[0-9]+$", `-regextype posix-extended -regex .*/lib[^/]*\.so\.[0-9]+`},
	{"-i -r \\.(h|hpp)$", `-regextype posix-extended -iregex .*\.(h|hpp)`},
	{"-s re:doc/.*copyright$", `-regextype posix-extended -regex .*doc/.*copyright`},
	{"-s (1) -t f", "-type f -name *(1)*"},
	// Owners.
	{"--owner root", "-user root"},
	{"--owner !root", "-not -user root"},
	{"--owner :root", "-group root"},
	{"owner:0:0 type:d", "-type d -uid 0 -gid 0"},
	{"group:daemon", "-group daemon"},
	{"owner:daemon OR group:bin", "( -user daemon -o -group bin )"},
	{"--owner 12345", "-uid 12345"},
	{"NOT owner:root NOT group:root", "-not -user root -not -group root"},
	// Permissions.
	{"perm:644", "-perm 644"},
	{"perm:0755 type:d", "-type d -perm 0755"},
	{"perm:4755", "-perm 4755"},
	{"perm:-4000", "-perm -4000"},
	{"perm:-6000", "-perm -6000"},
	{"perm:/6000", "-perm /6000"},
	{"perm:-022 NOT type:l", "-perm -022 -not -type l"},
	{"perm:/222 NOT perm:/022", "-perm /222 -not -perm /022"},
	{"perm:/111 type:f", "-type f -perm /111"},
	{"perm:0", "-perm 0"},
	{"perm:-1000 type:d", "-type d -perm -1000"},
	// Times.
	{"mtime:<2024-01-01", "-not -newermt 2023-12-31T23:59:59.999999999"},
	{"--changed-before 2024-01-01", "-not -newermt 2023-12-31T23:59:59.999999999"},
	{"--changed-within 2024-01-01", "-newermt 2023-12-31T23:59:59.999999999"},
	{"mtime:>2024-01-01", "-newermt 2024-01-01T23:59:59.999999999"},
	{"mtime:<=2024-01-01", "-not -newermt 2024-01-01T23:59:59.999999999"},
	{"mtime:2023-06", "-newermt 2023-05-31T23:59:59.999999999 -not -newermt 2023-06-30T23:59:59.999999999"},
	{"mtime:2022-01-01..2022-12-31", "-newermt 2021-12-31T23:59:59.999999999 -not -newermt 2022-12-31T23:59:59.999999999"},
	{"mtime:>@1700000000.5", "-newermt @1700000000.5"},
	{"mtime:<1970-01-01", "-not -newermt 1969-12-31T23:59:59.999999999"},
	{"--changed-within 1000d", "-mtime -1000"},
	{"--changed-before 1000d", "-mtime +999"},
	{"mtime:1h", "-mmin -60"},
	// Combinations.
	{"-t f -S +10k -e h --owner root perm:644", "-type f -size +10k -iname ?*.h -user root -perm 644"},
	{"-s ( *.so OR *.a ) size:+1M NOT in:/usr/share", "( -name *.so -o -name *.a ) -size +1M -not -path /usr/share/*"},
}

// scopes need a separate run of find(1); dir is for --in.
var scopes = []struct{ dir, ours, theirs string }{
	{"", "-d 1", "-maxdepth 1"},
	{"", "--max-depth 2 --min-depth 2", "-mindepth 2 -maxdepth 2"},
	{"", "depth:2..3 type:d", "-mindepth 2 -maxdepth 3 -type d"},
	{"/usr/share", "-d 1", "-maxdepth 1"},
	{"/usr/share", "-d3 --min-depth=3 -t d", "-mindepth 3 -maxdepth 3 -type d"},
	{"/usr/lib", "", ""},
	{"/usr/lib/", "-t l", "-type l"},
	{"/usr/include", "depth:>4", "-mindepth 5"},
	{"/usr/share", "-E doc", "-name doc -prune -o"},
	{"/usr/share", "-E doc -E *.gz -t f", "( -name doc -o -name *.gz ) -prune -o -type f"},
	{"/usr/share", "-E /usr/share/man -d 2", "-maxdepth 2 -path /usr/share/man -prune -o"},
}

// special creates a tree of what system directories lack.
func special(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	file := func(name string) string {
		path := filepath.Join(root, name)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
		must(err)
		must(f.Close())
		return path
	}
	for _, size := range []int64{0, 1, 299, 300, 1023, 1024, 1025, 1536, 4095, 4096, 4097, 1000 << 10, 1<<20 - 1, 1 << 20, 1<<20 + 1, 1 << 30, 1<<30 + 1, 5 << 30} {
		must(os.Truncate(file(fmt.Sprint("size/", size)), size)) // sparse
	}
	for _, mode := range []uint32{0, 0o400, 0o600, 0o644, 0o755, 0o777, 0o022, 0o111, 0o1755, 0o2755, 0o4755, 0o6755, 0o7777} {
		must(unix.Chmod(file(fmt.Sprintf("mode/%04o", mode)), mode))
		dir := filepath.Join(root, fmt.Sprintf("mode/dir%04o", mode|0o700))
		must(os.MkdirAll(dir, 0o755))
		must(unix.Chmod(dir, mode|0o700)) // else an ordinary user could not remove it
	}
	for _, at := range []string{
		"1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00Z", "2021-12-31T23:59:59Z", "2022-01-01T00:00:00Z", "2022-12-31T23:59:59.5Z", "2023-01-01T00:00:00Z",
		"2023-05-31T23:59:59.999999999Z", "2023-06-01T00:00:00Z", "2023-06-30T23:59:59.999999999Z", "2023-07-01T00:00:00Z", "2023-11-14T22:13:20.5Z", "2023-11-14T22:13:20.500000001Z",
		"2023-12-31T23:59:59.999999999Z", "2024-01-01T00:00:00Z", "2024-01-01T23:59:59.999999999Z", "2024-01-02T00:00:00Z", "2038-01-19T03:14:08Z",
	} {
		mtime, err := time.Parse(time.RFC3339Nano, at)
		must(err)
		must(os.Chtimes(file("time/"+at), mtime, mtime))
	}
	for _, name := range []string{"README", "Readme", "readme", "ReadMe.TXT", "*", "a*b", "new\nline", "\xff", ".hidden", "_", "Z9", "x(1).c", "y.C", "é.h", "É.H", "lib.so", "libX.so.1", "libx.so.12", ".so", ".a"} {
		file("name/" + name)
	}
	must(os.MkdirAll(root+"/empty/empty", 0o755))
	must(os.MkdirAll(root+"/kinds", 0o755))
	must(os.Symlink("nowhere", root+"/kinds/link"))
	must(unix.Mkfifo(root+"/kinds/fifo", 0o644))
	if os.Geteuid() == 0 {
		for i, owner := range [][2]int{{1, 1}, {1, 0}, {0, 1}, {2, 2}, {12345, 54321}, {0, 2}} {
			must(os.Lchown(file(fmt.Sprint("owner/", i)), owner[0], owner[1]))
		}
		// Without permission to create it, neither of the two finds it.
		_ = unix.Mknod(root+"/kinds/block", unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0)))
		_ = unix.Mknod(root+"/kinds/char", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
	}
	dir, err := os.Open(root + "/kinds")
	must(err)
	defer dir.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(err)
	defer unix.Close(fd)
	must(unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/socket", dir.Fd())}))
	return root
}

// Every filter finds what the predicates of find(1) find. A single run of find(1)
// evaluates all of them.
func TestFiltersEqualPredicates(t *testing.T) {
	t.Setenv("TZ", "UTC")
	t.Setenv("LC_ALL", "C.UTF-8")
	made := special(t)
	system := []string{"/usr/share"}
	if scale.Long() {
		system = []string{"/usr"}
	}
	d := start(t, "", append(system, made)...)
	d.ready()
	predicates := scale.Sample(predicates, 3)

	args := append(slices.Clone(system), made, "-mindepth", "1")
	for i, p := range predicates {
		if i > 0 {
			args = append(args, ",")
		}
		args = append(append(append(args, "("), strings.Fields(p.theirs)...), "-printf", fmt.Sprintf(`%d\t%%p\0`, i), ")")
	}
	want := make([][]string, len(predicates))
	for _, line := range findAll(t, args...) {
		number, path, _ := strings.Cut(line, "\t")
		i, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("find(1) printed %q", line)
		}
		want[i] = append(want[i], path)
	}
	compare := func(ours []string, want []string) {
		t.Helper()
		out, errs, status := d.ctl(append([]string{"find", "-0"}, ours...)...)
		if found := map[bool]int{true: 0, false: 1}[len(want) > 0]; status != found || errs != "" {
			t.Errorf("find %q: exit status %d, want %d: %s", ours, status, found, errs)
			return
		}
		t.Run("", func(t *testing.T) { same(t, fmt.Sprintf("find %q", ours), split(out), want) })
	}
	for i, p := range predicates {
		compare(strings.Fields(p.ours), slices.Sorted(slices.Values(want[i])))
	}
	for _, s := range scopes {
		if !scale.Long() && s.dir != "" && s.dir != "/usr/share" {
			continue
		}
		ours, roots := strings.Fields(s.ours), append(slices.Clone(system), made)
		if s.dir != "" {
			ours, roots = append(ours, "--in", s.dir), []string{strings.TrimSuffix(s.dir, "/")}
		}
		theirs := append(append(append(roots, "-mindepth", "1"), strings.Fields(s.theirs)...), "-print0")
		compare(ours, findAll(t, theirs...))
	}
}
