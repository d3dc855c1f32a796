package config

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"indexd/internal/rules"
)

// sandbox removes from the environment what Load reads, and provides a home directory.
func sandbox(t *testing.T) (home string) {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(Settings(), rootsSetting(), Setting{Name: "config"}) {
		t.Setenv(s.Variable(), "") // for its restoring
		os.Unsetenv(s.Variable())
	}
	for _, v := range []string{"STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_STATE_HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(v, "")
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(home, "run"))
	for _, d := range []string{"a/b/c", "d", ".config/indexd"} {
		if err := os.MkdirAll(filepath.Join(home, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(home)
	return home
}

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func load(t *testing.T, a Args) *Config {
	t.Helper()
	c, err := Load(a)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const userID = 1000

func TestDefaultsOfUser(t *testing.T) {
	home := sandbox(t)
	c := load(t, Args{UID: userID})
	set, _ := rules.New(rules.Config{PruneFS: rules.DefaultPruneFS()})
	if c.File != "" || !slices.Equal(c.Roots, []string{home}) || c.Inner != nil ||
		c.DB != home+"/.local/state/indexd/index.db" || c.Socket != home+"/run/indexd/indexd.sock" ||
		c.SocketMode != 0o600 || c.AdminGroup != "" || c.AdminGID != -1 || c.Workers != 0 || c.Watch != "auto" ||
		c.WatchShare != 80 || c.LogLevel != slog.LevelInfo || c.LogFormat != "text" ||
		c.Rules.Fingerprint() != set.Fingerprint() {
		t.Errorf("%+v", c)
	}
	t.Setenv("XDG_STATE_HOME", "/x/state")
	t.Setenv("XDG_CONFIG_HOME", "relative/ones/are/ignored")
	write(t, ".config/indexd/indexd.toml", `workers = 3`)
	if c := load(t, Args{UID: userID}); c.DB != "/x/state/indexd/index.db" || c.Workers != 3 || c.File != home+"/.config/indexd/indexd.toml" {
		t.Errorf("%+v", c)
	}
	t.Setenv("STATE_DIRECTORY", "/s/indexd:/s/other")
	t.Setenv("RUNTIME_DIRECTORY", "/r/indexd")
	if c := load(t, Args{UID: userID}); c.DB != "/s/indexd/index.db" || c.Socket != "/r/indexd/indexd.sock" {
		t.Errorf("%+v", c)
	}
}

func TestDefaultsOfRoot(t *testing.T) {
	sandbox(t)
	none := map[string][]string{"config": {""}}
	c := load(t, Args{Flags: none})
	if !slices.Equal(c.Roots, []string{"/"}) || c.DB != "/var/lib/indexd/index.db" ||
		c.Socket != "/run/indexd/indexd.sock" || c.SocketMode != 0o666 {
		t.Errorf("%+v", c)
	}
	if file, must, err := configFile(Args{}); file != "/etc/indexd/indexd.toml" || must || err != nil {
		t.Error(file, must, err)
	}
}

// For each setting: flags take precedence over the environment, and that over the file.
func TestPrecedence(t *testing.T) {
	for _, c := range []struct {
		name            string
		file, env, flag string // three values
		get             func(*Config) any
		want            [3]any // what each comes to
		number          bool
	}{
		{"db", "/f", "/e", "g", func(c *Config) any { return filepath.Base(c.DB) }, [3]any{"f", "e", "g"}, false},
		{"socket", "/f", "e", "/g", func(c *Config) any { return filepath.Base(c.Socket) }, [3]any{"f", "e", "g"}, false},
		{"max-size", "0", "500M", "4194304", func(c *Config) any { return c.MaxSize }, [3]any{0, 500 << 20, 4 << 20}, false},
		{"socket-mode", "0600", "660", "0666", func(c *Config) any { return int(c.SocketMode) }, [3]any{0o600, 0o660, 0o666}, false},
		{"workers", "1", "2", "3", func(c *Config) any { return c.Workers }, [3]any{1, 2, 3}, true},
		{"watch", "off", "inotify", "fanotify", func(c *Config) any { return c.Watch }, [3]any{"off", "inotify", "fanotify"}, false},
		{"rotating-readers", "0", "1", "1024", func(c *Config) any { return c.RotatingReaders }, [3]any{0, 1, 1024}, true},
		{"watch-share", "1", "2", "100", func(c *Config) any { return c.WatchShare }, [3]any{1, 2, 100}, true},
		{"sweep-interval", "10m", "2d", "0", func(c *Config) any { return c.SweepInterval }, [3]any{10 * time.Minute, 48 * time.Hour, time.Duration(0)}, false},
		{"log-level", "debug", "warn", "error", func(c *Config) any { return c.LogLevel }, [3]any{slog.LevelDebug, slog.LevelWarn, slog.LevelError}, false},
		{"log-format", "json", "text", "json", func(c *Config) any { return c.LogFormat }, [3]any{"json", "text", "json"}, false},
		{"admin-group", "root", "", "root", func(c *Config) any { return c.AdminGID }, [3]any{0, 0, 0}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			sandbox(t)
			value := `"` + c.file + `"`
			if c.number {
				value = c.file
			}
			a := Args{UID: userID, Flags: map[string][]string{"config": {write(t, "x.toml", c.name+" = "+value)}}}
			check := func(level int) {
				t.Helper()
				if got := c.get(load(t, a)); got != c.want[level] {
					t.Errorf("%v, want %v", got, c.want[level])
				}
			}
			check(0)
			s := Setting{Name: c.name}
			t.Setenv(s.Variable(), c.env)
			check(1)
			a.Flags[c.name] = []string{"off", c.flag}[1:]
			check(2)
		})
	}
}

func TestPrecedenceCoversEverySetting(t *testing.T) {
	for _, s := range Settings() {
		switch s.Name {
		case "exclude", "prune-name", "prune-fs", "updatedb-conf": // TestLists, TestUpdatedbConf
		case "db", "max-size", "socket", "socket-mode", "workers", "rotating-readers", "watch", "watch-share", "sweep-interval", "log-level", "log-format", "admin-group":
		default:
			t.Errorf("%s has no test", s.Name)
		}
	}
}

func TestConfigFromEnvironment(t *testing.T) {
	sandbox(t)
	t.Setenv("INDEXD_CONFIG", write(t, "e.toml", "workers = 5"))
	if c := load(t, Args{UID: userID}); c.Workers != 5 {
		t.Error(c.Workers)
	}
	flag := write(t, "f.toml", "workers = 6")
	if c := load(t, Args{UID: userID, Flags: map[string][]string{"config": {flag}}}); c.Workers != 6 {
		t.Error(c.Workers)
	}
}

func TestLists(t *testing.T) {
	base := rules.DefaultPruneFS()
	for _, c := range []struct {
		name string
		file string
		env  map[string]string
		flag map[string][]string
		want rules.Config
	}{
		{name: "defaults", want: rules.Config{PruneFS: base}},
		{
			name: "each level adds",
			file: "prune-fs = [\"ext4\"]\nexclude = [\"a\", \"b\"]",
			env:  map[string]string{"INDEXD_PRUNE_FS": "xfs:jfs", "INDEXD_EXCLUDE": "*.o"},
			flag: map[string][]string{"prune-fs": {"btrfs"}, "exclude": {"/x", "c"}, "prune-name": {".git"}},
			want: rules.Config{
				PruneFS:    append([]string{"ext4", "xfs", "jfs", "btrfs"}, base...),
				Exclude:    []string{"a", "b", "*.o", "/x", "c"},
				PruneNames: []string{".git"},
			},
		},
		{
			name: "an empty value clears the list so far",
			file: `exclude = ["a", "", "b"]`,
			env:  map[string]string{"INDEXD_PRUNE_FS": ":xfs"},
			flag: map[string][]string{"exclude": {"c", "", "d"}},
			want: rules.Config{PruneFS: []string{"xfs"}, Exclude: []string{"d"}},
		},
		{name: "cleared by a flag", flag: map[string][]string{"prune-fs": {""}}, want: rules.Config{}},
		{name: "cleared by the environment", env: map[string]string{"INDEXD_PRUNE_FS": ""}, want: rules.Config{}},
		{name: "cleared by the file", file: `prune-fs = [""]`, want: rules.Config{}},
		{name: "an empty list of the file adds nothing", file: `prune-fs = []`, want: rules.Config{PruneFS: base}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sandbox(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			a := Args{UID: userID, Flags: map[string][]string{"config": {write(t, "x.toml", c.file)}}}
			for k, v := range c.flag {
				a.Flags[k] = v
			}
			want, err := rules.New(c.want)
			if err != nil {
				t.Fatal(err)
			}
			if got := load(t, a).Rules; got.Fingerprint() != want.Fingerprint() {
				t.Errorf("the rules are not those of %+v", c.want)
			}
		})
	}
}

func TestUpdatedbConf(t *testing.T) {
	sandbox(t)
	conf := write(t, "updatedb.conf", "PRUNEPATHS=\"/tmp\"\nPRUNENAMES=\".git\"\nPRUNEFS=\"ext4\"\n")
	a := Args{UID: userID, Flags: map[string][]string{"updatedb-conf": {conf}, "prune-fs": {"xfs"}}}
	want, _ := rules.New(rules.Config{PrunePaths: []string{"/tmp"}, PruneNames: []string{".git"}, PruneFS: []string{"ext4", "xfs"}})
	if got := load(t, a).Rules; got.Fingerprint() != want.Fingerprint() {
		t.Error("a list that the file sets does not take the place of the default")
	}
	write(t, "updatedb.conf", "PRUNENAMES=\".git\"\n")
	a.Flags["prune-name"] = []string{""}
	want, _ = rules.New(rules.Config{PruneFS: append([]string{"xfs"}, rules.DefaultPruneFS()...)})
	if got := load(t, a).Rules; got.Fingerprint() != want.Fingerprint() {
		t.Error("a list that the file does not set is not the default")
	}
}

func TestRoots(t *testing.T) {
	home := sandbox(t)
	if err := os.Symlink("a/b", "link"); err != nil {
		t.Fatal(err)
	}
	at := func(paths ...string) (list []string) {
		for _, p := range paths {
			list = append(list, filepath.Join(home, p))
		}
		return list
	}
	for _, c := range []struct {
		given        []string
		roots, inner []string
	}{
		{[]string{"a"}, at("a"), nil},
		{[]string{"d", "a", "d/"}, at("a", "d"), nil},
		{[]string{"a/b/c", "a", "d", "a/b"}, at("a", "d"), at("a/b", "a/b/c")},
		{[]string{"link"}, at("a/b"), nil},
		{[]string{"link", "a/b"}, at("a/b"), nil},
		{[]string{home + "/d", "/"}, []string{"/"}, at("d")},
		{[]string{"."}, []string{home}, nil},
	} {
		cfg, err := Load(Args{UID: userID, Roots: c.given})
		if err != nil {
			t.Error(c.given, err)
		} else if !slices.Equal(cfg.Roots, c.roots) || !slices.Equal(cfg.Inner, c.inner) {
			t.Errorf("%q: %q, %q", c.given, cfg.Roots, cfg.Inner)
		}
	}
}

func TestRootsPrecedence(t *testing.T) {
	home := sandbox(t)
	a := Args{UID: userID, Flags: map[string][]string{"config": {write(t, "x.toml", `roots = ["`+home+`/a/b/c"]`)}}}
	check := func(want string) {
		t.Helper()
		if c := load(t, a); !slices.Equal(c.Roots, []string{filepath.Join(home, want)}) {
			t.Errorf("%q, want %s", c.Roots, want)
		}
	}
	check("a/b/c")
	t.Setenv("INDEXD_ROOTS", "d:"+home+"/d:")
	check("d")
	a.Roots = []string{"a"}
	check("a")
}

// Each error is one line that says where the mistake is.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		file  string // of the TOML file
		env   string // NAME=value
		flag  string // name=value
		root  string
		want  string // {} stands for the home directory
		usage bool
	}{
		{file: "workers = 1\nworker = 2\n", want: `{}/x.toml:2: unknown key "worker"`},
		{file: "\n\n[exclude]\na = 1\n", want: `{}/x.toml:3: exclude must be a list of texts`},
		{file: "[nothing]\na = 1\n", want: `{}/x.toml:1: unknown key "nothing"`},
		{file: "db.x = 1\n", want: `{}/x.toml:1: unknown key "db.x"`},
		{file: "[a]\n[[b.c]]\nd = 1", want: `{}/x.toml:1: unknown key "a"`},
		{file: "workers = \"4\"\n", want: `{}/x.toml:1: workers must be a whole number`},
		{file: "workers = 4.0\n", want: `{}/x.toml:1: workers must be a whole number`},
		{file: "workers = 0\n", want: `{}/x.toml:1: workers: "0" is not a whole number from 1 to 1024`},
		{file: "exclude = \"a\"\n", want: `{}/x.toml:1: exclude must be a list of texts, such as ["a", "b"]`},
		{file: "# x\nexclude = [\n \"a\",\n 4,\n]\n", want: `{}/x.toml:2: exclude must be a list of texts`},
		{file: "exclude = [\"a[\"]\n", want: `{}/x.toml:1: exclude: "a[" is not a glob`},
		{file: "socket-mode = 666\n", want: `{}/x.toml:1: socket-mode must be a text`},
		{file: "db = \"x\"\n", want: `{}/x.toml:1: db: "x" is not an absolute path`},
		{file: "roots = [\"~/x\"]\n", want: `{}/x.toml:1: roots: "~/x" is not an absolute path`},
		{file: "db = \"\"\n", want: `{}/x.toml:1: db: the value is empty`},
		{file: "watch = \"maybe\"\n", want: `{}/x.toml:1: watch: "maybe" is not one of auto, inotify, fanotify, off`},
		{file: "workers = 1\nworkers = 2\n", want: `{}/x.toml:2: `},
		{file: "workers = \n", want: `{}/x.toml:1: `},
		{file: "x = \"\xff\"\n", want: `{}/x.toml:1: `},
		{file: "roots = [\"/does/not/exist\"]\n", want: `root /does/not/exist: there is no such directory`},
		{env: "INDEXD_WORKERS=many", want: `INDEXD_WORKERS: "many" is not a whole number from 1 to 1024`},
		{env: "INDEXD_EXCLUDE=a:b/c", want: `INDEXD_EXCLUDE: "b/c" with a / it must be`},
		{env: "INDEXD_CONFIG=/does/not/exist", want: `config: open /does/not/exist: no such file or directory`},
		{env: "INDEXD_ROOTS=/does/not/exist", want: `root /does/not/exist: there is no such directory`},
		{flag: "workers=many", want: `--workers: "many" is not a whole number`, usage: true},
		{flag: "socket-mode=999", want: `--socket-mode: "999" is not a mode in octal`, usage: true},
		{flag: "admin-group=no such group", want: `--admin-group: there is no group "no such group"`, usage: true},
		{flag: "max-size=1M", want: `--max-size: "1M" is smaller than 4M`, usage: true},
		{flag: "max-size=9999999T", want: `--max-size: "9999999T" is not a size such as 500M or 2G`, usage: true},
		{flag: "max-size=-1", want: `--max-size: "-1" is not a size such as 500M or 2G`, usage: true},
		{flag: "max-size=2 G", want: `--max-size: "2 G" is not a size such as 500M or 2G`, usage: true},
		{flag: "sweep-interval=soon", want: `--sweep-interval: "soon" is not a duration`, usage: true},
		{flag: "sweep-interval=1ms", want: `--sweep-interval: "1ms" is shorter than a second`, usage: true},
		{flag: "sweep-interval=-1h", want: `--sweep-interval: "-1h" is shorter than a second`, usage: true},
		{flag: "prune-name=a/b", want: `--prune-name: "a/b" is not the name of a directory`, usage: true},
		{flag: "log-level=loud", want: `--log-level: "loud" is not one of`, usage: true},
		{flag: "db=", want: `--db: the value is empty`, usage: true},
		{flag: "config=none.toml", want: `config: open {}/none.toml: no such file or directory`},
		{flag: "config=.", want: `config: read {}: is a directory`},
		{flag: "updatedb-conf=none", want: `updatedb-conf: open {}/none: no such file or directory`},
		{flag: "updatedb-conf=bad.conf", want: `updatedb-conf: {}/bad.conf:2: unknown variable PRUNE`},
		{root: "nowhere", want: `root nowhere: there is no such directory`},
		{root: "bad.conf", want: `root bad.conf: is not a directory`},
		{root: "bad.conf/x", want: `root bad.conf/x: not a directory`},
		{root: "loop", want: `root loop: `},
	} {
		home := sandbox(t)
		write(t, "bad.conf", "\nPRUNE=\"x\"\n")
		if err := os.Symlink("loop", "loop"); err != nil {
			t.Fatal(err)
		}
		a := Args{UID: userID, Flags: map[string][]string{}}
		if c.file != "" {
			a.Flags["config"] = []string{write(t, "x.toml", c.file)}
		}
		if name, value, ok := strings.Cut(c.env, "="); ok {
			t.Setenv(name, value)
		}
		if name, value, ok := strings.Cut(c.flag, "="); ok {
			a.Flags[name] = []string{value}
		}
		if c.root != "" {
			a.Roots = []string{c.root}
		}
		_, err := Load(a)
		want := strings.ReplaceAll(c.want, "{}", home)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") || errors.Is(err, ErrUsage) != c.usage {
			t.Errorf("%q %q %q %q: %v\nwant %s", c.file, c.env, c.flag, c.root, err, want)
		}
	}
}

