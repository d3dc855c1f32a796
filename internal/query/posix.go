package query

import (
	"strings"
	"unicode/utf8"
)

// posixScope returns what a term of locate is matched against.
func (r *Request) posixScope() TextWhere {
	if r.FullPath {
		return WherePath
	}
	return WhereName
}

// literally returns the Expr of a text that must be contained.
func literally(s string, where TextWhere) Expr {
	if s == "" {
		return Everything{}
	}
	return &Text{Kind: Substring, Where: where, Pattern: s}
}

// parseLocateTerm reads a pattern as plocate does.
func parseLocateTerm(r *Request, s string) (Expr, error) {
	where := r.posixScope()
	fold := r.Case == CaseIgnore || r.Case != CaseSensitive && !HasUpper(s)
	if fold && !utf8.ValidString(s) {
		return nil, &SyntaxError{s, ValidLen(s), "a pattern must be UTF-8 if case is ignored", ""}
	}
	switch wild, end := wildcard(s); {
	case wild:
	case fold:
		s = "*" + s + "*"
	case end < len(s):
		return nil, &SyntaxError{s, end, "the pattern ends before its '" + s[end:end+1] + "' does", `the character itself is written \` + s[end:end+1]}
	default:
		return literally(unescape(s), where), nil
	}
	return &Text{Kind: LocateGlob, Where: where, Pattern: s}, nil
}

// wildcard reports whether plocate would take s for a glob. If not, end is the offset of an
// unfinished '\' or '[', or len(s).
func wildcard(s string) (wild bool, end int) {
	for i := 0; i < len(s); {
		switch s[i] {
		case '*', '?':
			return true, 0
		case '[':
			// For plocate a class ends at the first ']' that is not its first character.
			j := i + 1
			if j < len(s) && s[j] == '!' {
				j++
			}
			if j < len(s) && s[j] == ']' {
				j++
			}
			return strings.IndexByte(s[j:], ']') >= 0, i
		case '\\':
			if i+1 == len(s) {
				return false, i
			}
			i++
		}
		i++
	}
	return false, len(s)
}

// unescape removes each '\' that precedes another character.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
