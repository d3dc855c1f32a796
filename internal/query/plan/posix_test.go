package plan

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"indexd/internal/casefold"
	"indexd/internal/query"
	"indexd/listing"
)

// posixRequest returns a request of locate.
func posixRequest(mode query.Mode, fold bool, patterns ...string) *query.Request {
	r := &query.Request{Terms: patterns, Mode: mode, Case: query.CaseSensitive}
	if fold {
		r.Case = query.CaseIgnore
	}
	return r
}

// judge matches p against the only entry of a directory, and checks that a scan of its names
// does not skip a match.
func judge(t *testing.T, p *Plan, dir, name string) bool {
	t.Helper()
	m := p.NewMatcher()
	here := m.Enter(dir, 1)
	match := here == query.True || here == query.Unknown && m.Match(&Row{Entry: &listing.Entry{Name: name}, NoMeta: true})
	if match && here != query.True && !strings.Contains(name, "/") && m.Next([]byte(name+"\x00"), 0) < 0 {
		t.Errorf("%s: %q in %q matches, and a scan passes it over", p.Expr(), name, dir)
	}
	return match
}

// TestPosixPatterns checks patterns against the results of glibc.
func TestPosixPatterns(t *testing.T) {
	f, err := os.Open("testdata/posix.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		mode, rest, _ := strings.Cut(line, " ")
		fold := strings.HasPrefix(rest, "i")
		var texts [2]string
		for i := range texts {
			_, rest, _ = strings.Cut(rest, " ")
			q, err := strconv.QuotedPrefix(rest)
			if err == nil {
				texts[i], err = strconv.Unquote(q)
			}
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			rest = rest[len(q):]
		}
		got := "E"
		if p, err := Compile(posixRequest(query.Mode(mode), fold, texts[0])); err == nil {
			got = "0"
			if judge(t, p, "/", texts[1]) {
				got = "1"
			}
		}
		if want := strings.TrimSpace(rest); got != want {
			t.Errorf("%s: %s", line, got)
		}
		n++
	}
	if n < 900 {
		t.Errorf("only %d patterns", n)
	}
}

// TestPosixPaths checks that a pattern is matched against the path with FullPath only.
func TestPosixPaths(t *testing.T) {
	for _, c := range []struct {
		mode       query.Mode
		pattern    string
		dir, name  string
		full, base bool
	}{
		{query.ModeLocate, "b/c", "/a/b", "c", true, false},
		{query.ModeLocate, "a/b", "/a/b", "c", true, false},
		{query.ModeLocate, "/a/*c", "/a/b", "c", true, false},
		{query.ModeLocate, "/?/?/?", "/a/b", "c", true, false},
		{query.ModeLocate, "/a[!x]b[/]c", "/a/b", "c", true, false},
		{query.ModeLocate, "a*", "/a/b", "c", false, false},
		{query.ModeLocate, "c*", "/a/b", "c", false, true},
		{query.ModeLocate, "*b/", "/a/b", "c", false, false},
		{query.ModeLocate, "{b,c}", "/a/b", "{b,c}", true, true},
		{query.ModeLocate, "", "/a/b", "c", true, true},
		{query.ModeLocate, "*", "/a/b", "c", true, true},
		{query.ModeLocate, "/c", "/", "c", true, false},
		{query.ModeBRE, "b/c$", "/a/b", "c", true, false},
		{query.ModeBRE, "^/a.b", "/a/b", "c", true, false},
		{query.ModeBRE, "^c$", "/a/b", "c", false, true},
		{query.ModeBRE, "[^x]b", "/a/b", "c", true, false},
		{query.ModeBRE, `\<b\>`, "/a/b", "c", true, false},
		{query.ModeERE, `^(/a|c$)`, "/a/b", "c", true, true},
		{query.ModeERE, "", "/a/b", "c", true, true},
	} {
		for _, full := range []bool{true, false} {
			r := posixRequest(c.mode, false, c.pattern)
			r.FullPath = full
			p, err := Compile(r)
			if err != nil {
				t.Errorf("%s %q: %v", c.mode, c.pattern, err)
				continue
			}
			want := c.base
			if full {
				want = c.full
			}
			if got := judge(t, p, c.dir, c.name); got != want {
				t.Errorf("%s %q full path %v on %s/%s: %v", c.mode, c.pattern, full, c.dir, c.name, got)
			}
		}
	}
}

