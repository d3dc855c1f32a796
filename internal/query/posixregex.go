package query

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// parsePosixRegex translates a POSIX regular expression, basic or extended as glibc reads it,
// to RE2. '^' and '$' are the ends of the whole text, and '.' and negated classes match a
// newline too.
func parsePosixRegex(r *Request, s string, extended bool) (Expr, error) {
	where, fold := r.posixScope(), r.Case == CaseIgnore
	if !utf8.ValidString(s) {
		if strings.ContainsAny(s, `\.[*^$`) || extended && strings.ContainsAny(s, `+?(){|`) {
			return nil, &SyntaxError{s, ValidLen(s), "a regular expression must be UTF-8", "or nothing but a text"}
		}
		return literally(s, where), nil
	}
	p := regexTranslator{in: s, extended: extended, fold: fold}
	p.alternatives(false)
	if p.err != nil {
		return nil, p.err
	}
	re := string(p.out)
	if re == "" {
		return Everything{}, nil
	}
	if _, _, err := parseRegex(re, plain(re, 0), false); err != nil {
		return nil, &SyntaxError{s, 0, err.Error(), ""}
	}
	x := &Text{Kind: RegexPattern, Where: where, Pattern: re}
	if p.edges {
		x.Kind = WordRegex
	}
	return x, nil
}

// regexTranslator translates a POSIX regular expression to RE2. After an error its output is
// meaningless.
type regexTranslator struct {
	in       string
	extended bool
	fold     bool // case is ignored
	at       int
	depth    int // of nested parentheses
	out      []byte
	edges    bool // it has \< \> \b or \B
	err      *SyntaxError
}

// In the RE2 of a WordRegex, the beginning and the end of a word are written as the beginning
// and the end of a line, which no POSIX regular expression needs.
const (
	wordBegins = `(?m:^)`
	wordEnds   = `(?m:$)`
)

// maxRepeat is the largest repeat count of RE2.
const maxRepeat = 1000

func (t *regexTranslator) fail(at int, msg, hint string) {
	if t.err == nil {
		t.err = &SyntaxError{t.in, at, msg, hint}
	}
}

// operator returns the operator at p.at and its length: one of | ( ) { + ? *, all of which
// except the last follow a '\' in a basic expression. The length is 0 if there is none.
func (t *regexTranslator) operator() (op byte, n int) {
	s := t.in[t.at:]
	switch {
	case s == "":
	case s[0] == '*':
		return '*', 1
	case t.extended && strings.IndexByte("|(){+?", s[0]) >= 0:
		return s[0], 1
	case !t.extended && len(s) > 1 && s[0] == '\\' && strings.IndexByte("|(){+?", s[1]) >= 0:
		return s[1], 2
	}
	return 0, 0
}

// alternatives translates up to the end or, in parentheses, to the closing one.
func (t *regexTranslator) alternatives(inside bool) {
	for t.branch(inside); t.err == nil; t.branch(inside) {
		if op, n := t.operator(); op == '|' {
			t.out = append(t.out, '|')
			t.at += n
			continue
		}
		return
	}
}

