package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"indexd/internal/query"
)

// fieldSamples has one value of each field.
var fieldSamples = map[string]string{
	"name": "a", "path": "a", "re": "a", "ext": "go", "type": "f", "size": "1", "mtime": "@1", "owner": "1", "group": "1",
	"perm": "644", "nlink": "1", "inode": "1", "blocks": "1", "depth": "1", "in": "/a",
}

// Every field can be parsed and compiled, needs what its row says, and is documented.
func TestEveryField(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/query.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range query.Fields() {
		value, ok := fieldSamples[f.Name]
		if !ok {
			t.Errorf("%s: has no sample here", f.Name)
			continue
		}
		if f.Value == "" || f.Doc == "" {
			t.Errorf("%s: has no description", f.Name)
		}
		if row := fmt.Sprintf("| %s: | %s", f.Name, f.Doc); !strings.Contains(strings.ReplaceAll(string(doc), "`", ""), row) {
			t.Errorf("%s: docs/query.md has no row %s", f.Name, row)
		}
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			p, err := Compile(&query.Request{Terms: []string{name + ":" + value}})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := p.Expr().String(); got != f.Name+":"+value && f.Name != "mtime" {
				t.Errorf("%s: is written %s", name, got)
			}
			if p.needs != f.Needs {
				t.Errorf("%s: needs %b of an entry, and its row says %b", name, p.needs, f.Needs)
			}
			_, err = Compile(&query.Request{Filters: []string{name + ":" + value}})
			if (err != nil) != f.TermOnly {
				t.Errorf("%s: as a filter: %v", name, err)
			}
		}
	}
}

// Every kind of Expr that the language has can be compiled.
func TestEveryExpr(t *testing.T) {
	var made []string
	collect := func(x query.Expr) {
		made = append(made, strings.TrimPrefix(fmt.Sprintf("%T", x), "*"))
	}
	var visit func(x query.Expr)
	visit = func(x query.Expr) {
		collect(x)
		switch x := x.(type) {
		case *query.And:
			for _, k := range x.List {
				visit(k)
			}
		case *query.Or:
			for _, k := range x.List {
				visit(k)
			}
		case *query.Not:
			visit(x.X)
		}
	}
	requests := []*query.Request{
		{}, {Terms: []string{"a OR NOT b c"}},
		{Mode: query.ModeLocate, Terms: []string{"a?b"}}, {Mode: query.ModeERE, Terms: []string{`\<a.b`}},
	}
	for name, value := range fieldSamples {
		requests = append(requests, &query.Request{Terms: []string{name + ":" + value}})
	}
	for _, r := range requests {
		p, err := Compile(r)
		if err != nil {
			t.Errorf("%+v: %v", r, err)
			continue
		}
		visit(p.Expr())
	}
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func \(\*?(\w+)\) isExpr\(\)`).FindAllStringSubmatch(string(src), -1) {
			kinds++
			if !slices.Contains(made, "query."+m[1]) {
				t.Errorf("no request here gives a %s", m[1])
			}
		}
	}
	if kinds < 10 {
		t.Errorf("only %d kinds of Expr were found", kinds)
	}
}
