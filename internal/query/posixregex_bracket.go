package query

import (
	"strings"
	"unicode/utf8"
)

// bracket translates the bracket expression at p.at, in which '\' stands for itself and ranges
// compare code points.
func (p *regexTranslator) bracket() {
	open := p.at
	p.at++
	negated := strings.HasPrefix(p.in[p.at:], "^")
	if negated {
		p.at++
	}
	var set []byte
	for first := true; p.err == nil; first = false {
		switch s := p.in[p.at:]; {
		case s == "":
			p.fail(open, "'[' is not closed", `a bracket itself is written \[`)
		case s[0] == ']' && !first:
			p.at++
			p.class(negated, string(set))
			return
		case strings.HasPrefix(s, "[:"):
			name, _, ok := strings.Cut(s[2:], ":]")
			class := posixClass(name)
			if p.fold && (name == "upper" || name == "lower") {
				class = posixClass("alpha") // as in regcomp
			}
			switch {
			case !ok:
				p.fail(open, "'[' is not closed", `a bracket itself is written \[`)
			case class == "":
				p.fail(p.at, "there is no class of this name", "alnum alpha blank cntrl digit graph lower print punct space upper xdigit")
			}
			set = append(set, class...)
			p.at += len(name) + 4
		default:
			set = p.span(set, first)
		}
	}
}

// span appends one character of a bracket expression, or a range, to set. first is set for the
// first one.
func (p *regexTranslator) span(set []byte, first bool) []byte {
	at := p.at
	follows := func(s string) bool { return strings.HasPrefix(p.in[p.at:], s) }
	if follows("-") && !first && !follows("-]") {
		p.fail(at, "the range has no beginning", "a '-' itself comes last")
		return set
	}
	equal := follows("[=")
	lo := p.member()
	set = appendClassChar(set, lo)
	if equal || !follows("-") || follows("-]") {
		return set
	}
	p.at++
	if follows("[:") || follows("[=") {
		p.fail(at, "a class is no end of a range", "")
		return set
	}
	hi := p.member()
	if hi < lo && p.err == nil {
		p.fail(at, "the range ends before it begins", "write the lower character first, as in [a-z]")
	}
	return appendClassChar(append(set, '-'), hi)
}

// member reads one character of a bracket expression, which may be written "[.c.]" or "[=c=]".
func (p *regexTranslator) member() rune {
	s := p.in[p.at:]
	if len(s) > 1 && s[0] == '[' && (s[1] == '.' || s[1] == '=') {
		mark := s[1:2]
		_, w := utf8.DecodeRuneInString(s[2:])
		if w == 0 || !strings.HasPrefix(s[2+w:], mark+"]") {
			p.fail(p.at, "this is not one character", "")
			return 0
		}
		p.at += 2 + w + 2
		s = s[2:]
	} else {
		_, w := utf8.DecodeRuneInString(s)
		p.at += w
	}
	if s == "" {
		p.fail(p.at, "'[' is not closed", `a bracket itself is written \[`)
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
