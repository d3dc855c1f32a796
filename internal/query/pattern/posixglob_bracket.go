package pattern

import (
	"indexd/internal/query"
	"regexp/syntax"
	"slices"
	"unicode"
)

// bracket is a bracket expression of a posixGlob: a set of characters.
type bracket struct {
	negated bool
	ranges  []query.RuneRange // in lower case if the glob folds
	named   []rune            // what is not folded: pairs, each a range
}

// has reports whether c, which in lower case is folded, is in the set.
func (b *bracket) has(c, folded rune) bool {
	for _, r := range b.ranges {
		if r.Lo <= folded && folded <= r.Hi {
			return !b.negated
		}
	}
	for i := 0; i < len(b.named); i += 2 {
		if b.named[i] <= c && c <= b.named[i+1] {
			return !b.negated
		}
	}
	return b.negated
}

// addNamed adds a named class. It returns false where there is none.
func (b *bracket) addNamed(name string, bytes bool) bool {
	class := query.PosixClass(name)
	if class == "" {
		return false
	}
	re, err := syntax.Parse("["+class+"]", syntax.Perl)
	if err != nil {
		return false
	}
	for i := 0; i < len(re.Rune); i += 2 {
		lo, hi := re.Rune[i], re.Rune[i+1]
		if bytes { // of which those beyond ASCII are in no class
			hi = min(hi, unicode.MaxASCII)
		}
		if lo <= hi {
			b.named = append(b.named, lo, hi)
		}
	}
	return true
}

// bracket reads what s begins with, a '[', and returns its length. As for
// fnmatch, one that is not closed is a '[' itself; what stands behind a class
// of a name that there is not is not in the set.
func (p *posixParser) bracket(s []rune) (posixInst, int) {
	never := posixInst{op: posixNever}
	b := &bracket{}
	i := 1
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		b.negated = true
		i++
	}
	cut := false
	for first := true; ; first = false {
		if i >= len(s) {
			return posixInst{op: posixChar, c: '['}, 1
		}
		if s[i] == ']' && !first {
			if cut && b.negated {
				return never, i + 1
			}
			return posixInst{op: posixBracket, class: b}, i + 1
		}
		if name, n, ok := className(s[i:]); ok {
			cut = cut || !b.addNamed(name, p.bytes)
			i += n
			continue
		}
		if c, n, ok := symbol(s[i:], '='); ok && c >= 0 {
			b.addSymbol(cut, c)
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
		if single && n > 2 {
			b.addSymbol(cut, lo)
		} else {
			b.add(p, cut, lo, hi)
		}
	}
}

// addSymbol adds what was written "[.c.]" or "[=c=]", of which case counts
// always.
func (b *bracket) addSymbol(cut bool, c rune) {
	if !cut {
		b.named = append(b.named, c, c)
	}
}

func (b *bracket) add(p *posixParser, cut bool, lo, hi rune) {
	if !cut {
		b.ranges = append(b.ranges, query.RuneRange{Lo: p.lower(lo), Hi: p.lower(hi)})
	}
}

// element reads one end of a range; c is negative for one that there is not.
// ok is false where the pattern ends in it.
func (p *posixParser) element(s []rune) (c rune, n int, ok bool) {
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

// symbol reads "[.c.]", or with another mark "[=c=]", at the beginning of s; c
// is negative if it has not just one character. ok is false where it does not
// end.
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

// className reads "[:name:]" at the beginning of s. As for fnmatch, it is one
// only if all of its letters may be in a name.
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
