package pattern

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"indexd/internal/casefold"
	"indexd/internal/query"
)

// fnmatch is a compiled pattern of ModeLocate. Like
// glibc's fnmatch it matches a text either by its characters, where pattern and
// text are UTF-8, or by its bytes: so "?" is one character, and "??" is too, if
// that is of two bytes.
type Fnmatch struct {
	fold   bool
	groups byteGlob
	bytes  []posixInst
	runes  []posixInst // nil where they find no more than bytes does
	ascii  bool        // runes find no more than bytes in a text that is ASCII
}

// posixInst is one step of a pattern. The pattern fails for good at a
// posixNever, which stands for something malformed.
type posixInst struct {
	op    posixOp
	c     rune // of posixChar
	class *bracket
}

type posixOp uint8

const (
	posixChar posixOp = iota
	posixAny
	posixBracket
	posixStar
	posixNever
)

func NewFnmatch(pattern string, fold bool) *Fnmatch {
	x := &Fnmatch{fold: fold}
	x.ascii = !strings.Contains(pattern, "[=") && !strings.Contains(pattern, "[.") && !(fold && strings.ContainsAny(pattern, "İ\u212a"))
	p := posixParser{in: make([]rune, len(pattern)), bytes: true, fold: fold}
	for i := range len(pattern) {
		p.in[i] = rune(pattern[i])
	}
	x.bytes = p.parse()
	chars := true // and stars, nothing else
	for _, in := range x.bytes {
		chars = chars && (in.op == posixChar || in.op == posixStar)
	}
	if utf8.ValidString(pattern) && !(chars && (!fold || query.IsASCII(pattern))) {
		p = posixParser{in: []rune(pattern), fold: fold}
		x.runes = p.parse()
	}
	x.groups = newByteGlob(x)
	return x
}

// steps is what x costs of a compiler's budget.
func (x *Fnmatch) Steps() int { return len(x.bytes) + len(x.runes) }

// match reports whether x matches the whole of text.
func (x *Fnmatch) Match(text string, t *StepBudget) bool {
	return x.groups.match(text, t) ||
		x.runes != nil && !(x.ascii && query.IsASCII(text)) && utf8.ValidString(text) && x.matchRunes(text, t)
}

// posixParser reads a pattern, a character or a byte at a time.
type posixParser struct {
	in    []rune
	bytes bool
	fold  bool
}

func (p *posixParser) lower(c rune) rune {
	if !p.fold {
		return c
	}
	return lowerChar(c, p.bytes)
}

// lowerChar is c in lower case; of bytes only those of ASCII have one.
func lowerChar(c rune, bytes bool) rune {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c < utf8.RuneSelf || bytes:
		return c
	}
	return unicode.ToLower(c)
}

func (p *posixParser) parse() []posixInst {
	prog := []posixInst{} // not nil
	for i := 0; i < len(p.in); {
		in := posixInst{op: posixChar, c: p.lower(p.in[i])}
		n := 1
		switch p.in[i] {
		case '*':
			in.op = posixStar
		case '?':
			in.op = posixAny
		case '[':
			in, n = p.bracket(p.in[i:])
		case '\\':
			if i+1 == len(p.in) {
				in.op = posixNever
				break
			}
			in.c = p.lower(p.in[i+1])
			n = 2
		}
		i += n
		if in.op == posixStar && len(prog) > 0 && prog[len(prog)-1].op == posixStar {
			continue
		}
		prog = append(prog, in)
	}
	return prog
}

// whole is the pattern as a text and whether that must stand at the beginning
// and at the end; ok is false where it is more than that.
func (x *Fnmatch) Whole() (text string, start, end, ok bool) {
	prog := x.bytes
	start, end = true, true
	if len(prog) > 0 && prog[0].op == posixStar {
		start, prog = false, prog[1:]
	}
	if n := len(prog); n > 0 && prog[n-1].op == posixStar {
		end, prog = false, prog[:n-1]
	} else if n == 0 {
		end = start
	}
	var b []byte
	for _, in := range prog {
		if in.op != posixChar {
			return "", false, false, false
		}
		b = append(b, byte(in.c))
	}
	return string(b), start, end, x.runes == nil && (!x.fold || utf8.Valid(b))
}

// literals is what is known of the texts that x matches; folded if x folds.
func (x *Fnmatch) Literals() Literals {
	all := Exactly("")
	var run []byte
	flush := func() {
		s := string(run)
		run = run[:0]
		if !x.fold {
			all = all.Then(Exactly(s))
			return
		}
		if !utf8.ValidString(s) { // folding would make characters of some of it
			all = all.Then(AnyText())
			return
		}
		// The one letter that in lower case is another's.
		for i, part := range strings.Split(s, "İ") {
			if i > 0 {
				all = all.Then(AnyText())
			}
			all = all.Then(Exactly(casefold.String(part)))
		}
	}
	for _, in := range x.bytes {
		if in.op == posixChar {
			run = append(run, byte(in.c))
			continue
		}
		flush()
		all = all.Then(AnyText())
	}
	flush()
	return all
}

// matchRunes reports whether the whole of text, which is UTF-8, matches by its
// characters. It takes at most the length of the pattern times that of text.
func (x *Fnmatch) matchRunes(text string, t *StepBudget) bool {
	prog := x.runes
	at, i := 0, 0
	star, from := -1, 0 // behind the last star passed, and where in text that was looked for last
	for !t.Spend(1) {
		switch {
		case at == len(prog):
			if i == len(text) {
				return true
			}
		case prog[at].op == posixStar:
			at++
			if at == len(prog) {
				return true
			}
			star, from = at, i
			continue
		case i == len(text):
			return false // and starting later leaves even less
		default:
			c, w := utf8.DecodeRuneInString(text[i:])
			if x.matches(&prog[at], c, false) {
				at++
				i += w
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, w := utf8.DecodeRuneInString(text[from:])
		from += w
		at, i = star, from
	}
	return false
}

func (x *Fnmatch) matches(in *posixInst, c rune, bytes bool) bool {
	folded := c
	if x.fold {
		folded = lowerChar(c, bytes)
	}
	switch in.op {
	case posixChar:
		return in.c == folded
	case posixAny:
		return true
	case posixBracket:
		return in.class.has(c, folded)
	}
	return false
}
