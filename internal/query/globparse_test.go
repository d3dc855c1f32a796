package query

import (
	"errors"
	"strings"
	"testing"
)

func TestGlobErrors(t *testing.T) {
	for _, c := range []struct {
		glob string
		pos  int
		msg  string
	}{
		{"a[b", 1, "'[' is not closed"},
		{"a[]", 1, "'[' is not closed"},
		{"[!]", 0, "'[' is not closed"},
		{"a{b,c", 1, "'{' is not closed"},
		{"{a,{b}", 0, "'{' is not closed"},
		{"a}", 1, "'}' without '{' before it"},
		{"{a}}", 3, "'}' without '{' before it"},
		{"x[z-a]", 2, "the range ends before it begins"},
		{"[[:foo:]]", 1, "there is no class of this name"},
		{strings.Repeat("{", 60), maxBraces, "braces nest too deep"},
	} {
		_, err := parseGlob(c.glob, plain(c.glob, 0))
		var se *SyntaxError
		if !errors.As(err, &se) || se.Pos != c.pos || se.Msg != c.msg || se.Text != c.glob {
			t.Errorf("%q: %+v, want %q at %d", c.glob, err, c.msg, c.pos)
		}
	}
}
