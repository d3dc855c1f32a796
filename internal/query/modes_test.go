package query

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A term in another mode is one pattern, without fields or operators, and goes
// over the wire as it is.
func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode    Mode
		term    string
		matches string // separated by |
		not     string
	}{
		{ModeFixed, "a*b (", "xa*b (y", "aab (|a*b"},
		{ModeFixed, "size:1", "size:1", "size:2"},
		{ModeFixed, " ", "a b", "ab"},
		{ModeGlob, "a b*", "a bc", "xa b"},
		{ModeGlob, "foo", "foo|FOO", "xfoo|foox"},
		{ModeGlob, "OR", "OR", "or"},
		{ModeGlob, `"a"`, `"a"`, "a"},
		{ModeRegex, "^a b", "a bc", "xa b"},
		{ModeRegex, "a.b", "xa\nb", "ab"},
		{ModeRegex, "NOT", "NOT", "not"},
	} {
		r := &Request{Terms: []string{c.term}, Mode: c.mode}
		if err := r.Resolve(testEnvP(t)); err != nil || r.Terms[0] != c.term {
			t.Errorf("%v %q: resolved to %q (%v)", c.mode, c.term, r.Terms, err)
			continue
		}
		p, err := Compile(r)
		if err != nil {
			t.Errorf("%v %q: %v", c.mode, c.term, err)
			continue
		}
		m := p.NewMatcher()
		m.Enter("/d", 1)
		for _, name := range strings.Split(c.matches, "|") {
			if m.Name(name, 8) != True {
				t.Errorf("%v %q does not match %q", c.mode, c.term, name)
			}
		}
		for _, name := range strings.Split(c.not, "|") {
			if m.Name(name, 8) != False {
				t.Errorf("%v %q matches %q", c.mode, c.term, name)
			}
		}
	}
	// All of several patterns must match.
	p, err := Compile(&Request{Mode: ModeFixed, Terms: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	m := p.NewMatcher()
	m.Enter("/", 1)
	if m.Name("ab", 8) != True || m.Name("a", 8) != False {
		t.Error("two patterns: not all of them")
	}
}

func TestIn(t *testing.T) {
	p, err := Compile(&Request{In: []string{"/b", "/a/c", "/a", "/a-b/x", "/b/", "/a/c/d"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/a", "/a-b/x", "/b"}; !slices.Equal(p.In(), want) {
		t.Errorf("In is %q, want %q", p.In(), want)
	}
	p, err = Compile(&Request{In: []string{"/usr", "/"}})
	if err != nil || !slices.Equal(p.In(), []string{"/"}) {
		t.Errorf("In is %q (%v)", p.In(), err)
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("foo size:>1M", "mtime:>=2d", "src", "*.o", "", true)
	f.Add("a*b", "type:f", "/", "x/", "glob", false)
	f.Add("a.*b$", "owner:!ann:10", "..", "/a/**", "regex", false)
	f.Fuzz(func(t *testing.T, term, filter, in, exclude, mode string, fullPath bool) {
		r := &Request{Terms: []string{term}, Mode: Mode(mode), FullPath: fullPath}
		if filter != "" {
			r.Filters = []string{filter}
		}
		if in != "" {
			r.In = []string{in}
		}
		if exclude != "" {
			r.Exclude = []string{exclude}
		}
		if err := r.Resolve(testEnvP(t)); err != nil {
			checkErrorP(t, err, term)
			return
		}
		before := *r
		if err := r.Resolve(nil); err != nil || !reflect.DeepEqual(*r, before) {
			t.Errorf("resolved twice: %+v, then %+v (%v)", before, r, err)
		}
		p, err := Compile(r)
		if err != nil {
			checkErrorP(t, err, term)
			return
		}
		_ = p.Explain()
		m := p.NewMatcher()
		m.Enter("/a/src", 2)
		m.Next([]byte("main.go\x00"), 0)
		m.Name("main.go", 8)
		m.Spans(nil, "/a/src/main.go")
	})
}

// What Resolve makes of filters can be compiled.
func TestCompileResolved(t *testing.T) {
	r := &Request{
		Terms:   []string{"foo", "mtime:2026-11-20", "in:src", "a b"},
		Filters: []string{SizeFilter("+1M"), ChangedWithin("2d"), ChangedBefore("2026-11-20"), OwnerFilter("ann:wheel"), TypeFilter([]string{"d", "f,l"}), ExtFilter([]string{"Go", "tar.gz"})},
		In:      []string{"src", "/v/../w"},
		Exclude: []string{"*.o"},
		Sort:    SortSize,
	}
	if err := r.Resolve(testEnvP(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := Compile(r); err != nil {
		t.Error(err)
	}
}
