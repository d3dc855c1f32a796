package pattern

import (
	"indexd/internal/casefold"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// RegexLiterals returns the literals of re. fold must be set if case is ignored anywhere in
// the pattern; all literals are then folded.
func RegexLiterals(re *syntax.Regexp, fold bool) Literals {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return Exactly("")
	case syntax.OpLiteral:
		// A byte that is not UTF-8 also reads as U+FFFD.
		if strings.ContainsRune(string(re.Rune), utf8.RuneError) {
			return AnyText()
		}
		if fold {
			return Exactly(casefold.String(string(re.Rune)))
		}
		return Exactly(string(re.Rune))
	case syntax.OpCharClass:
		return runesLiterals(re.Rune, fold)
	case syntax.OpCapture:
		return RegexLiterals(re.Sub[0], fold)
	case syntax.OpConcat:
		all := Exactly("")
		for _, sub := range re.Sub {
			all = all.Then(RegexLiterals(sub, fold))
		}
		return all
	case syntax.OpAlternate:
		all := RegexLiterals(re.Sub[0], fold)
		for _, sub := range re.Sub[1:] {
			all = all.or(RegexLiterals(sub, fold))
		}
		return all
	case syntax.OpQuest:
		return Exactly("").or(RegexLiterals(re.Sub[0], fold))
	case syntax.OpPlus:
		return atLeastOnce(RegexLiterals(re.Sub[0], fold))
	case syntax.OpRepeat:
		if re.Min > 0 {
			return atLeastOnce(RegexLiterals(re.Sub[0], fold))
		}
	}
	return AnyText() // an anchor says where a match is, not what it contains
}

func atLeastOnce(x Literals) Literals {
	x.Exact = nil
	return x
}

// runesLiterals returns the literals of a class, given as package syntax does.
func runesLiterals(runes []rune, fold bool) Literals {
	var texts []string
	for i := 0; i+1 < len(runes); i += 2 {
		if runes[i+1]-runes[i] >= 2*MaxAlts || len(texts) > 2*MaxAlts {
			return AnyText()
		}
		for r := runes[i]; r <= runes[i+1]; r++ {
			if r == utf8.RuneError {
				return AnyText()
			}
			if fold {
				texts = append(texts, string(casefold.Rune(r)))
			} else {
				texts = append(texts, string(r))
			}
		}
	}
	if len(texts) == 0 {
		return AnyText()
	}
	return Exactly(texts...)
}

// HasFold reports whether case is ignored in any part of re.
func HasFold(re *syntax.Regexp) bool {
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase != 0 {
		return true
	}
	for _, sub := range re.Sub {
		if HasFold(sub) {
			return true
		}
	}
	return false
}

// Anchors removes the anchors of the whole text from both ends of re, and reports which there
// were.
func Anchors(re *syntax.Regexp) (rest []*syntax.Regexp, start, end bool) {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	rest = []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		rest = re.Sub
	}
	for len(rest) > 0 && rest[0].Op == syntax.OpBeginText {
		start, rest = true, rest[1:]
	}
	for len(rest) > 0 && rest[len(rest)-1].Op == syntax.OpEndText {
		end, rest = true, rest[:len(rest)-1]
	}
	return rest, start, end
}
