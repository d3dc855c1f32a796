package query

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{" \t\n", ""},
		{"foo", "foo"},
		{"  foo\tbar ", "foo bar"},
		{"foo AND bar", "foo bar"},
		{"a b OR c d", "a b OR c d"},
		{"( a b ) OR ( c )", "a b OR c"},
		{"a | b | c", "a OR b OR c"},
		{"( a OR b ) c", "( a OR b ) c"},
		{"a ( b c ) d", "a b c d"},
		{"NOT a b", "NOT a b"},
		{"NOT ( a b )", "NOT ( a b )"},
		{"!a !(  b OR c )", "NOT a NOT ( b OR c )"},
		{"! a", "NOT a"},
		{"NOT NOT a", "a"},
		{"!!!a", "NOT a"},
		{"NOT ! a", "a"},
		{"a|b report(1).pdf a! (a b)", "a|b report(1).pdf a! (a b)"},
		{"or and not", "or and not"},
		{"!OR", `NOT "OR"`},
		{`"OR" "(" "!a"`, `"OR" "(" "!a"`},
		{`"a  b"`, `"a  b"`},
		{`a" "b`, `"a b"`},
		{`""""`, `""""`},
		{`say""""ing`, `"say""ing"`},
		{`"*.go"`, `"*.go"`},
		{`"*"*.go`, `\**.go`},
		{`a" "*`, `a" "*`},
		{`"!"*`, `"!"*`},
		{`"f:"*`, `"f":*`},
		{`"foo:bar"`, `"foo:bar"`},
		{"libc6:amd64 12:30 :x", "libc6:amd64 12:30 :x"},
		{"a/b", "a/b"},
		{"name:foo path:foo", "name:foo path:foo"},
		{"NAME:foo", "name:foo"},
		{`name:"a b"`, `name:"a b"`},
		{"path:*.go", "path:*.go"},
		{`re:(a|b)\.go$`, `re:(a|b)\.go$`},
		{`re:"a b"`, `re:"a b"`},
		{"***/x", "**/x"},
		{"**/**/x", "**/x"},
		{`\a*`, `a*`},
		{"[b-b]", "[b]"},
		{"ext:.Go,H", "ext:go,h"},
		{`ext:"a,b",c`, `ext:"a,b",c`},
		{"type:dir,f,x", "type:f,d,x"},
		{"type:symlink", "type:l"},
		{"size:1M", "size:1048576"},
		{"size:+1M", "size:>=1048577"},
		{"size:-10k", "size:<=10239"},
		{"size:>=2.5G", "size:>=2684354560"},
		{"size:1k..2KiB", "size:1024..2048"},
		{"size:..1k", "size:<=1024"},
		{"size:1b..", "size:>=1"},
		{"size:0.3k", "size:307"},
		{`size:">1k"`, "size:>=1025"},
		{"depth:2", "depth:2"},
		{"depth:<3", "depth:<=2"},
		{"owner:ann", "owner:1000"},
		{"owner:!root:wheel", "owner:!0:10"},
		{"owner::wheel", "group:10"},
		{"owner:77", "owner:78"},
		{"owner:4711", "owner:4711"},
		{"group:wheel", "group:10"},
		{"group:!wheel", "group:!10"},
		{"perm:4755 perm:-4000 perm:/222", "perm:4755 perm:-4000 perm:/222"},
		{"perm:0755", "perm:755"},
		{"in:src", "in:/home/u/src"},
		{"in:../v/./", "in:/home/v"},
		{`in:"/a b"`, `in:"/a b"`},
	} {
		x, err := Parse(c.in, testEnv(t))
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if got := x.String(); got != c.want {
			t.Errorf("%q is %q, want %q", c.in, got, c.want)
		}
		checkCanonical(t, x)
	}
}

