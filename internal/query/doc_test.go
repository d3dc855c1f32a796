package query

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
		user, group, _ := strings.Cut(f[2], ":")
		_, err2 := fmt.Sscan(f[3], &e.Size)
		mtime, err3 := time.Parse("2006-01-02T15:04:05", f[4])
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

func docEnv() *Env {
	lookup := func(name string) (uint32, error) {
		if id, ok := docIDs[name]; ok {
			return id, nil
		}
		return 0, errors.New("unknown")
	}
	return &Env{
		Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Loc: time.UTC, Cwd: docRoot,
		LookupUser: lookup, LookupGroup: lookup,
	}
}

func findIn(t *testing.T, tree map[string]*listing.Entry, r *Request) ([]string, error) {
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
		row := Row{Entry: e, Empty: True}
		for other := range tree {
			if strings.HasPrefix(other, name+"/") {
				row.Empty = False
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
	data, err := os.ReadFile("../../docs/query.md")
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

func checkExample(t *testing.T, tree map[string]*listing.Entry, query, finds string, code *regexp.Regexp) {
	got, err := findIn(t, tree, &Request{Terms: []string{query}})
	if msg, ok := strings.CutPrefix(finds, "error: "); ok {
		if err == nil || err.Error() != msg {
			t.Errorf("%s: %v, want %q", query, err, msg)
		}
		return
	}
	var want []string
	for _, m := range code.FindAllStringSubmatch(finds, -1) {
		want = append(want, m[1])
	}
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: finds %q, want %q (%v)", query, got, want, err)
	}
}

// checkLookup compares what is looked up for query with the texts in want.
func checkLookup(t *testing.T, query, want string, code *regexp.Regexp) {
	r := &Request{Terms: []string{query}}
	if err := r.Resolve(docEnv()); err != nil {
		t.Errorf("%s: %v", query, err)
		return
	}
	p, err := Compile(r)
	if err != nil {
		t.Errorf("%s: %v", query, err)
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
		t.Errorf("%s: looks up %q, want %q", query, got, wanted)
	}
}

func checkFlag(t *testing.T, flag, term string) {
	name, value, _ := strings.Cut(flag, " ")
	filter := map[string]func(string) string{
		"--type":           func(v string) string { return TypeFilter([]string{v}) },
		"--extension":      func(v string) string { return ExtFilter([]string{v}) },
		"--size":           SizeFilter,
		"--owner":          OwnerFilter,
		"--changed-within": ChangedWithin,
		"--changed-before": ChangedBefore,
	}[name]
	a, b := &Request{Filters: []string{filter(value)}}, &Request{Terms: []string{term}}
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
	r := &Request{Terms: []string{strings.TrimSpace(sc.Text())}}
	var se *SyntaxError
	if err := r.Resolve(docEnv()); !errors.As(err, &se) || se.Error()+"\n"+se.Detail() != block {
		t.Errorf("the document shows\n%s, but it is\n%v\n%s", block, err, se.Detail())
	}
}
