package plan

import (
	"path"
	"slices"
	"strings"
	"testing"

	"indexd/internal/casefold"
	"indexd/internal/query"
	"indexd/internal/testutil/race"
	"indexd/listing"
	"indexd/store/postings/trigram"
)

// meets reports whether a document with only this name meets n. Any other document with the
// name meets it too.
func meets(n *trigram.Need, name string) bool {
	folded := casefold.String(name)
	for _, g := range n.All {
		if !strings.Contains(folded, string([]byte{byte(g >> 16), byte(g >> 8), byte(g)})) {
			return false
		}
	}
	for i := range n.And {
		if !meets(&n.And[i], name) {
			return false
		}
	}
	return len(n.Or) == 0 || slices.ContainsFunc(n.Or, func(k trigram.Need) bool { return meets(&k, name) })
}

// leadsTo reports whether s leads to name in dir.
func leadsTo(s *IndexQuery, dir, name string) bool {
	if meets(&s.Need, name) {
		return true
	}
	for _, above := range strings.Split(strings.Trim(dir, "/"), "/") {
		if s.Subtree && above != "" && meets(&s.Need, above) && s.Dir(above) {
			return true
		}
	}
	return false
}

// checkIndexQueries reports queries that do not lead to name in dir, which matches.
func checkIndexQueries(t *testing.T, p *Plan, dir, name string) {
	t.Helper()
	for _, s := range p.IndexQueries() {
		if !leadsTo(&s, dir, name) {
			t.Errorf("%q: %q matches, and seeds %s (in subtrees: %v) do not lead there", p.Expr(), path.Join(dir, name), &s, s.Subtree)
		}
	}
}

