package query

import (
	"go/build"
	"slices"
	"strings"
	"testing"
)

// The packages of the query language import only downward. The language itself, which the
// client links, imports little, since every millisecond of the client's start counts.
func TestImports(t *testing.T) {
	for dir, allowed := range map[string][]string{
		".":       {"indexd/listing", "indexd/internal/casefold"},
		"scan":    {},
		"pattern": {"indexd/internal/query", "indexd/internal/query/scan", "indexd/internal/casefold"},
		"plan": {
			"indexd/internal/query", "indexd/internal/query/scan", "indexd/internal/query/pattern",
			"indexd/listing", "indexd/internal/casefold", "indexd/store/postings/trigram",
		},
	} {
		p, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range p.Imports {
			first, _, _ := strings.Cut(path, "/")
			if !slices.Contains(allowed, path) && (strings.Contains(first, ".") || first == "indexd" || first == "net") {
				t.Errorf("%s imports %s", dir, path)
			}
		}
	}
}