func TestNoPlace(t *testing.T) {
	sandbox(t)
	t.Setenv("STATE_DIRECTORY", "relative")
	t.Setenv("HOME", "")
	if dir := home(); dir == "" {
		if _, err := Load(Args{UID: userID}); err == nil || !strings.Contains(err.Error(), "--db") {
			t.Error(err)
		}
	}
}

// TestDBLink checks that a database path that is a symbolic link is resolved, whether or
// not the target exists.
func TestDBLink(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.MkdirAll(dir+"/disk/deep", 0o755), os.WriteFile(dir+"/disk/real.db", nil, 0o644),
		os.Symlink("deep", dir+"/disk/dir"), // of which .. is not disk/dir's own
		os.Symlink("disk/real.db", dir+"/link"), os.Symlink(dir+"/link", dir+"/link2"),
		os.Symlink("../real.db", dir+"/disk/dir/up"), os.Symlink("disk/none.db", dir+"/dangling"),
		os.Symlink("loop", dir+"/loop"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for given, want := range map[string]string{
		"link": "disk/real.db", "link2": "disk/real.db", "disk/dir/up": "disk/real.db", "dangling": "disk/none.db",
		"disk/real.db": "disk/real.db", "disk/dir/x.db": "disk/dir/x.db", "loop": "loop",
	} {
		if got := resolveLinks(dir + "/" + given); got != dir+"/"+want {
			t.Errorf("%s leads to %s, want %s", given, got, want)
		}
	}
}