// The use of the trigram index rests on this property: each index query leads to every match.
func TestIndexQueriesLeadToMatches(t *testing.T) {
	g := gen{random(t)}
	n := race.Fewer(30_000)
	if testing.Short() {
		n = 3000
	}
	plans, found := 0, 0
	for range n {
		r := &query.Request{Terms: []string{g.query(3)}}
		switch g.IntN(6) {
		case 0:
			r.Mode, r.Terms = query.ModeLocate, []string{g.pick("", "*", "/", "?") + g.literal(2) + g.pick("", "*", "/", "/*", "[a-k]*") + g.piece()}
		case 1:
			r.Mode, r.Terms = query.ModeERE, []string{g.pick("", "^", ".*", `\<`) + g.pick("main", "li(b|c)", `\.go`, "src/", "k+.*") + g.pick("", "$", ".*", `\>`)}
		case 2:
			r.Mode, r.Terms = query.ModeFixed, []string{g.literal(3), g.literal(1)}
		}
		r.Case = query.Case(g.pick("", "", "ignore", "sensitive"))
		r.FullPath = g.IntN(3) == 0
		p, err := Compile(r)
		if err != nil {
			if r.Mode == query.ModeLocate || r.Mode == query.ModeERE {
				continue // some modes of locate require UTF-8
			}
			t.Fatalf("%q: %v", r.Terms, err)
		}
		if len(p.IndexQueries()) == 0 {
			continue
		}
		plans++
		m := p.NewMatcher()
		for range 12 {
			dir := g.dir()
			m.Enter(dir, 1+strings.Count(strings.TrimSuffix(dir, "/"), "/"))
			for range 4 {
				e := g.entry()
				if m.Match(&Row{Entry: e, Empty: query.True}) {
					found++
					checkIndexQueries(t, p, dir, e.Name)
				}
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d plans had seeds, %d entries matched them", plans, found)
	if plans < n/20 || found < n/20 {
		t.Errorf("only %d plans had seeds, only %d entries matched them", plans, found)
	}
}

// What is looked up for a query, best first.
func TestIndexQueries(t *testing.T) {
	for _, c := range []struct {
		r    query.Request
		want []string // with "/" before it if subtrees are included
	}{
		{query.Request{Terms: []string{"readme"}}, []string{`"readme"`}},
		{query.Request{Terms: []string{"README"}}, []string{`"README"`}},
		{query.Request{Terms: []string{"go"}}, nil},
		{query.Request{Terms: []string{"ext:go"}}, []string{`".go"`}},
		{query.Request{Terms: []string{"ext:c"}}, nil},
		{query.Request{Terms: []string{"ext:go,md"}}, []string{`(".go" or ".md")`}},
		{query.Request{Terms: []string{"ext:go,c"}}, nil},
		{query.Request{Terms: []string{"foo OR readme"}}, []string{`("foo" or "readme")`}},
		{query.Request{Terms: []string{"foo OR x"}}, nil},
		{query.Request{Terms: []string{"foo NOT readme type:f"}}, []string{`"foo"`}},
		{query.Request{Terms: []string{"NOT foo"}}, nil},
		{query.Request{Terms: []string{"size:>1G"}}, nil},
		{query.Request{Terms: []string{"foo bar"}}, []string{`"foo" and "bar"`}},
		{query.Request{Terms: []string{"foo*bar*baz"}}, []string{`"baz" and "foo" and "bar"`}},
		{query.Request{Terms: []string{"*foo*bar*x*baz"}}, []string{`"baz" and "foo" and "bar"`}},
		{query.Request{Terms: []string{"re:foo.*bar.+baz"}}, []string{`"baz" and "foo" and "bar"`}},
		{query.Request{Terms: []string{"re:foo(bar|qux)?"}}, []string{`"foo"`}},
		{query.Request{Terms: []string{"re:(foo|bar).*qux"}}, []string{`"qux" and ("bar" or "foo")`}},
		{query.Request{Terms: []string{`re:\.go$`}}, []string{`".go"`}},
		{query.Request{Terms: []string{"re:[ab]"}}, nil},
		{query.Request{Terms: []string{"src/main"}}, []string{`/"main"`, `/"src"`}},
		{query.Request{Terms: []string{"libfoo"}, FullPath: true}, []string{`/"libfoo"`}},
		{query.Request{Terms: []string{"libfoo"}, FullPath: true, Filters: []string{"ext:go"}}, []string{`/"libfoo"`, `".go"`}},
		{query.Request{Terms: []string{"src/*.go"}}, []string{`".go"`, `/"src"`}},
		{query.Request{Terms: []string{"/usr/**/foo*bar"}}, []string{`"bar"`, `/"usr"`, `/"foo"`}},
		{query.Request{Terms: []string{"re:/usr/.*foo$"}}, []string{`"foo"`, `/"usr"`}},
		{query.Request{Terms: []string{"a/b OR foo"}}, nil},
		{query.Request{Terms: []string{"src/a OR foo"}}, []string{`/("foo" or "src")`}},
		{query.Request{Terms: []string{"readme"}, Mode: query.ModeLocate, FullPath: true}, []string{`/"readme"`}},
		{query.Request{Terms: []string{"*.go"}, Mode: query.ModeLocate, FullPath: true}, []string{`".go"`}},
		{query.Request{Terms: []string{"/usr/*bin?x"}, Mode: query.ModeLocate, FullPath: true}, []string{`/"usr"`, `/"bin"`}},
		{query.Request{Terms: []string{"{foo}"}, Mode: query.ModeLocate}, []string{`"{foo}"`}},
		{query.Request{Terms: []string{`foo\.[ch]`}, Mode: query.ModeBRE}, []string{`("foo.c" or "foo.h")`}},
		{query.Request{Terms: []string{`\<foo\>`}, Mode: query.ModeERE}, []string{`"foo"`}},
		{query.Request{Terms: []string{"\xffab", "x\xfeyzu"}, Mode: query.ModeFixed}, []string{`"yzu"`}},
	} {
		p, err := Compile(&c.r)
		if err != nil {
			t.Errorf("%q: %v", c.r.Terms, err)
			continue
		}
		var got []string
		for _, s := range p.IndexQueries() {
			what := s.String()
			if s.Subtree {
				what = "/" + what
			}
			got = append(got, what)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.r.Terms, got, c.want)
		}
	}
}

// Only those directories are entered whose name can contain a term of the path.
func TestIndexQueryDir(t *testing.T) {
	for _, c := range []struct {
		term    string
		in, out string
	}{
		{"src/main", "src main mysrc main2", "srcx mymain"},
		{"/src/", "src SRC", "mysrc srcx"},
		{"/Src/", "Src", "src SRC"},
		{"path:läuft", "LÄUFT xläufty", "lauft"},
		{"/usr/**", "usr", "usrx xusr"},
		{"path:*/usr", "", "usr"},
	} {
		p, err := Compile(&query.Request{Terms: []string{c.term}})
		if err != nil {
			t.Fatal(err)
		}
		accepts := func(name string) bool {
			return slices.ContainsFunc(p.IndexQueries(), func(s IndexQuery) bool { return s.Subtree && s.Dir(name) })
		}
		for _, name := range strings.Fields(c.in) {
			if !accepts(name) {
				t.Errorf("%s: %s is not gone into", c.term, name)
			}
		}
		for _, name := range strings.Fields(c.out) {
			if accepts(name) {
				t.Errorf("%s: %s is gone into", c.term, name)
			}
		}
	}
}

func FuzzIndexQueries(f *testing.F) {
	for _, s := range []string{"a", "main", "src/*.go", "re:fo+(bar|baz)", "ext:go,c", "( foo OR src/x ) bar", "É\xff", "*ab[ck]de*", "path:\"lib/\""} {
		f.Add(s, "main.go", "src/lib", byte(0), true)
		f.Add(s, "\u212aing\xc3.go", "É/\u017frc", byte(3), false)
	}
	modes := []query.Mode{query.ModeTerms, query.ModeFixed, query.ModeGlob, query.ModeRegex, query.ModeLocate, query.ModeBRE, query.ModeERE}
	f.Fuzz(func(t *testing.T, term, name, above string, mode byte, fold bool) {
		clean := func(s string) string {
			return strings.Map(func(c rune) rune {
				if c == 0 {
					return 'a'
				}
				return c
			}, s)
		}
		name, above = strings.ReplaceAll(clean(name), "/", "k"), path.Clean("/"+clean(above))
		if name == "" || name == "." || name == ".." {
			return
		}
		r := &query.Request{Terms: []string{term}, Mode: modes[int(mode)%len(modes)], FullPath: mode&64 != 0}
		if fold {
			r.Case = query.CaseIgnore
		}
		p, err := Compile(r)
		if err != nil {
			return
		}
		m := p.NewMatcher()
		for _, dir := range []string{above, "/", path.Join("/main", above, "x")} {
			m.Enter(dir, 1+strings.Count(strings.TrimSuffix(dir, "/"), "/"))
			for _, n := range []string{name, "main.go", strings.ToUpper(name)} {
				if m.Match(&Row{Entry: &listing.Entry{Name: n}, Empty: query.True}) {
					checkIndexQueries(t, p, dir, n)
				}
			}
		}
	})
}
