package query

import (
	"go/build"
	"strings"
	"testing"
)

// The client links this package and every millisecond of its start counts: it
// imports the standard library and listing, no more.
func TestImports(t *testing.T) {
	p, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range p.Imports {
		first, _, _ := strings.Cut(path, "/")
		if path != "indexd/listing" && (strings.Contains(first, ".") || first == "indexd" || first == "net") {
			t.Errorf("imports %s", path)
		}
	}
}
