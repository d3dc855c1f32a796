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

func (p *regexTranslator) fail(at int, msg, hint string) {
	if p.err == nil {
		p.err = &SyntaxError{p.in, at, msg, hint}
	}
}

// operator returns the operator at p.at and its length: one of | ( ) { + ? *, all of which
// except the last follow a '\' in a basic expression. The length is 0 if there is none.
func (p *regexTranslator) operator() (op byte, n int) {
	s := p.in[p.at:]
	switch {
	case s == "":
	case s[0] == '*':
		return '*', 1
	case p.extended && strings.IndexByte("|(){+?", s[0]) >= 0:
		return s[0], 1
	case !p.extended && len(s) > 1 && s[0] == '\\' && strings.IndexByte("|(){+?", s[1]) >= 0:
		return s[1], 2
	}
	return 0, 0
}

// alternatives translates up to the end or, in parentheses, to the closing one.
func (p *regexTranslator) alternatives(inside bool) {
	for p.branch(inside); p.err == nil; p.branch(inside) {
		if op, n := p.operator(); op == '|' {
			p.out = append(p.out, '|')
			p.at += n
			continue
		}
		return
	}
}

// branch translates up to the next '|', or as far as alternatives does.
func (p *regexTranslator) branch(inside bool) {
	start := p.at
	for p.at < len(p.in) && p.err == nil {
		op, n := p.operator()
		if op == '|' || op == ')' && inside {
			return
		}
		from := len(p.out)
		switch {
		case op == ')' && !p.extended:
			p.fail(p.at, "')' without '(' before it", `a parenthesis itself is written )`)
		case op == '(':
			p.group(n)
			p.repeat(from)
		case op == '{' || op != 0 && op != ')' && p.extended:
			p.fail(p.at, "there is nothing to repeat", `the character itself is written \`+string(op))
		case op != 0: // at the beginning of a branch it stands for itself
			p.out = append(p.out, '\\', op)
			p.at += n
			p.repeat(from)
		case p.anchor(start):
		default:
			p.atom()
			p.repeat(from)
		}
	}
}

// group translates an expression in parentheses. n is the length of the opening one.
func (p *regexTranslator) group(n int) {
	open := p.at
	p.at += n
	if p.depth++; p.depth > MaxNesting {
		p.fail(open, "parentheses nest too deep", "")
		return
	}
	p.out = append(p.out, "(?:"...)
	p.alternatives(true)
	p.out = append(p.out, ')')
	p.depth--
	if op, n := p.operator(); op == ')' {
		p.at += n
		return
	}
	p.fail(open, "'(' is not closed", "")
}

// anchor translates what matches between two characters, if that comes next. start is the
// beginning of the branch.
func (p *regexTranslator) anchor(start int) bool {
	s := p.in[p.at:]
	write := func(n int, re string) bool {
		p.out = append(p.out, re...)
		p.at += n
		return true
	}
	edge := func(re string) bool {
		p.edges = true
		return write(2, re)
	}
	switch {
	case s[0] == '^' && (p.extended || p.at == start):
		return write(1, `\A`)
	case s[0] == '$' && (p.extended || len(s) == 1 || strings.HasPrefix(s[1:], `\)`) || strings.HasPrefix(s[1:], `\|`)):
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
func (p *regexTranslator) atom() {
	c := p.in[p.at]
	switch {
	case c == '.':
		p.at++
		p.out = append(p.out, '.')
	case c == '[':
		p.bracket()
	case c != '\\':
		p.char()
	case p.at+1 == len(p.in):
		p.fail(p.at, "a backslash at the end", `a backslash itself is written \\`)
	default:
		p.at++
		switch c := p.in[p.at]; c {
		case 'w', 'W':
			p.at++
			p.class(c == 'W', posixWord())
		case 's', 'S':
			p.at++
			p.class(c == 'S', posixClass("space"))
		case '1', '2', '3', '4', '5', '6', '7', '8', '9':
			p.fail(p.at-1, "there are no back-references", "")
		default:
			p.char()
		}
	}
}

// char translates the character at p.at, which stands for itself.
func (p *regexTranslator) char() {
	_, w := utf8.DecodeRuneInString(p.in[p.at:])
	if c := p.in[p.at]; c < utf8.RuneSelf && strings.IndexByte(`\.+*?()|[]{}^$`, c) >= 0 {
		p.out = append(p.out, '\\')
	}
	p.out = append(p.out, p.in[p.at:p.at+w]...)
	p.at += w
}

// class writes a class of what is in an RE2 class.
func (p *regexTranslator) class(negated bool, in string) {
	p.out = append(p.out, '[')
	if negated {
		p.out = append(p.out, '^')
	}
	p.out = append(p.out, in...)
	p.out = append(p.out, ']')
}

// repeat translates the operators behind what begins at from in p.out.
func (p *regexTranslator) repeat(from int) {
	for again := false; p.err == nil; again = true {
		op, n := p.operator()
		if strings.IndexByte("*+?{", op) < 0 || op == 0 {
			return
		}
		if again && !p.extended && (op == '*' || op == '{') {
			p.fail(p.at, "what is repeated is repeated again", `with parentheses it may be: \(a*\)*`)
		}
		if again {
			if len(p.out) > 4*maxRegex {
				p.fail(p.at, "the regular expression is too long", "")
				return
			}
			p.out = append(append(p.out[:from:from], "(?:"...), append(p.out[from:], ')')...)
		}
		at := p.at
		p.at += n
		if op == '{' {
			p.interval(at)
		} else {
			p.out = append(p.out, op)
		}
	}
}

// interval translates what comes behind the '{' at open.
func (p *regexTranslator) interval(open int) {
	closing := "}"
	if !p.extended {
		closing = `\}`
	}
	s := p.in[p.at:]
	end := strings.Index(s, closing)
	if end < 0 {
		p.fail(open, "'{' is not closed", "")
		return
	}
	low, high, comma := strings.Cut(s[:end], ",")
	lo, err1 := repeats(low, 0)
	hi, err2 := repeats(high, -1)
	switch {
	case err1 != nil || err2 != nil || low == "" && !comma:
		p.fail(open, "this does not say how often", `as in {2}, {2,}, {,5} or {2,5}`)
	case comma && hi >= 0 && hi < lo:
		p.fail(open, "the range ends before it begins", "")
	case lo > maxRepeat || hi > maxRepeat:
		p.fail(open, "the regular expression is too large", "smaller counts in {n,m} help")
	}
	p.out = append(p.out, '{')
	p.out = strconv.AppendInt(p.out, int64(lo), 10)
	if comma {
		p.out = append(p.out, ',')
		if hi >= 0 {
			p.out = strconv.AppendInt(p.out, int64(hi), 10)
		}
	}
	p.out = append(p.out, '}')
	p.at += end + len(closing)
}

// repeats reads one number of an interval; without one it is the other.
func repeats(s string, other int) (int, error) {
	if s == "" {
		return other, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}