// branch translates up to the next '|', or as far as alternatives does.
func (t *regexTranslator) branch(inside bool) {
	start := t.at
	for t.at < len(t.in) && t.err == nil {
		op, n := t.operator()
		if op == '|' || op == ')' && inside {
			return
		}
		from := len(t.out)
		switch {
		case op == ')' && !t.extended:
			t.fail(t.at, "')' without '(' before it", `a parenthesis itself is written )`)
		case op == '(':
			t.group(n)
			t.repeat(from)
		case op == '{' || op != 0 && op != ')' && t.extended:
			t.fail(t.at, "there is nothing to repeat", `the character itself is written \`+string(op))
		case op != 0: // at the beginning of a branch it stands for itself
			t.out = append(t.out, '\\', op)
			t.at += n
			t.repeat(from)
		case t.anchor(start):
		default:
			t.atom()
			t.repeat(from)
		}
	}
}

// group translates an expression in parentheses. n is the length of the opening one.
func (t *regexTranslator) group(n int) {
	open := t.at
	t.at += n
	if t.depth++; t.depth > MaxNesting {
		t.fail(open, "parentheses nest too deep", "")
		return
	}
	t.out = append(t.out, "(?:"...)
	t.alternatives(true)
	t.out = append(t.out, ')')
	t.depth--
	if op, n := t.operator(); op == ')' {
		t.at += n
		return
	}
	t.fail(open, "'(' is not closed", "")
}

// anchor translates what matches between two characters, if that comes next. start is the
// beginning of the branch.
func (t *regexTranslator) anchor(start int) bool {
	s := t.in[t.at:]
	write := func(n int, re string) bool {
		t.out = append(t.out, re...)
		t.at += n
		return true
	}
	edge := func(re string) bool {
		t.edges = true
		return write(2, re)
	}
	switch {
	case s[0] == '^' && (t.extended || t.at == start):
		return write(1, `\A`)
	case s[0] == '$' && (t.extended || len(s) == 1 || strings.HasPrefix(s[1:], `\)`) || strings.HasPrefix(s[1:], `\|`)):
		return write(1, `\z`)
	case len(s) < 2 || s[0] != '\\':
		return false
	}
	switch s[1] {
	case '`':
		return write(2, `\A`)
	case '\'':
		return write(2, `\z`)
	case 'b':
		return edge(`\b`)
	case 'B':
		return edge(`\B`)
	case '<':
		return edge(wordBegins)
	case '>':
		return edge(wordEnds)
	}
	return false
}

// atom translates one character, or what stands for one.
func (t *regexTranslator) atom() {
	c := t.in[t.at]
	switch {
	case c == '.':
		t.at++
		t.out = append(t.out, '.')
	case c == '[':
		t.bracket()
	case c != '\\':
		t.char()
	case t.at+1 == len(t.in):
		t.fail(t.at, "a backslash at the end", `a backslash itself is written \\`)
	default:
		t.at++
		switch c := t.in[t.at]; c {
		case 'w', 'W':
			t.at++
			t.class(c == 'W', posixWord())
		case 's', 'S':
			t.at++
			t.class(c == 'S', posixClass("space"))
		case '1', '2', '3', '4', '5', '6', '7', '8', '9':
			t.fail(t.at-1, "there are no back-references", "")
		default:
			t.char()
		}
	}
}

// char translates the character at p.at, which stands for itself.
func (t *regexTranslator) char() {
	_, w := utf8.DecodeRuneInString(t.in[t.at:])
	if c := t.in[t.at]; c < utf8.RuneSelf && strings.IndexByte(`\.+*?()|[]{}^$`, c) >= 0 {
		t.out = append(t.out, '\\')
	}
	t.out = append(t.out, t.in[t.at:t.at+w]...)
	t.at += w
}

// class writes a class of what is in an RE2 class.
func (t *regexTranslator) class(negated bool, in string) {
	t.out = append(t.out, '[')
	if negated {
		t.out = append(t.out, '^')
	}
	t.out = append(t.out, in...)
	t.out = append(t.out, ']')
}

// repeat translates the operators behind what begins at from in p.out.
func (t *regexTranslator) repeat(from int) {
	for again := false; t.err == nil; again = true {
		op, n := t.operator()
		if strings.IndexByte("*+?{", op) < 0 || op == 0 {
			return
		}
		if again && !t.extended && (op == '*' || op == '{') {
			t.fail(t.at, "what is repeated is repeated again", `with parentheses it may be: \(a*\)*`)
		}
		if again {
			if len(t.out) > 4*maxRegex {
				t.fail(t.at, "the regular expression is too long", "")
				return
			}
			t.out = append(append(t.out[:from:from], "(?:"...), append(t.out[from:], ')')...)
		}
		at := t.at
		t.at += n
		if op == '{' {
			t.interval(at)
		} else {
			t.out = append(t.out, op)
		}
	}
}

// interval translates what comes behind the '{' at open.
func (t *regexTranslator) interval(open int) {
	closing := "}"
	if !t.extended {
		closing = `\}`
	}
	s := t.in[t.at:]
	end := strings.Index(s, closing)
	if end < 0 {
		t.fail(open, "'{' is not closed", "")
		return
	}
	low, high, comma := strings.Cut(s[:end], ",")
	lo, err1 := repeats(low, 0)
	hi, err2 := repeats(high, -1)
	switch {
	case err1 != nil || err2 != nil || low == "" && !comma:
		t.fail(open, "the repeat count is malformed", `as in {2}, {2,}, {,5} or {2,5}`)
	case comma && hi >= 0 && hi < lo:
		t.fail(open, "the range ends before it begins", "")
	case lo > maxRepeat || hi > maxRepeat:
		t.fail(open, "the regular expression is too large", "smaller counts in {n,m} help")
	}
	t.out = append(t.out, '{')
	t.out = strconv.AppendInt(t.out, int64(lo), 10)
	if comma {
		t.out = append(t.out, ',')
		if hi >= 0 {
			t.out = strconv.AppendInt(t.out, int64(hi), 10)
		}
	}
	t.out = append(t.out, '}')
	t.at += end + len(closing)
}

// repeats reads one number of an interval; without one it is the other.
func repeats(s string, other int) (int, error) {
	if s == "" {
		return other, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}
