package plan

import (
	"indexd/internal/query"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// In another mode, a term is one pattern, without fields or operators, and is sent unchanged.
func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode    query.Mode
		term    string
		matches string // separated by |
		not     string
	}{
		{query.ModeFixed, "a*b (", "xa*b (y", "aab (|a*b"},
		{query.ModeFixed, "size:1", "size:1", "size:2"},
		{query.ModeFixed, " ", "a b", "ab"},
		{query.ModeGlob, "a b*", "a bc", "xa b"},
		{query.ModeGlob, "foo", "foo|FOO", "xfoo|foox"},
		{query.ModeGlob, "OR", "OR", "or"},
		{query.ModeGlob, `"a"`, `"a"`, "a"},
		{query.ModeRegex, "^a b", "a bc", "xa b"},
		{query.ModeRegex, "a.b", "xa\nb", "ab"},
		{query.ModeRegex, "NOT", "NOT", "not"},
	} {
		r := &query.Request{Terms: []string{c.term}, Mode: c.mode}
		if err := r.Resolve(testEnv(t)); err != nil || r.Terms[0] != c.term {
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
			if m.Name(name, 8) != query.True {
				t.Errorf("%v %q does not match %q", c.mode, c.term, name)
			}
		}
		for _, name := range strings.Split(c.not, "|") {
			if m.Name(name, 8) != query.False {
				t.Errorf("%v %q matches %q", c.mode, c.term, name)
			}
		}
	}
	// If there are several patterns, all must match.
	p, err := Compile(&query.Request{Mode: query.ModeFixed, Terms: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	m := p.NewMatcher()
	m.Enter("/", 1)
	if m.Name("ab", 8) != query.True || m.Name("a", 8) != query.False {
		t.Error("two patterns: not all of them")
	}
}

func TestIn(t *testing.T) {
	p, err := Compile(&query.Request{In: []string{"/b", "/a/c", "/a", "/a-b/x", "/b/", "/a/c/d"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/a", "/a-b/x", "/b"}; !slices.Equal(p.In(), want) {
		t.Errorf("In is %q, want %q", p.In(), want)
	}
	p, err = Compile(&query.Request{In: []string{"/usr", "/"}})
	if err != nil || !slices.Equal(p.In(), []string{"/"}) {
		t.Errorf("In is %q (%v)", p.In(), err)
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("foo size:>1M", "mtime:>=2d", "src", "*.o", "", true)
	f.Add("a*b", "type:f", "/", "x/", "glob", false)
	f.Add("a.*b$", "owner:!ann:10", "..", "/a/**", "regex", false)
	f.Fuzz(func(t *testing.T, term, filter, in, exclude, mode string, fullPath bool) {
		r := &query.Request{Terms: []string{term}, Mode: query.Mode(mode), FullPath: fullPath}
		if filter != "" {
			r.Filters = []string{filter}
		}
		if in != "" {
			r.In = []string{in}
		}
		if exclude != "" {
			r.Exclude = []string{exclude}
		}
		if err := r.Resolve(testEnv(t)); err != nil {
			checkError(t, err, term)
			return
		}
		before := *r
		if err := r.Resolve(nil); err != nil || !reflect.DeepEqual(*r, before) {
			t.Errorf("resolved twice: %+v, then %+v (%v)", before, r, err)
		}
		p, err := Compile(r)
		if err != nil {
			checkError(t, err, term)
			return
		}
		_ = p.Explain()
		m := p.NewMatcher()
		m.Enter("/a/src", 2)
		m.Next([]byte("main.go\x00"), 0)
		m.Name("main.go", 8)
		m.Highlights(nil, "/a/src/main.go")
	})
}

// The filters that Resolve returns can be compiled.
func TestCompileResolved(t *testing.T) {
	r := &query.Request{
		Terms:   []string{"foo", "mtime:2026-11-20", "in:src", "a b"},
		Filters: []string{query.SizeFilter("+1M"), query.ChangedWithin("2d"), query.ChangedBefore("2026-11-20"), query.OwnerFilter("ann:wheel"), query.TypeFilter([]string{"d", "f,l"}), query.ExtFilter([]string{"Go", "tar.gz"})},
		In:      []string{"src", "/v/../w"},
		Exclude: []string{"*.o"},
		Sort:    query.SortSize,
	}
	if err := r.Resolve(testEnv(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := Compile(r); err != nil {
		t.Error(err)
	}
}
