package query

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// ParseLocateGlob reads a pattern of ModeLocate as fnmatch(3) of glibc does without flags. It
// reads characters, or bytes if bytes is set, since fnmatch tries both. With fold, the ranges
// of classes are in lower case, as LowerChar defines it.
func ParseLocateGlob(s string, fold, bytes bool) []GlobPart {
	p := &locateParser{fold: fold, bytes: bytes}
	for i := 0; i < len(s); {
		c, w := rune(s[i]), 1
		if !bytes {
			c, w = DecodeChar(s[i:])
		}
		p.in = append(p.in, c)
		i += w
	}
	return p.parse()
}

type locateParser struct {
	in    []rune
	bytes bool
	fold  bool
}

// LowerChar returns c in lower case, as towlower does. If c is a byte, only ASCII letters have
// a lower case.
func LowerChar(c rune, bytes bool) rune {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c < utf8.RuneSelf || bytes:
		return c
	}
	return unicode.ToLower(c)
}

func (p *locateParser) lower(c rune) rune {
	if !p.fold {
		return c
	}
	return LowerChar(c, p.bytes)
}

func (p *locateParser) parse() []GlobPart {
	var parts []GlobPart
	for i := 0; i < len(p.in); {
		part := GlobPart{Op: OpChar, Char: p.in[i]}
		n := 1
		switch p.in[i] {
		case '*':
			part.Op = OpStars
		case '?':
			part = GlobPart{Op: OpClass, Class: &GlobClass{Locate: true, Negated: true}}
		case '[':
			part, n = p.bracket(p.in[i:])
		case '\\':
			if i+1 == len(p.in) {
				part = never
				break
			}
			part.Char = p.in[i+1]
			n = 2
		}
		i += n
		if part.Op == OpStars && len(parts) > 0 && parts[len(parts)-1].Op == OpStars {
			continue
		}
		parts = append(parts, part)
	}
	return parts
}

// never is a part that matches nothing. It stands for a malformed class.
var never = GlobPart{Op: OpClass, Class: &GlobClass{Locate: true}}

// addNamed adds a named class to k, or returns false if there is none of that name. A byte
// that is not ASCII is in no class.
func (gc *GlobClass) addNamed(name string, bytes bool) bool {
	class := posixClass(name)
	if class == "" {
		return false
	}
	re, err := syntax.Parse("["+class+"]", syntax.Perl)
	if err != nil {
		return false
	}
	for i := 0; i < len(re.Rune); i += 2 {
		lo, hi := re.Rune[i], re.Rune[i+1]
		if bytes {
			hi = min(hi, unicode.MaxASCII)
		}
		if lo <= hi {
			gc.Exact = append(gc.Exact, RuneRange{lo, hi})
		}
	}
	return true
}

// bracket reads the bracket expression at the beginning of s and returns its length. As for
// fnmatch, a '[' that is not closed stands for itself, and in a set with an unknown class name
// everything after that name is ignored.
func (p *locateParser) bracket(s []rune) (GlobPart, int) {
	b := &GlobClass{Locate: true}
	i := 1
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		b.Negated = true
		i++
	}
	cut := false
	for first := true; ; first = false {
		if i >= len(s) {
			return GlobPart{Op: OpChar, Char: '['}, 1
		}
		if s[i] == ']' && !first {
			if cut && b.Negated {
				return never, i + 1
			}
			return GlobPart{Op: OpClass, Class: b}, i + 1
		}
		if name, n, ok := className(s[i:]); ok {
			cut = cut || !b.addNamed(name, p.bytes)
			i += n
			continue
		}
		if c, n, ok := symbol(s[i:], '='); ok && c >= 0 {
			if !cut {
				b.Exact = append(b.Exact, RuneRange{c, c})
			}
			i += n
			continue
		}
		lo, n, ok := p.element(s[i:])
		if !ok {
			return never, len(s)
		}
		cut = cut || lo < 0
		i += n
		hi, single := lo, true
		if i < len(s) && s[i] == '-' && !(i+1 < len(s) && s[i+1] == ']') {
			if hi, n, ok = p.element(s[i+1:]); !ok {
				return never, len(s)
			}
			cut = cut || hi < 0
			i += 1 + n
			single = false
		}
		switch {
		case cut:
		case single && n > 2: // "[.c.]", for which case always counts
			b.Exact = append(b.Exact, RuneRange{lo, lo})
		default:
			b.Ranges = append(b.Ranges, RuneRange{p.lower(lo), p.lower(hi)})
		}
	}
}

// element reads one end of a range. c is negative if there is no such character. ok is false
// if the pattern ends within the element.
func (p *locateParser) element(s []rune) (c rune, n int, ok bool) {
	if len(s) == 0 {
		return 0, 0, false
	}
	if s[0] == '\\' {
		if len(s) == 1 {
			return 0, 0, false
		}
		return s[1], 2, true
	}
	if len(s) > 1 && s[0] == '[' && s[1] == '.' {
		return symbol(s, '.')
	}
	return s[0], 1, true
}

// symbol reads "[.c.]" or, with '=' as the mark, "[=c=]" at the beginning of s. c is negative
// if it has more than one character. ok is false if it is not closed.
func symbol(s []rune, mark rune) (c rune, n int, ok bool) {
	if len(s) < 2 || s[0] != '[' || s[1] != mark {
		return 0, 0, false
	}
	for i := 3; i+1 < len(s); i++ {
		if s[i] == mark && s[i+1] == ']' {
			if i > 3 {
				return -1, i + 2, true
			}
			return s[2], i + 2, true
		}
	}
	return 0, 0, false
}

// className reads "[:name:]" at the beginning of s. As for fnmatch, the name may consist only
// of the letters a to y.
func className(s []rune) (name string, n int, ok bool) {
	if len(s) < 2 || s[0] != '[' || s[1] != ':' {
		return "", 0, false
	}
	end := 2 + slices.IndexFunc(s[2:], func(c rune) bool { return c < 'a' || c >= 'z' })
	if end < 2 || end+1 >= len(s) || s[end] != ':' || s[end+1] != ']' {
		return "", 0, false
	}
	return string(s[2:end]), end + 2, true
}
