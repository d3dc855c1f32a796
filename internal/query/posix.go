package query

import (
	"strings"
	"unicode/utf8"
)

// The modes of locate read each term as plocate(1) does, which is as glibc's
// fnmatch, regcomp and regexec do in a UTF-8 locale. A term is matched against
// the name, or with Request.FullPath against the whole path, whether or not it
// has a '/'. It may be empty, and then matches everything.
const (
	// ModeLocate is a substring, or, with one of * ? [] in it, a glob on the
	// whole text. A star stops at nothing, braces are plain, and '\' takes the
	// next character literally.
	ModeLocate Mode = "locate"
	// ModeBRE and ModeERE are POSIX regular expressions, basic and extended,
	// with GNU's additions and without back-references.
	ModeBRE Mode = "bre"
	ModeERE Mode = "ere"
)

// posix reports whether the mode is one of locate's.
func (m Mode) posix() bool { return m == ModeLocate || m == ModeBRE || m == ModeERE }

// parsePosix reads the terms in a mode of locate.
func (r *Request) parsePosix() (Expr, error) {
	where := WhereName
	if r.FullPath {
		where = WherePath
	}
	var list []Expr
	for _, t := range r.Terms {
		if err := checkText(t); err != nil {
			return nil, err
		}
		var x Expr
		var err error
		if r.Mode == ModeLocate {
			fold := r.Case == CaseIgnore || r.Case != CaseSensitive && !HasUpper(t)
			x, err = parseLocate(t, fold, where)
		} else {
			x, err = parsePosixRegex(t, r.Mode == ModeERE, r.Case == CaseIgnore, where)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return Conjunction(list...), nil
}

// literally is the Expr of a text that must be contained.
func literally(s string, where TextWhere) Expr {
	if s == "" {
		return Everything{}
	}
	return &Text{Kind: Substring, Where: where, Pattern: s}
}

// parseLocate reads a pattern as plocate does.
func parseLocate(s string, fold bool, where TextWhere) (Expr, error) {
	if fold && !utf8.ValidString(s) {
		return nil, &SyntaxError{s, ValidLen(s), "a pattern must be UTF-8 if case is not to count", ""}
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
	return &PosixGlob{where, s, fold}, nil
}

// posixGlob is a pattern of ModeLocate that is more than a substring.
type PosixGlob struct {
	Where   TextWhere
	Pattern string
	Fold    bool
}

func (*PosixGlob) isExpr() {}

// String is for people: the language has no word for it.
func (x *PosixGlob) String() string { return "fnmatch:" + quoteValue(x.Pattern) }

// wildcard reports whether plocate sees a wildcard in s. Where it sees none, end
// is the offset of a '\' or '[' that is not finished, or len(s).
func wildcard(s string) (wild bool, end int) {
	for i := 0; i < len(s); {
		switch s[i] {
		case '*', '?':
			return true, 0
		case '[':
			// For plocate a class ends at the first ']' that does not come at once.
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

// unescape takes the '\' away that stands before another character.
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
