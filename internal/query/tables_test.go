package query

import (
	"go/ast"
	goparser "go/parser"
	gotoken "go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// constants returns the values of the package's string constants of a type.
func constants(t *testing.T, typ string) []string {
	t.Helper()
	var list []string
	for _, file := range sources(t) {
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != gotoken.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				if id, ok := v.Type.(*ast.Ident); !ok || id.Name != typ {
					continue
				}
				value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, value)
			}
		}
	}
	return list
}

// sources returns the syntax trees of the package's files, except its tests.
func sources(t *testing.T) []*ast.File {
	t.Helper()
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), ".go") || strings.HasSuffix(n.Name(), "_test.go") {
			continue
		}
		file, err := goparser.ParseFile(gotoken.NewFileSet(), n.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// Every order, mode and case that is declared has a row in its table, and only one.
func TestTables(t *testing.T) {
	for _, c := range []struct {
		typ  string
		rows []string
	}{
		{"Sort", append([]string{string(SortDefault)}, SortNames()...)},
		{"Mode", ModeNames()},
		{"Case", CaseNames()},
	} {
		declared := constants(t, c.typ)
		slices.Sort(declared)
		slices.Sort(c.rows)
		if len(declared) < 3 || !slices.Equal(declared, c.rows) {
			t.Errorf("%s: the constants are %q, the rows %q", c.typ, declared, c.rows)
		}
	}
	for _, k := range SortKeys() {
		if k.Doc == "" {
			t.Errorf("the order %q has no description", k.Name)
		}
		if got, ok := k.Name.Key(); !ok || got != k {
			t.Errorf("the order %q is not found by its name", k.Name)
		}
	}
}
