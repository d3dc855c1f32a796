package main

import (
	"go/build"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestImports pins what indexctl links, because each start pays for it, used or not.
// docs/benchmarks.md lists what others would cost; look at GODEBUG=inittrace=1 before adding
// one. locate must not link the command line library; see its init.
func TestImports(t *testing.T) {
	allowed := strings.Fields(`
		bytes cmp context encoding/base64 encoding/binary encoding/json errors flag fmt io io/fs iter maps math math/bits
		os os/exec os/signal path path/filepath regexp regexp/syntax slices strconv strings sync syscall time unicode unicode/utf16 unicode/utf8 unsafe
		golang.org/x/sys/unix`)
	checkImports(t, "indexd/cmd/indexctl/internal/locate", allowed)
	checkImports(t, "indexd/cmd/indexctl", append(allowed, "embed", "github.com/urfave/cli/v2"))
}

func checkImports(t *testing.T, program string, allowed []string) {
	context := build.Default
	context.BuildTags = []string{"urfave_cli_no_docs"} // as it is installed
	got := map[string]string{}                         // external package -> a package that imports it
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		p, err := context.ImportDir(filepath.Join("../..", strings.TrimPrefix(path, "indexd")), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range p.Imports {
			if dep == "indexd" || strings.HasPrefix(dep, "indexd/") {
				visit(dep)
			} else {
				got[dep] = path
			}
		}
	}
	visit(program)
	for _, dep := range slices.Sorted(maps.Keys(got)) {
		if !slices.Contains(allowed, dep) {
			t.Errorf("%s: %s imports %s", program, got[dep], dep)
		}
	}
}

// TestLocateSkipsLibrary checks that locate ends before the command line library is
// initialized, however indexctl is called for it.
func TestLocateSkipsLibrary(t *testing.T) {
	dir := t.TempDir()
	_, socket, stop := serve(t, dir)
	defer stop()
	write(t, dir, "rows", rows)
	for _, c := range []struct {
		args  string
		skips bool
	}{{"indexctl locate me", true}, {"locate -c me", true}, {"indexctl find me", false}, {"locate --help", false}} {
		args := strings.Fields(c.args)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(asked(socket).Env, "GODEBUG=inittrace=1")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", c.args, err, &stderr)
		}
		for _, pkg := range []string{"github.com/urfave/cli/v2", "text/template"} {
			if got := !strings.Contains(stderr.String(), "init "+pkg+" "); got != c.skips {
				t.Errorf("%s: skips %s is %v\n%s", c.args, pkg, got, &stderr)
			}
		}
	}
}