// TestPosixFast checks that a pattern that is only a text is searched for as one.
func TestPosixFast(t *testing.T) {
	for _, c := range []struct {
		mode    query.Mode
		fold    bool
		pattern string
	}{
		{query.ModeLocate, false, "readme"},
		{query.ModeLocate, false, `read\me`},
		{query.ModeLocate, false, "*.go"},
		{query.ModeLocate, false, "/usr/*"},
		{query.ModeLocate, false, "*a b*"},
		{query.ModeLocate, false, "é"},
		{query.ModeLocate, false, "*\xff*"},
		{query.ModeLocate, true, "ReadMe"},
		{query.ModeLocate, true, "*ReadMe"},
		{query.ModeBRE, false, "readme"},
		{query.ModeBRE, false, `\.go$`},
		{query.ModeBRE, false, "^/usr/lib"},
		{query.ModeBRE, true, `\.GO$`},
		{query.ModeERE, false, `\.(go|mod)$`},
		{query.ModeBRE, false, "[a]b"},
	} {
		r := posixRequest(c.mode, c.fold, c.pattern)
		r.FullPath = true
		p, err := Compile(r)
		if err != nil {
			t.Errorf("%s %q: %v", c.mode, c.pattern, err)
			continue
		}
		if len(p.filters) == 0 {
			t.Errorf("%s %q: every name is scanned", c.mode, c.pattern)
		}
		p.root.each(func(x test) {
			if _, ok := x.(*litTest); !ok {
				t.Errorf("%s %q: judged by a %T", c.mode, c.pattern, x)
			}
		})
	}
}

// TestPosixRefused checks that patterns are rejected which cannot be matched in bounded time
// or which RE2 does not support.
func TestPosixRefused(t *testing.T) {
	many := func(s string) string { return strings.Repeat(s, 50_000/len(s)) }
	for _, c := range []struct {
		mode    query.Mode
		pattern string
	}{
		{query.ModeBRE, `\(a\)\1`},
		{query.ModeERE, `(a)\1`},
		{query.ModeERE, `((a{255}){255})`},
		{query.ModeERE, "[[:alpha:]\xff]"},
		{query.ModeERE, many("(")},
		{query.ModeERE, many("()")},
		{query.ModeERE, "a" + many("+")},
		{query.ModeERE, many("(") + many(")")},
		{query.ModeBRE, many(`\<`)},
		{query.ModeLocate, many("?")},
		{query.ModeLocate, many("*a?")},
		{query.ModeLocate, "a\x00b"},
		{query.ModeLocate, strings.Repeat("a", query.MaxText+1)},
	} {
		if _, err := Compile(posixRequest(c.mode, false, c.pattern)); err == nil {
			t.Errorf("%s %.20q… is accepted", c.mode, c.pattern)
		} else if _, ok := err.(*query.SyntaxError); !ok {
			t.Errorf("%s %.20q…: %T", c.mode, c.pattern, err)
		}
	}
	// The most expensive accepted patterns, on the longest of names.
	for _, c := range []struct {
		mode    query.Mode
		pattern string
	}{
		{query.ModeLocate, "*" + strings.Repeat("?", 1000) + "b"},
		{query.ModeLocate, strings.Repeat("*a?", 400) + "b"},
		{query.ModeERE, `(a*)*\>b`},
		{query.ModeERE, `\<((a?){25}){20}`},
	} {
		p, err := Compile(posixRequest(c.mode, false, c.pattern))
		if err != nil {
			t.Errorf("%s %.20q…: %v", c.mode, c.pattern, err)
			continue
		}
		judge(t, p, "/", strings.Repeat("a", 255))
	}
}

// TestFoldCoversLower checks that two texts which are equal in lower case are equal when
// folded, as required of literals.
func TestFoldCoversLower(t *testing.T) {
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if l := unicode.ToLower(r); casefold.Rune(l) != casefold.Rune(r) && r != 'İ' {
			t.Errorf("%U is %U in lower case, and they fold to %U and %U", r, l, casefold.Rune(r), casefold.Rune(l))
		}
	}
}

func FuzzPosix(f *testing.F) {
	for _, s := range []string{"a", "*a?", "[a-c]*", "[[:alpha:]", `\<a\>`, `\(a\|b\)*`, "a{1,2}", "[^]-a]", "İ", "\xff", "x[.a.]", `a\`} {
		f.Add(s, "a\xffé/b", byte(0), true)
		f.Add(s, "İstanbul", byte(1), false)
		f.Add(s, "", byte(2), true)
	}
	f.Fuzz(func(t *testing.T, pattern, text string, mode byte, fold bool) {
		r := posixRequest([]query.Mode{query.ModeLocate, query.ModeBRE, query.ModeERE}[mode%3], fold, pattern)
		p, err := Compile(r)
		if err != nil {
			if _, ok := err.(*query.SyntaxError); !ok {
				t.Fatalf("%q: %v", pattern, err)
			}
			return
		}
		name := strings.Map(func(c rune) rune {
			if c == '/' || c == 0 {
				return 'a'
			}
			return c
		}, text)
		judge(t, p, "/a/b", name)
		r.FullPath = true
		if p, err = Compile(r); err != nil {
			t.Fatalf("%q: with the full path: %v", pattern, err)
		}
		judge(t, p, "/a/"+name, name)
	})
}
