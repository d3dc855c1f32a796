package rules

import (
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
)

func newSet(t testing.TB, c Config) *Set {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestExclude(t *testing.T) {
	for _, c := range []struct {
		glob    string
		matches string // blank-separated paths
		not     string
	}{
		{"node_modules", "/node_modules /a/b/node_modules /a/node_modules/x", "/node_modules2 /a/xnode_modules"},
		{"*.o", "/x.o /a/.o /a.o/b", "/a/o /a/b.oo"},
		{".#*", "/a/.#x /.#", "/a/#x /a/x.#"},
		{"a*b", "/ab /axb /d/aab", "/aba /ba /a"},
		{"a*b*c", "/abc /axbxc", "/acb /ac /abcd"},
		{"?.c", "/a.c /d/ä.c", "/aa.c /.c"},
		{"[ab]*", "/a /bx", "/cx /xa"},
		{"[^ab]*", "/c", "/a /bx"},
		{"{a,b*}", "/a /b /bx", "/ax /c"},
		{"{a,{b,c}}d", "/ad /bd /cd", "/d /abd"},
		{"{[,}],y}x", "/,x /}x /yx", "/x"},
		{`\*`, "/*", "/a"},
		{`a\{b`, "/a{b", "/ab"},
		{"*", "/a /a/b", ""},
		{"**", "/a", ""},
		{"**.o", "/a.o", "/a.b"},
		{"/tmp", "/tmp /tmp/a", "/a/tmp /tmpx"},
		{"/tmp/", "/tmp /tmp/a", "/a/tmp"},
		{"//var//tmp", "/var/tmp", "/var"},
		{"/var/./x/../tmp", "/var/tmp", "/var/x"},
		{"/home/*/.cache", "/home/a/.cache /home/b/.cache/x", "/home/.cache /home/a/b/.cache /a/home/b/.cache"},
		{"/home/**/.cache", "/home/.cache /home/a/.cache /home/a/b/.cache", "/homes/.cache /.cache /x/home/.cache"},
		{"/**/.cache", "/.cache /a/.cache /a/b/.cache", "/a/cache"},
		{"**/.cache", "/.cache /a/.cache", "/cache"},
		{"**/a/*.o", "/a/x.o /b/a/x.o", "/x.o /a/b/x.o"},
		{"/a/**", "/a/b /a/b/c", "/a /b"},
		{"/a/*", "/a/b /a/b/c", "/a"},
		{"/a*/**/*b", "/a/b /ax/c/b", "/b /b/a/b"},
		{"/**/**/b", "/b /a/b /a/c/b", "/ab"},
		{"/*/**/b", "/a/b /a/c/b", "/b"},
		{"/a*/b", "/a/b /ax/b", "/b /xa/b /a/c/b"},
		{"/{a/b,c}/d", "/a/b/d /c/d", "/a/d /b/d"},
		{"{/a/b,c}", "/a/b /c /x/c", "/b /x/a/b"},
		{`\/a`, "/a", "/b/a"},
		{"/a\xff*", "/a\xffb", "/a\xfeb"},
		{"\xff*", "/\xff", "/\xfe /é"},
	} {
		s := newSet(t, Config{Exclude: []string{c.glob}})
		for _, p := range strings.Fields(c.matches) {
			if rule, ok := s.Path(p); !ok || rule != "exclude "+c.glob {
				t.Errorf("%q: %q is not excluded (%q)", c.glob, p, rule)
			}
		}
		for _, p := range strings.Fields(c.not) {
			if _, ok := s.Path(p); ok {
				t.Errorf("%q: %q is excluded", c.glob, p)
			}
		}
	}
}

func TestExcludeIsOfAnyType(t *testing.T) {
	s := newSet(t, Config{Exclude: []string{"x", "/d/y"}, PruneNames: []string{"z"}, PrunePaths: []string{"/d/w"}})
	for _, c := range []struct {
		name  string
		isDir bool
		want  bool
	}{
		{"x", false, true}, {"x", true, true}, {"y", false, true},
		{"z", false, false}, {"z", true, true}, {"w", false, false}, {"w", true, true},
	} {
		if _, got := s.Child("/d", c.name, c.isDir); got != c.want {
			t.Errorf("%s as directory %v: excluded is %v", c.name, c.isDir, got)
		}
	}
}

// A child of a directory that is not excluded is excluded exactly if the whole pattern
// matches its whole path.
func TestChildAgainstWholePath(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	for range 20_000 {
		var glob, p string
		for range 1 + rnd.IntN(3) {
			glob += "/" + pick("a", "b", "*", "**", "a*", "*b", "?", "[ab]", "[^a]", "a*b", "{a,b}", `\a`)
		}
		for range 1 + rnd.IntN(4) {
			p += "/" + pick("a", "b", "ab", "ba", "c", "aab")
		}
		if strings.HasSuffix(glob, "/**") {
			continue // stands for what is below, not for the directory itself
		}
		s, err := New(Config{Exclude: []string{glob}})
		if err != nil {
			t.Fatal(err)
		}
		_, got := s.Child(path.Dir(p), path.Base(p), false)
		if want := doublestar.MatchUnvalidated(glob, p); got != want {
			t.Fatalf("seed %d: %q on %q: %v, want %v", seed, glob, p, got, want)
		}
	}
}

func TestBelow(t *testing.T) {
	s := newSet(t, Config{Exclude: []string{"/a/b", ".cache"}})
	for _, c := range []struct {
		root, path string
		want       bool
	}{
		{"/", "/", false}, {"/", "/a", false}, {"/", "/a/b", true}, {"/", "/a/b/c", true},
		{"/a/b", "/a/b", false}, {"/a/b", "/a/b/c", false}, {"/a/b", "/a/b/.cache/x", true},
		{"/x/.cache", "/x/.cache/y", false}, {"/a", "/a/b/c", true},
	} {
		if _, got := s.Below(c.root, c.path); got != c.want {
			t.Errorf("%s below %s: %v", c.path, c.root, got)
		}
	}
}

func TestPrunedFS(t *testing.T) {
	s := newSet(t, Config{PruneFS: DefaultPruneFS()})
	for _, fs := range []string{"nfs", "NFS", "nfs4", "proc", "Tmpfs", "fuse.sshfs", "cgroup2"} {
		if !s.PrunedFS(fs) {
			t.Errorf("%s is not pruned", fs)
		}
	}
	for _, fs := range []string{"ext4", "btrfs", "overlay", "fuseblk", "fuse", ""} {
		if s.PrunedFS(fs) {
			t.Errorf("%s is pruned", fs)
		}
	}
}

func TestBadRules(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Exclude: []string{""}}, `exclude "": is empty`},
		{Config{Exclude: []string{"a["}}, "is not a glob"},
		{Config{Exclude: []string{"{a"}}, "is not a glob"},
		{Config{Exclude: []string{`a\`}}, "is not a glob"},
		{Config{Exclude: []string{"a/b"}}, `such as "/**/a/b"`},
		{Config{Exclude: []string{"a/"}}, "prune-name"},
		{Config{Exclude: []string{"/"}}, "nothing to index"},
		{Config{Exclude: []string{"/a/.."}}, "nothing to index"},
		{Config{Exclude: []string{"/a[/]b"}}, "never matches"},
		{Config{Exclude: []string{"a\x00"}}, "NUL"},
		{Config{Exclude: []string{strings.Repeat("{a,b}", 11)}}, "too many alternatives"},
		{Config{PruneNames: []string{"a/b"}}, `prune-name "a/b": is not the name`},
		{Config{PruneNames: []string{""}}, "is not the name"},
		{Config{PrunePaths: []string{"a"}}, "not the absolute path"},
	} {
		_, err := New(c.config)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v, want %q", c.config, err, c.want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	print := func(c Config) string { return newSet(t, c).Fingerprint() }
	a := print(Config{Exclude: []string{"a", "b"}, PruneFS: []string{"NFS"}})
	if b := print(Config{Exclude: []string{"b", "a", "a"}, PruneFS: []string{"nfs"}}); a != b {
		t.Error("the same rules in another order have another fingerprint")
	}
	others := map[string]bool{a: true}
	for i, c := range []Config{
		{}, {Exclude: []string{"a"}}, {PruneNames: []string{"a"}}, {PrunePaths: []string{"/a"}}, {PruneFS: []string{"a"}},
		{Exclude: []string{"ab"}}, {Exclude: []string{"a", "b"}},
	} {
		if f := print(c); others[f] {
			t.Errorf("rules %d have the fingerprint of others", i)
		} else {
			others[f] = true
		}
	}
}

func TestChildAllocatesNothing(t *testing.T) {
	s := newSet(t, benchConfig())
	for _, name := range []string{"main.go", "node_modules", "x.o"} {
		if n := testing.AllocsPerRun(100, func() { s.Child("/home/me/src/project", name, false) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func benchConfig() Config {
	return Config{
		Exclude:    []string{"*.o", "*~", ".#*", "/home/*/.cache", "/tmp", "**/target/debug"},
		PruneNames: []string{".git", "node_modules", ".svn"},
		PrunePaths: []string{"/var/spool", "/media"},
	}
}

func BenchmarkChild(b *testing.B) {
	for name, c := range map[string]Config{"none": {}, "names": {PruneNames: benchConfig().PruneNames}, "globs": benchConfig()} {
		s := newSet(b, c)
		names := make([]string, 64)
		for i := range names {
			names[i] = fmt.Sprintf("some-file-name-%d.go", i)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Child("/usr/share/doc/package", names[i%64], false)
			}
		})
	}
}

func FuzzExclude(f *testing.F) {
	for _, s := range []string{"*.o", "/a/**/b", "{a,b/c}", "[^a-z]?", `\*`, "**/x", "{{a,[,}]},b}"} {
		f.Add(s, "/a/b/c.o")
	}
	f.Fuzz(func(t *testing.T, glob, p string) {
		s, err := New(Config{Exclude: []string{glob}})
		if err == nil {
			s.Path(path.Clean("/" + p))
		}
	})
}
