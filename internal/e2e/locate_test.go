package e2e

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"indexd/internal/testutil/scale"
)

// locator runs plocate and "indexctl locate" on the same tree.
type locator struct {
	t     *testing.T
	d     *daemon
	names []string // paths in the tree
	// invalid is how many of names are not valid UTF-8.
	invalid int
	oracle,
	ours []string // what stands before the arguments
	env []string
}

func newLocator(t *testing.T) *locator {
	t.Helper()
	plocate, err1 := exec.LookPath("plocate")
	updatedb, err2 := exec.LookPath("updatedb.plocate")
	if err := errors.Join(err1, err2); err != nil {
		t.Skip("plocate is not installed")
	}
	root, names := locateTree(t)
	db := filepath.Join(t.TempDir(), "plocate.db")
	out, err := exec.Command(updatedb, "-U", root, "-o", db, "--require-visibility", "no",
		"--prunepaths", "", "--prunefs", "", "--prunenames", "", "--prune-bind-mounts", "no").CombinedOutput()
	if err != nil {
		t.Skipf("updatedb.plocate: %v: %s", err, out)
	}
	d := start(t, "", root)
	d.ready()
	called := filepath.Join(t.TempDir(), "locate")
	bin, err := filepath.Abs(filepath.Join(d.bin, "indexctl"))
	if err == nil {
		err = os.Symlink(bin, called)
	}
	if err != nil {
		t.Fatal(err)
	}
	invalid := 0
	for _, name := range names {
		if !utf8.ValidString(name) {
			invalid++
		}
	}
	return &locator{t: t, d: d, names: names, invalid: invalid, oracle: []string{plocate, "-d", db}, ours: []string{called},
		env: append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "LOCATE_PATH=") }),
			"LC_ALL=C.UTF-8", "INDEXD_SOCKET="+d.socket())}
}

// locateTree creates a tree of common names and of hostile ones.
func locateTree(t *testing.T) (root string, paths []string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	add := func(name string, dir bool) {
		t.Helper()
		path := root + "/" + name
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case dir:
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for _, dir := range []string{"usr/lib/x86_64-linux-gnu", "usr/share/doc/libc6", "home/anna/src/tool/internal", "home/anna/Fotos 2024", "etc/init.d", "var/log"} {
		for _, name := range []string{
			"README.md", "Readme", "readme.txt", "main.go", "main_test.go", "Makefile", "go.mod", "libc.so.6", "libm.a", "file1.o", "file10.o",
			"report (copy).pdf", "a=b,c;d.txt", "IMG_0001.JPG", "img_0002.jpg", "archive.tar.gz", ".bashrc", ".git", "x.c", "X.C", "foo_bar-baz", "10:20", "100%", "c++",
		} {
			add(dir+"/"+name, false)
		}
	}
	for _, name := range []string{
		"new\nline", "\n", "tab\tand\rreturn", "\x01\x02\x1b[31m\x7f", "\a\b\f\v", "\xff\xfe not UTF-8 \x80", "É\xff", "é\xc3", "-rf", "--help", "-",
		" ", " leading and trailing ", "*?[a-z]{x,y}", "[abc]", "a]b", "[", "a|b", "!", "\\", `back\slash`, `"quoted"`, "'", "it's", "~", "$HOME", "$'x'",
		"é", "É", "Été", "été", "e\u0301", "日本語", "straße", "STRASSE", "Σίσυφος", "ΣΊΣΥΦΟΣ", "ёлка", "ЁЛКА", "ﬁ", "\u00a0nbsp", "\u202ebidi", "🎉.txt", "\u0085nel",
		strings.Repeat("x", 255), strings.Repeat("é", 127), "...", ".hidden", "a:b", "foo*", "a.b", "a+b", "(a)", "^a$", "a{2}", "a_b c",
	} {
		add("hostile/"+name, false)
		add("hostile/dirs/"+name, true)
		add("hostile/dirs/"+name+"/"+name, false)
		add("hostile/dirs/"+name+"/plain", false)
	}
	add(strings.Repeat("deep/", 40)+"leaf", false)
	if err := os.Symlink("nowhere", root+"/dangling"); err != nil {
		t.Fatal(err)
	}
	return root, append(paths, root+"/dangling")
}

// run returns the standard output and exit status of a command.
func (l *locator) run(before, args []string) (string, int) {
	l.t.Helper()
	cmd := exec.Command(before[0], append(before[1:len(before):len(before)], args...)...)
	cmd.Env = l.env
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		l.t.Error(err) // not Fatal: this may be any goroutine
		return "", -1
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// compare runs both and compares their output, in any order, and their exit status. For
// regular expressions it ignores names that are not valid UTF-8, which docs/locate.md
// excepts.
func (l *locator) compare(args ...string) {
	l.t.Helper()
	want, status := l.run(l.oracle, args)
	got, ours := l.run(l.ours, args)
	sep := "\n"
	if strings.Contains(want+got, "\x00") {
		sep = "\x00"
	}
	if isRegex(args) && got != want {
		if counts(l.invalid, got, want) {
			return
		}
		a, b := onlyValid(got, sep), onlyValid(want, sep)
		if a != got || b != want {
			ours = status // it depends on the names left out
		}
		got, want = a, b
	}
	sorted := func(s string) []string { return slices.Sorted(strings.SplitSeq(s, sep)) }
	if a, b := sorted(got), sorted(want); ours != status || !slices.Equal(a, b) {
		only := func(x, y []string) []string {
			x = slices.DeleteFunc(slices.Clone(x), func(s string) bool { return slices.Contains(y, s) })
			return x[:min(len(x), 3)]
		}
		l.t.Errorf("locate %q: exit status %d, plocate's is %d; %d lines, plocate has %d\n only here:    %q\n only plocate: %q",
			args, ours, status, len(a)-1, len(b)-1, only(a, b), only(b, a))
	}
}

// isRegex reports whether the arguments ask for regular expressions.
func isRegex(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.ContainsFunc(args, func(arg string) bool {
		return arg == "--regex" || arg != "" && arg[0] == '-' && !strings.HasPrefix(arg, "--") && strings.Contains(arg, "r")
	})
}

// counts reports whether both outputs are counts that differ by at most n.
func counts(n int, got, want string) bool {
	a, errA := strconv.Atoi(strings.TrimSpace(got))
	b, errB := strconv.Atoi(strings.TrimSpace(want))
	return errA == nil && errB == nil && max(a-b, b-a) <= n
}

// onlyValid removes the records that are not valid UTF-8.
func onlyValid(out, sep string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(out, sep), func(s string) bool { return !utf8.ValidString(s) }), sep)
}

