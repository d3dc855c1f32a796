package main

import (
	"go/build"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What indexctl is made of is paid for at each of its starts, used or not: only
// these packages may be linked. docs/benchmarks.md has what others would cost;
// look at GODEBUG=inittrace=1 before adding one.
func TestImports(t *testing.T) {
	allowed := strings.Fields(`
		bytes cmp context encoding/base64 encoding/binary encoding/json errors fmt io io/fs iter maps math math/bits
		os os/exec os/signal path path/filepath regexp regexp/syntax slices strconv strings sync syscall time unicode unicode/utf16 unicode/utf8 unsafe
		golang.org/x/sys/unix`)
	got := map[string]string{} // a package that is not ours, and one that imports it
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		p, err := build.ImportDir(filepath.Join("../..", strings.TrimPrefix(path, "indexd")), 0)
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
	visit("indexd/cmd/indexctl")
	for _, dep := range slices.Sorted(maps.Keys(got)) {
		if !slices.Contains(allowed, dep) {
			t.Errorf("%s imports %s", got[dep], dep)
		}
	}
}
