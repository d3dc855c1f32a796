package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func readUpdatedb(t *testing.T, text string) (Updatedb, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "updatedb.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadUpdatedb(file)
}

func TestReadUpdatedb(t *testing.T) {
	u, err := readUpdatedb(t, `
# a comment
 PRUNE_BIND_MOUNTS = "yes"   # another
PRUNENAMES=".git .bzr"
	PRUNEPATHS="/tmp /var/spool/"#here too

PRUNEFS = "NFS  proc # not a comment"
`)
	if err != nil {
		t.Fatal(err)
	}
	if !u.PruneBindMounts || !slices.Equal(u.PruneNames, []string{".git", ".bzr"}) ||
		!slices.Equal(u.PrunePaths, []string{"/tmp", "/var/spool/"}) ||
		!slices.Equal(u.PruneFS, []string{"NFS", "proc", "#", "not", "a", "comment"}) {
		t.Errorf("%+v", u)
	}
	s := newSet(t, Config{PruneNames: u.PruneNames, PrunePaths: u.PrunePaths})
	for p, want := range map[string]bool{"/tmp/x": true, "/var/spool": true, "/a/.git": true, "/a/tmp": false} {
		if _, got := s.Path(p); got != want {
			t.Errorf("%s: excluded is %v", p, got)
		}
	}
}

func TestReadUpdatedbUnset(t *testing.T) {
	u, err := readUpdatedb(t, `PRUNEFS=""`)
	if err != nil || u.PruneFS == nil || len(u.PruneFS) != 0 || u.PruneNames != nil || u.PrunePaths != nil {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestReadUpdatedbErrors(t *testing.T) {
	for text, want := range map[string]string{
		"PRUNEFS":                            `:1: expected VARIABLE = "VALUE"`,
		"\nPRUNEFS=nfs":                      `:2: expected VARIABLE = "VALUE"`,
		`PRUNEFS="nfs`:                       `:1: the closing " is missing`,
		`PRUNEFS="nfs" x`:                    `:1: "x" after the value`,
		`PRUNEFSX="nfs"`:                     `:1: unknown variable PRUNEFSX`,
		`1X="nfs"`:                           `:1: expected`,
		"PRUNEFS=\"a\"\n\nPRUNEFS=\"b\"":     `:3: PRUNEFS was set in line 1 already`,
		`PRUNE_BIND_MOUNTS="maybe"`:          `:1: PRUNE_BIND_MOUNTS is "maybe"`,
		`PRUNEPATHS="tmp"`:                   `:1: "tmp" in PRUNEPATHS`,
		`PRUNENAMES="a/b"`:                   `:1: "a/b" in PRUNENAMES`,
		"# fine\r\nPRUNENAMES=\"a\"\r\nX=\"": `:3: the closing " is missing`,
	} {
		_, err := readUpdatedb(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := ReadUpdatedb(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Error(err)
	}
}

// The file installed by plocate, if there is one.
func TestReadUpdatedbOfTheSystem(t *testing.T) {
	const file = "/etc/updatedb.conf"
	if _, err := os.Stat(file); err != nil {
		t.Skip("no ", file)
	}
	if _, err := ReadUpdatedb(file); err != nil {
		t.Error(err)
	}
}
