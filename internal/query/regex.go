package query

import (
	"errors"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Regular expressions are RE2 as in package regexp, searched for anywhere in a text. As in fd,
// '.' matches a newline too.
const regexFlags = syntax.Perl | syntax.DotNL

// maxRegex is the largest length of a regular expression, in bytes. A class such as \pL has 3
// bytes and takes 5 KB of memory.
const maxRegex = 4 << 10

// ParseRegex checks s, and returns its syntax tree and its length in steps. Errors are of type
// *SyntaxError.
func ParseRegex(s string, fold bool) (*syntax.Regexp, int, error) {
	return parseRegex(s, plain(s, 0), fold)
}

// parseRegex is ParseRegex for a part of text, which errors are about.
func parseRegex(text string, pattern quotedText, fold bool) (*syntax.Regexp, int, error) {
	s := pattern.String()
	fail := func(i int, msg, hint string) error {
		return &SyntaxError{Text: text, Pos: pattern.at[i], Msg: msg, Hint: hint}
	}
	if len(s) > maxRegex {
		return nil, 0, fail(maxRegex, "the regular expression is too long", "")
	}
	if !utf8.ValidString(s) {
		return nil, 0, fail(ValidLen(s), "a regular expression must be UTF-8", "for any other byte, write '.'")
	}
	flags := regexFlags
	if fold {
		flags |= syntax.FoldCase
	}
	re, err := syntax.Parse(s, flags)
	if err != nil {
		pos, msg, hint := explainRegex(s, err)
		return nil, 0, fail(pos, msg, hint)
	}
	steps := regexSteps(re)
	if steps > MaxSteps {
		return nil, 0, fail(0, "the regular expression is too large", "smaller counts in {n,m} help")
	}
	return re, steps, nil
}

// ValidLen returns the length of the longest prefix of s that is valid UTF-8.
func ValidLen(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return i
		}
	}
	return len(s)
}

// explainRegex finds out where the fault in s is.
func explainRegex(s string, err error) (pos int, msg, hint string) {
	var se *syntax.Error
	if !errors.As(err, &se) {
		return 0, err.Error(), ""
	}
	switch se.Code {
	case syntax.ErrMissingParen:
		return unclosedParen(s), "'(' is not closed", `a parenthesis itself is written \(`
	case syntax.ErrUnexpectedParen:
		return extraParen(s), "')' without '(' before it", `a parenthesis itself is written \)`
	case syntax.ErrTrailingBackslash:
		return len(s) - 1, "a backslash at the end", `a backslash itself is written \\`
	case syntax.ErrMissingRepeatArgument:
		hint = `the character itself is written \` + se.Expr[:1]
	case syntax.ErrInvalidPerlOp:
		hint = "RE2 has no look-ahead and no look-behind"
	case syntax.ErrInvalidEscape:
		if len(se.Expr) == 2 && '1' <= se.Expr[1] && se.Expr[1] <= '9' {
			hint = "RE2 has no back-references"
		}
	case syntax.ErrMissingBracket:
		hint = `a bracket itself is written \[`
	}
	return max(strings.Index(s, se.Expr), 0), string(se.Code), hint
}

// unclosedParen returns the offset of the last '(' that is not closed, extraParen that of the
// first ')' that closes none.
func unclosedParen(s string) int {
	open, _ := parens(s)
	if len(open) == 0 {
		return 0
	}
	return open[len(open)-1]
}

func extraParen(s string) int {
	_, extra := parens(s)
	return max(extra, 0)
}

func parens(s string) (open []int, extra int) {
	extra = -1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '[':
			i = skipClass(s, i)
		case '(':
			open = append(open, i)
		case ')':
			if len(open) > 0 {
				open = open[:len(open)-1]
			} else if extra < 0 {
				extra = i
			}
		}
	}
	return open, extra
}

// skipClass returns the offset of the ']' that ends the class at i.
func skipClass(s string, i int) int {
	for j := i + 1; j < len(s); j++ {
		switch {
		case s[j] == '\\':
			j++
		case s[j] == ']' && j > i+1 && s[i+1:j] != "^":
			return j
		case strings.HasPrefix(s[j:], "[:"):
			if end := strings.Index(s[j:], ":]"); end > 0 {
				j += end + 1
			}
		}
	}
	return len(s)
}

// regexSteps returns the approximate length of re as a program. It stops counting beyond
// MaxSteps.
func regexSteps(re *syntax.Regexp) int {
	n := 1
	for _, sub := range re.Sub {
		if n += regexSteps(sub); n > MaxSteps {
			return n
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		n += len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 64
	case syntax.OpRepeat:
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// RegexHasUpper reports whether pattern has an upper-case letter that stands for itself, alone
// or in a class. \S, \pL and the names of groups do not count.
func RegexHasUpper(pattern string) bool {
	for i := 0; i < len(pattern); {
		rest := pattern[i:]
		switch {
		case strings.HasPrefix(rest, `\Q`):
			text, _, _ := strings.Cut(rest[2:], `\E`)
			if HasUpper(text) {
				return true
			}
			i += min(2+len(text)+2, len(rest))
		case strings.HasPrefix(rest, `\x`):
			r, n := hexEscape(rest)
			if unicode.IsUpper(r) {
				return true
			}
			i += n
		case rest[0] == '\\' && len(rest) > 1:
			_, w := utf8.DecodeRuneInString(rest[1:])
			i += 1 + w
			if rest[1] == 'p' || rest[1] == 'P' {
				if strings.HasPrefix(rest[2:], "{") {
					name, _, _ := strings.Cut(rest[2:], "}")
					i += min(len(name)+1, len(rest)-2)
				} else if len(rest) > 2 {
					i++
				}
			}
		case strings.HasPrefix(rest, "(?"):
			i += 2
			for i < len(pattern) && strings.IndexByte(":)>", pattern[i]) < 0 {
				i++
			}
		default:
			r, w := utf8.DecodeRuneInString(rest)
			if unicode.IsUpper(r) {
				return true
			}
			i += w
		}
	}
	return false
}

// hexEscape reads \x41 or \x{1F600}.
func hexEscape(s string) (r rune, n int) {
	digits := s[2:min(4, len(s))]
	n = 2 + len(digits)
	if strings.HasPrefix(digits, "{") {
		digits, _, _ = strings.Cut(s[3:], "}")
		n = min(3+len(digits)+1, len(s))
	}
	for _, c := range []byte(digits) {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 || r > unicode.MaxRune {
			return 0, n
		}
		r = r<<4 | rune(d)
	}
	return r, n
}

// MaxSteps limits the total length of all globs and regular expressions of a request, and
// thereby the cost of a name, which is steps × characters.
const MaxSteps = 3_000
