package query

import (
	"strings"
	"unicode/utf8"
)

// bracket translates the bracket expression at p.at, in which '\' stands for itself and ranges
// compare code points.
func (t *regexTranslator) bracket() {
	open := t.at
	t.at++
	negated := strings.HasPrefix(t.in[t.at:], "^")
	if negated {
		t.at++
	}
	var set []byte
	for first := true; t.err == nil; first = false {
		switch s := t.in[t.at:]; {
		case s == "":
			t.fail(open, "'[' is not closed", `a bracket itself is written \[`)
		case s[0] == ']' && !first:
			t.at++
			t.class(negated, string(set))
			return
		case strings.HasPrefix(s, "[:"):
			name, _, ok := strings.Cut(s[2:], ":]")
			class := posixClass(name)
			if t.fold && (name == "upper" || name == "lower") {
				class = posixClass("alpha") // as in regcomp
			}
			switch {
			case !ok:
				t.fail(open, "'[' is not closed", `a bracket itself is written \[`)
			case class == "":
				t.fail(t.at, "there is no class of this name", "alnum alpha blank cntrl digit graph lower print punct space upper xdigit")
			}
			set = append(set, class...)
			t.at += len(name) + 4
		default:
			set = t.span(set, first)
		}
	}
}

// span appends one character of a bracket expression, or a range, to set. first is set for the
// first one.
func (t *regexTranslator) span(set []byte, first bool) []byte {
	at := t.at
	follows := func(s string) bool { return strings.HasPrefix(t.in[t.at:], s) }
	if follows("-") && !first && !follows("-]") {
		t.fail(at, "the range has no beginning", "a '-' itself comes last")
		return set
	}
	equal := follows("[=")
	lo := t.member()
	set = appendClassChar(set, lo)
	if equal || !follows("-") || follows("-]") {
		return set
	}
	t.at++
	if follows("[:") || follows("[=") {
		t.fail(at, "a class cannot end a range", "")
		return set
	}
	hi := t.member()
	if hi < lo && t.err == nil {
		t.fail(at, "the range ends before it begins", "write the lower character first, as in [a-z]")
	}
	return appendClassChar(append(set, '-'), hi)
}

// member reads one character of a bracket expression, which may be written "[.c.]" or "[=c=]".
func (t *regexTranslator) member() rune {
	s := t.in[t.at:]
	if len(s) > 1 && s[0] == '[' && (s[1] == '.' || s[1] == '=') {
		mark := s[1:2]
		_, w := utf8.DecodeRuneInString(s[2:])
		if w == 0 || !strings.HasPrefix(s[2+w:], mark+"]") {
			t.fail(t.at, "this is not one character", "")
			return 0
		}
		t.at += 2 + w + 2
		s = s[2:]
	} else {
		_, w := utf8.DecodeRuneInString(s)
		t.at += w
	}
	if s == "" {
		t.fail(t.at, "'[' is not closed", `a bracket itself is written \[`)
	}
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// appendClassChar appends r as it is written in an RE2 class.
func appendClassChar(set []byte, r rune) []byte {
	if r < utf8.RuneSelf && strings.IndexByte(`\[]^-:&~`, byte(r)) >= 0 {
		set = append(set, '\\')
	}
	return utf8.AppendRune(set, r)
}
