package query

import (
	"go/build"
	"slices"
	"strings"
	"testing"
)

// The client links this package and every millisecond of its start counts: it
// imports the standard library and what itself imports nothing else, no more.
func TestImports(t *testing.T) {
	small := []string{"indexd/listing", "indexd/internal/casefold", "indexd/store/trigram"}
	p, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range p.Imports {
		first, _, _ := strings.Cut(path, "/")
		if !slices.Contains(small, path) && (strings.Contains(first, ".") || first == "indexd" || first == "net") {
			t.Errorf("imports %s", path)
		}
	}
}