// compareAll runs a few comparisons at a time.
func (l *locator) compareAll(calls [][]string) {
	l.t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(calls)); i = next.Add(1) - 1 {
				l.compare(calls[i]...)
			}
		})
	}
	wg.Wait()
}

// Patterns with all the flags that change their meaning.
func TestLocateEqualsPlocate(t *testing.T) {
	l := newLocator(t)
	globs := []string{
		"", "a", "readme", "README", "main.go", ".go", ".git", "lib", "/", "usr/lib", "/usr", "o.6", "é", "É", "été", "ß", "ẞ", "σ", "ς", "Σ", "ё", "日", "ﬁ", "x", "\n", "\t", " ", "'", `"`, "$", "~", "nonesuch",
		"\xff", "\xc3", "\x80", "*", "**", "?", "???", "*.go", "*.Go", "*.o", "main*", "*main*", "*/main*", "*/*/main.go", "*lib*.so*", "*?.o", "*file?.o", "*file??.o", "/*/[mM]akefile", "*[0-9].jpg", "*[!0-9].o", "*[^0-9].o",
		"*[a-f]oo*", "*[0-9]*", "*[[:digit:]]*", "*[[:upper:]]", "*/[[:alpha:]]*[[:punct:]]*[[:alnum:]]", "*[[:space:]]*", "*[[:cntrl:]]*", "*[]]*", "*[!]a]", "*[[]*", "*[-+]*", "*[+-]*", "*[é]*", "*[É]*", "*[à-ü]*", "*é?",
		"*?té", "?", "??", "*/??", "*/?", "*/é", "*\xff*", "*\xff", "*/?\xff", "*[\xff]*", "*{x,y}", "{x,y}", "a{2}", "*{*}*", `\*`, `\?`, `\[`, `\\`, `*\**`, `*\[*`, `*\\*`, `\a`, `a\`, `*a\`, "[", "[a", "[]", "[!]", "*[", "*[a", "[a-", `[\`,
		"*[z-a]*", "*[[:foo:]]*", "*[[=a=]]*", "*[[.a.]]*", "(a)", "^a$", "a|b", "a+b", "a.b", "$HOME", "-rf", "--help", "a b", "*/dirs/*/plain", "*/dirs/?/plain", "*/dirs/[!a-z]/*", "deep/deep", "*deep/leaf", "/*deep*deep*leaf", "*x?x*x",
		strings.Repeat("x", 254), strings.Repeat("*x", 100), strings.Repeat("?", 30) + "*", "*İ*", "*K*",
	}
	// Each without flags, and with two of the others.
	var calls [][]string
	all := func(patterns, bare []string, flags [][]string) {
		for i, p := range patterns {
			for _, f := range [][]string{bare, flags[i%len(flags)], flags[(i+1)%len(flags)]} {
				calls = append(calls, append(f[:len(f):len(f)], "--", p))
			}
		}
	}
	all(globs, nil, [][]string{{"-b"}, {"-i"}, {"-bi"}, {"-c0"}})
	regexes := []string{
		"", "a", "main.go", `main\.go$`, `\.go$`, "^/", "^$", "^a", "a$", "^a$", "a.b", "a*", "^.*$", "..*", "[0-9]", "[0-9]*$", "[^0-9]$", "[^/]*$", "^[^/]*$", "/[^/]$", "[[:upper:]]", "[[:digit:]][[:digit:]]", "[[:alpha:]é]$", "[]]", "[^]a]b",
		"[-+]", "[+-]", "[a-c-]b", `[\]`, `[a\]b]`, "[[.-.]]", "[[=a=]]", "é", "É", "été", "ß", "σ", "日.", "^.*/.$", "/..$", "new.line", "new[^a]line", "line$", `\xff`, "\xff", "\xc3", "not.UTF", "UTF-8 .$", `\.`, `\*`, `\\`, `\[`, `\]`,
		`\w\w$`, `\W\W`, `\s$`, `\S$`, `\<main`, `main\>`, `\bmain\b`, `\bgo\b`, `o\B`, `\<été\>`, `\bÉ`, `\>$`, "\\`/", `go\'`, `/home\b.*\bgo`,
		`\(a\)`, `(a)`, `\(a\|b\)$`, `(a|b)$`, `^\(/[^/]*\)*$`, `^(/[^/]*)*$`, `a\{2\}`, `a{2}`, `e\{1,2\}\.o`, `x{200}`, `x{255}$`, `x\{255\}`, `f\?oo`, `f?oo`, `o\+$`, `o+$`, `+`, `c++`, `c\+\+`, "a|b", `a\|b`, "()", `\(\)`, "(|a)", "a||b",
		"*", "*a", "^*", `\(*a\)`, "a**", "a+*", `a\{1`, "a{1", "a{,1}b", "a{1,}", "a{}", "{1}", `\{1\}`, "(", ")", `\(`, `\)`, "[", "[a", "[]", "[z-a]", "[[:foo:]]", "[[:alpha:]", "a{2,1}", "a{99999}", `a\`, "^a|b$", "(^|/)[rR]eadme", "/{2}", "a^b", "a$b", "x.c", "10:20", "100%",
		"İ", "İ.*", ".*.*.*x", "(x*)*y", "(a?){30}b", `(e\.|o){2}`,
	}
	all(regexes, []string{"-r"}, [][]string{{"--regex"}, {"-bi", "--regex"}, {"-ri0"}, {"--regex", "-bc"}})
	calls = scale.Sample(calls, 5)
	l.compareAll(calls)
	t.Logf("%d comparisons", len(calls))
}

// Flags, their order, and mistakes in them.
func TestLocateFlagsEqualPlocates(t *testing.T) {
	l := newLocator(t)
	for _, args := range scale.Sample([][]string{
		{}, {"--"}, {"a"}, {"a", "b"}, {"a", "b", "c", "go"}, {"go", "-b"}, {"go", "-c", "main"}, {"-c"}, {"-c", "nonesuch"}, {"nonesuch"}, {"-A", "a"}, {"--all", "a"}, {"-w", "usr"}, {"-bw", "usr/lib"}, {"-wb", "usr/lib"},
		{"-c", "-l", "3", "a"}, {"-cl3", "a"}, {"-cl99999999", "a"}, {"-l", "99999999999999999999999", "-c", "a"}, {"--limit=3", "-c", "a"}, {"--lim", "3", "-c", "a"}, {"--limi=3", "-c", "a"}, {"-cn3", "a"}, {"-c", "-l 3", "a"}, {"-c", "-l", "3x", "a"}, {"-c", "-l", "+3", "a"},
		{"-l0", "a"}, {"-l", "-1", "a"}, {"-l", "x", "a"}, {"-l", "", "a"}, {"-l"}, {"a", "-l"}, {"--limit"}, {"--li", "3", "a"}, {"--l=3", "a"}, {"--bogus", "a"}, {"-z", "a"}, {"-cz", "a"}, {"--count=1", "a"}, {"--rege", "a"}, {"--de", "-c", "nonesuch"},
		{"--base", "a"}, {"--cou", "a"}, {"--ignore", "README"}, {"--exist", "a"}, {"--nul", "a"}, {"--lite", "a"}, {"--whole", "a"}, {"--regexp", "a.b"}, {"--regex", "a.b"}, {"--regex", "-r", "(a)"}, {"-r", "--regex", "(a)"}, {"-e", "a"}, {"-ec", "dangling"}, {"-ecl2", "a"}, {"-el5c", "a"},
		{"-N", "hostile"}, {"-N0", "hostile"}, {"-0c", "hostile"}, {"-0", "hostile"}, {"-i", "README", "usr"}, {"-i", "README", "Main"}, {"", "go"}, {"*go", "main"}, {"-r", "go$", "^/"}, {"-b", "main", "*.go"}, {"-rb", "main", "go$"}, {"-e", "-b", "dangling"},
		{"--flush-cache", "-c", "main"}, {"--", "-rf"}, {"-c", "--", "--help"}, {"-b", "--", "-"}, {"-"}, {"-d"}, {"--database"}, {"\xff", "-i"}, {"-i", "*\xff*"},
	}, 3) {
		l.compare(args...)
	}
	for _, args := range [][]string{{"-l3", "a"}, {"-el3", "a"}, {"-0l3", "hostile"}} { // which ones is for each to choose
		want, status := l.run(l.oracle, args)
		got, ours := l.run(l.ours, args)
		if a, b := strings.Count(got, l.names[0][:5]), strings.Count(want, l.names[0][:5]); a != b || ours != status {
			t.Errorf("locate %q: %d, exit status %d; plocate %d, %d", args, a, ours, b, status)
		}
	}
	for _, args := range [][]string{{"--help"}, {"-h"}, {"a", "--hel"}, {"--version"}, {"-V"}, {"--ver", "a"}} {
		if out, status := l.run(l.ours, args); status != 0 || out == "" {
			t.Errorf("locate %q: exit status %d, %q", args, status, out)
		}
	}
	for _, args := range [][]string{{"-d", "/x", "a"}, {"--database=/x", "a"}, {"--socket", "/nowhere", "a"}, {"--socket", "/nowhere", "-c", "a"}, {"-r", `\(a\)\1`}} {
		if out, status := l.run(l.ours, args); status != 1 || out != "" {
			t.Errorf("locate %q: exit status %d, %q", args, status, out)
		}
	}
	// The result is the same when called as indexctl locate.
	for _, args := range [][]string{{"-c", "main"}, {"nonesuch"}, {"--bogus"}, {"-l0", "a"}, {"-i", "readme"}} {
		want, status := l.run(l.ours, args)
		got, errs, ours := l.d.ctl(append([]string{"locate"}, args...)...)
		if got != want || ours != status {
			t.Errorf("indexctl locate %q: exit status %d, %q %s; as locate %d, %q", args, ours, got, errs, status, want)
		}
	}

	// Files removed since they were indexed.
	for _, gone := range []string{"home/anna/src/tool/internal/main.go", "etc/init.d"} {
		if err := os.RemoveAll(filepath.Join(l.d.args[0], gone)); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"-e", "main.go"}, {"-ec", "main.go"}, {"-e", "init.d"}, {"-ec", "init.d/"}, {"-e", "dangling"}} {
		l.compare(args...)
	}
}

// Random patterns made from names of the tree.
func TestLocateEqualsPlocateByChance(t *testing.T) {
	l := newLocator(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	g := &patternMaker{rand.New(rand.NewPCG(seed, 0))}
	var calls [][]string
	for range scale.Size(t, "", 60, 250) {
		path := l.names[g.IntN(len(l.names))]
		var flags []string
		for _, f := range []string{"-i", "-b", "-0"} {
			if g.IntN(3) == 0 {
				flags = append(flags, f)
			}
		}
		text := g.cut(path)
		switch kind := g.IntN(4); {
		case kind == 0:
		case kind == 1 || !utf8.ValidString(text): // which no regular expression may be
			text = g.glob(text)
		case kind == 2:
			flags = append(flags, "-r")
			text = g.regex(text, false)
		default:
			flags = append(flags, "--regex")
			text = g.regex(text, true)
		}
		calls = append(calls, append(flags, "--", text))
	}
	l.compareAll(calls)
}

// patternMaker makes patterns that often match the text they are made from.
type patternMaker struct{ *rand.Rand }

func (g *patternMaker) one(list ...string) string { return list[g.IntN(len(list))] }

// cut returns a part of path, often of the name.
func (g *patternMaker) cut(path string) string {
	if g.IntN(2) == 0 {
		path = path[strings.LastIndexByte(path, '/')+1:]
	}
	chars := strings.Split(path, "") // bytes that are no UTF-8 are one each
	from := g.IntN(len(chars))
	to := from + 1 + g.IntN(min(len(chars)-from, 12))
	return strings.Join(chars[from:to], "")
}

// glob replaces characters by wildcards. A class that contains ']' is followed by a star,
// because plocate looks for what it takes for the text after the first ']'.
func (g *patternMaker) glob(text string) string {
	var b strings.Builder
	if g.IntN(4) > 0 {
		b.WriteByte('*')
	}
	for _, c := range strings.Split(text, "") {
		switch n := g.IntN(12); {
		case n < 2:
			b.WriteString(g.one("*", "?", "?*"))
		case n == 2 && len(c) == 1 && c[0] < 0x80 && c != "]" && c != "\\":
			b.WriteString("[" + g.one("", "!", "^", "x", "a-z", "0-9A-Z") + "_" + c + "]")
		case n == 3:
			b.WriteString("[[:" + g.one("alpha", "digit", "alnum", "upper", "lower", "space", "punct", "print", "xdigit") + ":]]*")
		case strings.Contains(`*?[\`, c) && g.IntN(8) > 0:
			b.WriteString("\\" + c)
		default:
			b.WriteString(c)
		}
	}
	if g.IntN(4) > 0 {
		b.WriteByte('*')
	}
	return b.String()
}

// regex replaces characters by expressions.
func (g *patternMaker) regex(text string, extended bool) string {
	op := func(s string) string {
		if extended {
			return s
		}
		return "\\" + s
	}
	var b strings.Builder
	if g.IntN(6) == 0 {
		b.WriteString(g.one("^", "^.*", `\<`, `\b`, "/"))
	}
	for _, c := range strings.Split(text, "") {
		if strings.ContainsAny(c, `.[]\*^$`) || extended && strings.ContainsAny(c, "+?(){}|") {
			c = "\\" + c
		}
		switch g.IntN(14) {
		case 0:
			c = "."
		case 1:
			c = g.one("[^a]", "[[:alpha:]]", "[^[:digit:]]", `\w`, `\W`, "[a-z0-9]", "[^/]")
		case 2:
			c = op("(") + c + op("|") + g.one("x", "", "ab") + op(")")
		case 3:
			c += g.one("*", op("+"), op("?"), op("{")+"1,2"+op("}"))
		case 4:
			c = op("(") + c + op(")") + g.one("*", op("{")+",2"+op("}"))
		}
		b.WriteString(c)
	}
	if g.IntN(6) == 0 {
		b.WriteString(g.one("$", ".*$", `\>`, `\b`))
	}
	return b.String()
}

// On a terminal, names are quoted as by plocate.
func TestLocateQuotesAsPlocate(t *testing.T) {
	l := newLocator(t)
	for _, args := range [][]string{{""}, {"-N", ""}, {"-0", ""}, {"-c", "a"}, {"nonesuch"}} {
		want, status := l.onTerminal(l.oracle, args)
		got, ours := l.onTerminal(l.ours, args)
		a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
		slices.Sort(a)
		slices.Sort(b)
		if ours != status || !slices.Equal(a, b) {
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					t.Errorf("locate %q: %q, plocate has %q", args, a[i], b[i])
					break
				}
			}
			t.Errorf("locate %q on a terminal: exit status %d, %d lines; plocate %d, %d", args, ours, len(a), status, len(b))
		}
	}
}
