package watch

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"indexd/internal/testutil/scale"
)

// TestScripts runs each of testdata/*.txt, a txtar archive of
//
//	before  shell commands that create the watched tree
//	do      shell commands
//	hints   the expected hints: one line each, with the kind and the path
//
// once with all directories watched, comparing the hints, and once with a consumer that
// follows the hints, comparing with find(1).
func TestScripts(t *testing.T) {
	scale.SkipIfShort(t)
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts: ", err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		part := make(map[string]string)
		for _, f := range a.Files {
			part[f.Name] = string(f.Data)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		for buffer, kind := range map[uint]string{0: "unbuffered", 4096: "buffered"} {
			t.Run(name+"/"+kind, func(t *testing.T) { hintsOf(t, part, buffer) })
			t.Run(name+"/"+kind+"/followed", func(t *testing.T) { followed(t, part, buffer) })
		}
	}
}

func hintsOf(t *testing.T, part map[string]string, buffer uint) {
	s, dir := open(t, Options{buffer: buffer})
	start(t, s)
	shell(t, dir, part["before"])
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_, err = s.Watch(path, Ident{}, time.Time{})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.sync(t)
	shell(t, dir, part["do"])
	b := s.sync(t)
	if got := lines(&b, dir); got != part["hints"] {
		t.Errorf("hints are\n%snot\n%s", got, part["hints"])
	}
}

func followed(t *testing.T, part map[string]string, buffer uint) {
	s, dir := open(t, Options{buffer: buffer})
	start(t, s)
	shell(t, dir, part["before"])
	m := newMirror(t, s, dir)
	shell(t, dir, part["do"])
	m.compare()
	s.consistent(t)
}

// shell runs commands in dir.
func shell(t *testing.T, dir, commands string) {
	t.Helper()
	cmd := exec.Command("sh", "-euc", commands)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// lines formats a batch as in a script, with paths relative to dir.
func lines(b *Batch, dir string) string {
	var out strings.Builder
	line := func(kind, path string) {
		if path = strings.TrimPrefix(strings.TrimPrefix(path, dir), "/"); path == "" {
			path = "."
		}
		out.WriteString(kind + " " + path + "\n")
	}
	if b.Overflow {
		line("overflow", "")
	}
	for _, h := range b.Dirs {
		switch {
		case h.Subtree:
			line("subtree", h.Dir)
		case h.List:
			line("list", h.Dir)
		}
		for _, n := range h.Names {
			kind := "content"
			if n.Change == Named {
				kind = "named"
			}
			line(kind, h.Dir+"/"+n.Name)
		}
	}
	return out.String()
}
