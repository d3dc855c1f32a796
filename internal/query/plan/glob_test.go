package plan

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"indexd/internal/query"
	"indexd/internal/query/pattern"
	"indexd/listing"
)

func matchGlob(t *testing.T, glob, s string, fold bool) (bool, error) {
	t.Helper()
	parts, err := query.ParseGlob(glob)
	if err != nil {
		return false, err
	}
	budget := query.MaxSteps
	g, ok := pattern.CompileGlob(parts, pattern.FindGlob, fold, &budget)
	if !ok {
		return false, errors.New("too large")
	}
	var a, b pattern.GlobState
	return g.Match(&a, &b, s, new(pattern.StepBudget)), nil
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		glob    string
		matches string // names separated by blanks
		not     string
	}{
		{"*.go", "main.go .go a.b.go", "main.go.x main.Go go"},
		{"a*b*c", "abc aXbXc abcbc", "ab acb abcd"},
		{"?", "a é \xff", "ab \xff\xfe"},
		{"[a-c]?", "ab c\xff", "da a"},
		{"[!a-c]", "d é \xff", "a b /"},
		{"[^a-c]", "d", "c"},
		{"[]x]", "] x", "a"},
		{"[!]x]", "a", "] x"},
		{"[a-]", "a -", "b"},
		{`[\]\-]`, "] -", `\`},
		{"[[:digit:][:upper:]]", "7 A É", "a é -"},
		{"[\xc3-\xff]", "\xc3 \xe0", "\xc2 é"},
		{"{a,b{c,d}}x", "ax bcx bdx", "bx abx"},
		{"{,.}x", "x .x", "ax"},
		{"{a}", "a", "{a} b"},
		{`\*\{`, "*{", "a{"},
		{`a\b`, "ab", `a\b`},
		{`a\`, `a\`, "a"},
		{"a,b", "a,b", "a b"},
		{`{a\,b,c}`, "a,b c", "a b"},
		{"*", "a .a", "a/b"},
		{"a**b", "ab a/b a/x/b", "a a/x"},
		{"a/*/c", "a/b/c", "a/c a/b/b/c"},
		{"a/**/c", "a/c a/b/c a/b/b/c", "ac a/bc"},
		{"**/c", "c /c a/b/c", "xc a/xc"},
		{"a/**", "a/b a/b/c", "a ab"},
		{"**/**/c", "c a/c", "xc"},
		{"/**/c/*.[ch]", "/c/x.c /a/b/c/x.h", "/c/x/y.c c/x.c"},
		{"{a/,b/}**/c", "a/c a/x/c b/c", "ac bc"},
		{"?a", "xa", "/a"},
		{"[!x]a", "ya", "/a"},
		{"ж*", "жук", "Жук"},
	} {
		for _, s := range strings.Fields(c.matches) {
			if ok, err := matchGlob(t, c.glob, s, false); !ok || err != nil {
				t.Errorf("%q does not match %q (%v)", c.glob, s, err)
			}
		}
		for _, s := range strings.Fields(c.not) {
			if ok, err := matchGlob(t, c.glob, s, false); ok || err != nil {
				t.Errorf("%q matches %q (%v)", c.glob, s, err)
			}
		}
	}
}

func TestGlobFold(t *testing.T) {
	for _, c := range []struct{ glob, matches, not string }{
		{"readme*", "README.md ReadMe", "red"},
		{"*É", "é xÉ", "e"},
		{"[a-c]K", "Bk c\u212a", "dk"},
		{"[!a]", "b B", "a A"},
		{"[[:lower:]]", "a A", "1"},
		{"s\xff", "S\xff \u017f\xff", "s\xfe"},
	} {
		for _, s := range strings.Fields(c.matches) {
			if ok, err := matchGlob(t, c.glob, s, true); !ok || err != nil {
				t.Errorf("%q does not match %q (%v)", c.glob, s, err)
			}
		}
		for _, s := range strings.Fields(c.not) {
			if ok, err := matchGlob(t, c.glob, s, true); ok || err != nil {
				t.Errorf("%q matches %q (%v)", c.glob, s, err)
			}
		}
	}
}

// The oracle is the glob as a regular expression of package regexp.
func FuzzGlob(f *testing.F) {
	for _, s := range []string{"*.go", "a{b,c}*", "[!a-c]?", "**/x/**", `\*a`, "{a,{b,}}[k]"} {
		f.Add(s, "main.go", true)
		f.Add(s, "/x/ab", false)
	}
	f.Fuzz(func(t *testing.T, glob, s string, fold bool) {
		parts, err := query.ParseGlob(glob)
		if err != nil {
			checkError(t, err, glob)
			return
		}
		canonical := query.GlobText(parts)
		again, err := query.ParseGlob(canonical)
		if err != nil || query.GlobText(again) != canonical {
			t.Fatalf("%q is written %q, and that %q (%v)", glob, canonical, query.GlobText(again), err)
		}
		got, err := matchGlob(t, canonical, s, fold)
		if err != nil {
			return
		}
		// The same by a plan, which uses literals.
		if s != "" && !strings.ContainsAny(s, "/\x00") && !strings.Contains(canonical, "/") {
			checkName(t, &query.Request{Mode: query.ModeGlob, Terms: []string{canonical}, Case: foldCase(fold)}, s, got)
		}
		// Package regexp differs in named classes, a class that contains '/', and "**/" behind
		// a brace.
		if strings.Contains(canonical, "[") && (strings.Contains(canonical, "/") || strings.Contains(canonical, "[:")) ||
			strings.Contains(canonical, "}**/") {
			return
		}
		flags := "(?s)"
		if fold {
			flags = "(?si)"
		}
		re, err := regexp.Compile(flags + globRegex(canonical))
		if err != nil {
			t.Skip(err)
		}
		if want := re.MatchString(encodeBytes(s)); got != want {
			t.Errorf("%q (canonically %q) on %q, fold %v: %v, want %v", glob, canonical, s, fold, got, want)
		}
	})
}

func foldCase(fold bool) query.Case {
	if fold {
		return query.CaseIgnore
	}
	return query.CaseSensitive
}

// checkName checks that a plan finds name, in a column with other names, if and only if want
// is set.
func checkName(t *testing.T, r *query.Request, name string, want bool) {
	t.Helper()
	p, err := Compile(r)
	if err != nil {
		return // rejected as too large or as empty
	}
	m := p.NewMatcher()
	here := m.Enter("/d", 1)
	col := []byte("Abc\x00" + name + "\x00zz.go\x00")
	const start = 4
	k := m.Next(col, start)
	passed := k < 0 || k > start+len(name)
	got := m.Name(name, listing.Regular)
	if (got == query.True) != want || here != query.Unknown && here != got || passed && got != query.False {
		t.Errorf("%+v on %q: Enter %v, Next %d, Name %v, want %v", r, name, here, k, got, want)
	}
}

// The oracle is package regexp without literals.
func FuzzRegex(f *testing.F) {
	for _, s := range []string{`^ab(c|d)e?$`, `\.go$`, `(?i:k)ab+`, `x{2,3}[a-c]y`, `(?m)^a$`, `\bfoo\b`, `(a|)b`, `[^a]\x{FFFD}`} {
		f.Add(s, "abce", false)
		f.Add(s, "\u212aABB\n\xff", true)
	}
	f.Fuzz(func(t *testing.T, pattern, name string, fold bool) {
		if name == "" || strings.ContainsAny(name, "/\x00") || strings.Contains(pattern, "/") || pattern == "" {
			return
		}
		r := &query.Request{Mode: query.ModeRegex, Terms: []string{pattern}, Case: foldCase(fold)}
		if _, err := Compile(r); err != nil {
			checkError(t, err, pattern)
			return
		}
		flags := "(?s)"
		if fold {
			flags = "(?si)"
		}
		checkName(t, r, name, regexp.MustCompile(flags+pattern).MatchString(name))
	})
}