// checkCanonical checks that x is parsed from its own text, without an Env.
func checkCanonical(t *testing.T, x Expr) {
	t.Helper()
	s := x.String()
	again, err := Parse(s, nil)
	if err != nil {
		t.Errorf("canonical %q: %v", s, err)
	} else if !reflect.DeepEqual(x, again) {
		t.Errorf("canonical %q is read as %#v, which is written %q", s, again, again.String())
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		in  string
		pos int
		msg string
	}{
		{"a OR", 2, "OR has no term after it"},
		{"OR a", 0, "OR has no term before it"},
		{"| a", 0, "| has no term before it"},
		{"a AND OR b", 2, "AND has no term after it"},
		{"a NOT", 2, "NOT has no term after it"},
		{"a !", 2, "! has no term after it"},
		{"a ( b", 2, "'(' is not closed by a ')' that is a word of its own"},
		{"a ( b c)", 2, "'(' is not closed by a ')' that is a word of its own"},
		{"a (", 2, "'(' is not closed"},
		{"a ( )", 2, "there is nothing in the parentheses"},
		{"a ) b", 2, "')' without '(' before it"},
		{") b", 0, "')' without '(' before it"},
		{`a "b`, 2, "the quote is not closed"},
		{`a ""`, 2, "there is nothing in the quotes"},
		{"x http://y", 2, `there is no field "http"`},
		{"x size:", 7, "size: has no value"},
		{`name:""`, 7, "name: has no value"},
		{"x size:10Q", 9, `there is no unit "Q"`},
		{"size:kk", 5, "this is no number"},
		{"size:1.k", 7, "digits are missing after the point"},
		{"size:9E", 5, "the size is too large"},
		{"size:99999999999999999999", 5, "the number is too large"},
		{"size:>", 6, "there is nothing to compare with"},
		{"size:..", 5, "a range needs an end"},
		{"size:>1..2", 7, "a range takes no sign"},
		{"size:2..1", 5, "the range ends before it begins"},
		{"size:<0", 6, "nothing is smaller"},
		{"depth:2k", 7, "depth: takes a number"},
		{"type:f,q", 7, `there is no type "q"`},
		{"type:f,", 7, `there is no type ""`},
		{"ext:c,,h", 6, "an extension is missing"},
		{"ext:a/b", 4, "no extension has a '/'"},
		{"perm:8", 5, "permissions are up to four octal digits"},
		{"perm:-77777", 6, "permissions are up to four octal digits"},
		{"perm:/", 6, "permissions are up to four octal digits"},
		{"owner:nobody-here", 6, `there is no user "nobody-here" here`},
		{"owner:ann:nobody-here", 10, `there is no group "nobody-here" here`},
		{"owner:ann:", 10, "the group is missing"},
		{"owner:!", 7, "the user is missing"},
		{"name:a/b", 6, "no name has a '/'"},
		{"x [a", 2, "'[' is not closed"},
		{"x name:a{b", 8, "'{' is not closed"},
		{"x re:a(b", 6, "'(' is not closed"},
		{"re:a)b", 4, "')' without '(' before it"},
		{"re:[(]a)b", 7, "')' without '(' before it"},
		{`re:(a)\1`, 6, "invalid escape sequence"},
		{"re:a**", 4, "invalid nested repetition operator"},
		{"re:*a", 3, "missing argument to repetition operator"},
		{"re:a\xff", 4, "a regular expression must be UTF-8"},
		{"mtime:soon", 6, `"soon" is neither a date nor a duration`},
		{"mtime:2", 7, "the unit is missing"},
		{"mtime:2x", 7, `there is no unit "x"`},
		{"mtime:2026-13-01", 6, `"2026-13-01" is no date`},
		{"mtime:1d..2d", 6, "the range ends before it begins"},
		{"mtime:99999999999y", 6, "the duration is too long"},
		{"mtime:@x", 7, "this is no number"},
		{"a\x00b", 1, "no name has a NUL byte"},
	} {
		_, err := Parse(c.in, testEnv(t))
		var se *SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%q: %v, want %q", c.in, err, c.msg)
			continue
		}
		if se.Pos != c.pos || se.Msg != c.msg || se.Text != c.in {
			t.Errorf("%q: %q at %d of %q, want %q at %d", c.in, se.Msg, se.Pos, se.Text, c.msg, c.pos)
		}
		checkError(t, err, c.in)
	}
}

// What is sent to the daemon must be absolute.
func TestParseNeedsEnv(t *testing.T) {
	for _, s := range []string{"mtime:2d", "mtime:today", "mtime:2026-11-20", "mtime:2026-11-20T10:00:00", "owner:root", "group:wheel", "in:src"} {
		if _, err := Parse(s, nil); err == nil {
			t.Errorf("%q is read without an Env", s)
		}
		if _, err := Parse(s, testEnv(t)); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestDetail(t *testing.T) {
	for _, c := range []struct {
		err  SyntaxError
		want string
	}{
		{SyntaxError{"a size:10Q", 9, "x", "units are b k"}, "  a size:10Q\n           ^\n  units are b k\n"},
		{SyntaxError{"a", 1, "x", ""}, "  a\n   ^\n"},
		{SyntaxError{"é漢\x1b\xff(", 7, "x", ""}, "  é漢\\x1b\\xff(\n             ^\n"},
		{SyntaxError{strings.Repeat("a", 50) + "(" + strings.Repeat("b", 50), 50, "x", ""},
			"  …" + strings.Repeat("a", 36) + "(" + strings.Repeat("b", 35) + "…\n" + strings.Repeat(" ", 39) + "^\n"},
	} {
		if got := c.err.Detail(); got != c.want {
			t.Errorf("Detail of %+v is\n%s want\n%s", c.err, got, c.want)
		}
	}
}

func TestSmartCaseOfRegex(t *testing.T) {
	for _, c := range []struct {
		re   string
		want bool
	}{
		{"foo", false}, {"Foo", true}, {`\S\W\D`, false}, {`\pL\p{Lu}x`, false}, {`\PLx`, false},
		{"[A-Z]", true}, {"[a-z]", false}, {`\x41`, true}, {`\x{41}`, true}, {`\x61`, false},
		{"(?P<Name>x)", false}, {"(?P<Name>X)", true}, {"(?U)x", false}, {"(?:X)", true}, {`\QA\E`, true}, {`\Qa\EB`, true},
		{`\Qa\Eb`, false}, {"É", true}, {`\pLX`, true}, {`\p{Greek}X`, true}, {`\`, false}, {`\p`, false}, {`\x`, false}, {`\p{`, false},
		{`\\S`, true}, {"(?", false},
	} {
		if got := RegexHasUpper(c.re); got != c.want {
			t.Errorf("%q: %v", c.re, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`foo OR ( !bar "b""az" ) *.go`, "size:1.5k..2M mtime:>2d owner:!root:wheel", "mtime:2026-11-20..yesterday type:f,x ext:c,h",
		`re:"(a|b) c" name:[a-z]* path:/usr/**/x in:.. perm:-4000 depth:<3`, `a" "{b,\,}["x"]`, "mtime:@-5.5..@7",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := Parse(s, testEnv(t))
		if err != nil {
			checkError(t, err, s)
			return
		}
		if len(x.String()) <= MaxText {
			checkCanonical(t, x)
		}
	})
}

// For something that is not a number at all, the hint gives examples.
func TestNumberHints(t *testing.T) {
	for q, want := range map[string]string{"size:big": "size:10k", "depth:x": "depth:2", "mtime:@x": ""} {
		_, err := Parse(q, testEnv(t))
		var se *SyntaxError
		if !errors.As(err, &se) || !strings.HasPrefix(se.Hint, want) {
			t.Errorf("%q: %+v", q, err)
		}
	}
}
