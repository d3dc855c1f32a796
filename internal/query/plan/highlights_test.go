package plan

import (
	"indexd/internal/query"
	"strings"
	"testing"
)

func TestSpans(t *testing.T) {
	for _, c := range []struct {
		r    query.Request
		path string
		want string // the path, with what is coloured in <>
	}{
		{query.Request{Terms: []string{"foo"}}, "/foo/xFooFOO", "/foo/x<FooFOO>"},
		{query.Request{Terms: []string{"foo x"}}, "/foo/xfoo", "/foo/<xfoo>"},
		{query.Request{Terms: []string{"o/x"}}, "/foo/xfoo", "/fo<o/x>foo"},
		{query.Request{Terms: []string{"path:foo"}}, "/foo/xfoo", "/<foo>/x<foo>"},
		{query.Request{Terms: []string{"foo"}, FullPath: true}, "/foo/xfoo", "/<foo>/x<foo>"},
		{query.Request{Terms: []string{"é"}}, "/x/aÉb\xffé", "/x/a<É>b\xff<é>"},
		{query.Request{Terms: []string{"é\xa9"}}, "/x/aÉ\xa9bÉé", "/x/a<É\xa9>bÉé"},
		{query.Request{Terms: []string{"\xa9"}, Case: query.CaseIgnore}, "/x/é\xa9É\xa9", "/x/\xc3<\xa9\xa9>É<\xa9>"},
		{query.Request{Terms: []string{"k"}}, "/x/\u212aaK", "/x/<\u212a>a<K>"},
		{query.Request{Terms: []string{"re:o+"}}, "/foo/foooxo", "/foo/f<ooo>x<o>"},
		{query.Request{Terms: []string{"re:x*"}}, "/a/bxx", "/a/b<xx>"},
		{query.Request{Terms: []string{"*.go"}}, "/a/b.go", "/a/<b.go>"},
		{query.Request{Terms: []string{"*.go"}}, "/a/b.c", "/a/b.c"},
		{query.Request{Terms: []string{"NOT foo", "b"}}, "/a/bfoo", "/a/<b>foo"},
		{query.Request{Terms: []string{"a OR b"}}, "/x/abc", "/x/<ab>c"},
		{query.Request{Terms: []string{"type:f"}}, "/x/abc", "/x/abc"},
	} {
		p, err := Compile(&c.r)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		at := 0
		for _, s := range p.NewMatcher().Highlights(nil, c.path) {
			out.WriteString(c.path[at:s.From] + "<" + c.path[s.From:s.To] + ">")
			at = s.To
		}
		out.WriteString(c.path[at:])
		if out.String() != c.want {
			t.Errorf("%q: %q, want %q", c.r.Terms, &out, c.want)
		}
	}
}
