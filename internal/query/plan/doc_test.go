package plan

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/listing"
)

const docRoot = "/home/ann"

var docIDs = map[string]uint32{"root": 0, "ann": 1000, "staff": 50}

// docTree reads the tree of docs/query.md.
func docTree(t *testing.T, doc string) map[string]*listing.Entry {
	_, block, _ := strings.Cut(doc, "```tree\n")
	block, _, _ = strings.Cut(block, "```")
	tree := map[string]*listing.Entry{}
	for line := range strings.Lines(block) {
		f := strings.Fields(line)
		if f[0] == "#" {
			continue
		}
		p := line[strings.Index(line, "/home"):]
		p = strings.TrimSuffix(p, "\n")
		e := &listing.Entry{Name: path.Base(p)}
		typ, ok := listing.TypeOfLetter(f[0][0])
		var mode uint32
		_, err1 := fmt.Sscanf(f[1], "%o", &mode)
		user, group, _ := strings.Cut(f[3], ":")
		_, err2 := fmt.Sscan(strings.Join([]string{f[2], f[4], f[5]}, " "), &e.Nlink, &e.Size, &e.Blocks)
		mtime, err3 := time.Parse("2006-01-02T15:04:05", f[6])
		if err := errors.Join(err1, err2, err3); err != nil || !ok {
			t.Fatalf("%q: %v", line, err)
		}
		e.Mode = uint32(typ)<<12 | mode
		e.UID, e.GID = docIDs[user], docIDs[group]
		e.Mtime = listing.FromStd(mtime)
		tree[p] = e
	}
	return tree
}

func docEnv() *query.Env {
	lookup := func(name string) (uint32, error) {
		if id, ok := docIDs[name]; ok {
			return id, nil
		}
		return 0, errors.New("unknown")
	}
	return &query.Env{
		Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Loc: time.UTC, Cwd: docRoot,
		LookupUser: lookup, LookupGroup: lookup,
	}
}

func findIn(t *testing.T, tree map[string]*listing.Entry, r *query.Request) ([]string, error) {
	if err := r.Resolve(docEnv()); err != nil {
		return nil, err
	}
	p, err := Compile(r)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	m := p.NewMatcher()
	var found []string
	for name, e := range tree {
		rel := strings.TrimPrefix(name, docRoot+"/")
		m.Enter(path.Dir(name), 1+strings.Count(rel, "/"))
		row := Row{Entry: e, Empty: query.True}
		for other := range tree {
			if strings.HasPrefix(other, name+"/") {
				row.Empty = query.False
			}
		}
		if m.Match(&row) {
			found = append(found, rel)
		}
	}
	slices.Sort(found)
	return found, nil
}

// Every example of docs/query.md is true.
func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile("../../../docs/query.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	tree := docTree(t, doc)
	code := regexp.MustCompile("`([^`]+)`")
	header := ""
	examples, lookups, flags := 0, 0, 0
	for line := range strings.Lines(doc) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| ") {
			header = ""
			continue
		}
		cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x01"), "|")
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "\x01", "|")
		}
		switch {
		case header == "":
			header = strings.Join(cells, "|")
		case strings.HasPrefix(line, "| ---"):
		case header == "query|finds":
			examples++
			checkExample(t, tree, strings.Trim(cells[0], "`"), cells[1], code)
		case header == "query|looks up":
			lookups++
			checkLookup(t, strings.Trim(cells[0], "`"), cells[1], code)
		case header == "flag|is":
			flags++
			checkFlag(t, strings.Trim(cells[0], "`"), strings.Trim(cells[1], "`"))
		}
	}
	if examples < 85 || lookups < 10 || flags != 8 {
		t.Errorf("%d examples, %d lookups and %d flags were found", examples, lookups, flags)
	}
	checkShown(t, doc)
}

func checkExample(t *testing.T, tree map[string]*listing.Entry, typed, finds string, code *regexp.Regexp) {
	got, err := findIn(t, tree, &query.Request{Terms: []string{typed}})
	if msg, ok := strings.CutPrefix(finds, "error: "); ok {
		if err == nil || err.Error() != msg {
			t.Errorf("%s: %v, want %q", typed, err, msg)
		}
		return
	}
	var want []string
	for _, m := range code.FindAllStringSubmatch(finds, -1) {
		want = append(want, m[1])
	}
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: finds %q, want %q (%v)", typed, got, want, err)
	}
}

// checkLookup compares what is looked up for query with the texts in want.
func checkLookup(t *testing.T, typed, want string, code *regexp.Regexp) {
	r := &query.Request{Terms: []string{typed}}
	if err := r.Resolve(docEnv()); err != nil {
		t.Errorf("%s: %v", typed, err)
		return
	}
	p, err := Compile(r)
	if err != nil {
		t.Errorf("%s: %v", typed, err)
		return
	}
	var got, wanted []string
	for line := range strings.Lines(p.Explain()) {
		what, ok := strings.CutPrefix(line, "lookup   ")
		if !ok {
			what, ok = strings.CutPrefix(line, "or       ")
		}
		if what = strings.TrimSpace(what); ok && !strings.HasPrefix(what, "nothing") {
			got = append(got, strings.TrimPrefix(what, "names with "))
		}
	}
	for _, m := range code.FindAllStringSubmatch(want, -1) {
		wanted = append(wanted, m[1])
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("%s: looks up %q, want %q", typed, got, wanted)
	}
}

func checkFlag(t *testing.T, flag, term string) {
	name, value, _ := strings.Cut(flag, " ")
	filter := map[string]func(string) string{
		"--type":           func(v string) string { return query.TypeFilter([]string{v}) },
		"--extension":      func(v string) string { return query.ExtFilter([]string{v}) },
		"--size":           query.SizeFilter,
		"--owner":          query.OwnerFilter,
		"--changed-within": query.ChangedWithin,
		"--changed-before": query.ChangedBefore,
	}[name]
	a, b := &query.Request{Filters: []string{filter(value)}}, &query.Request{Terms: []string{term}}
	if err := errors.Join(a.Resolve(docEnv()), b.Resolve(docEnv())); err != nil || a.Filters[0] != b.Terms[0] {
		t.Errorf("%s is %v, %s is %v (%v)", flag, a.Filters, term, b.Terms, err)
	}
}

// checkShown compares the error that the document shows in full.
func checkShown(t *testing.T, doc string) {
	_, block, _ := strings.Cut(doc, "```\nindexctl: ")
	block, _, _ = strings.Cut(block, "```")
	sc := bufio.NewScanner(strings.NewReader(block))
	sc.Scan()
	sc.Scan()
	r := &query.Request{Terms: []string{strings.TrimSpace(sc.Text())}}
	var se *query.SyntaxError
	if err := r.Resolve(docEnv()); !errors.As(err, &se) || se.Error()+"\n"+se.Detail() != block {
		t.Errorf("the document shows\n%s, but it is\n%v\n%s", block, err, se.Detail())
	}
}
