package rules

import (
	"errors"
	"strings"
)

// maxAlternatives bounds how many globs one glob expands to: {a,b}{a,b}{a,b}… grows fast.
const maxAlternatives = 1024

// expand appends to list the globs without braces that a valid glob stands for. Braces
// may then contain '/', and plain alternatives remain plain.
func expand(glob string, list []string) ([]string, error) {
	open := indexMagic(glob, '{')
	if open < 0 {
		if len(list) == maxAlternatives {
			return nil, errors.New("has too many alternatives in braces")
		}
		return append(list, glob), nil
	}
	var ends []int // of the alternatives: positions of the commas and the closing brace
	depth := 0
	for i := open + 1; ; i += tokenLen(glob[i:]) {
		c := glob[i]
		if depth == 0 && (c == ',' || c == '}') {
			ends = append(ends, i)
		}
		if c == '{' {
			depth++
		} else if c == '}' {
			if depth--; depth < 0 {
				break
			}
		}
	}
	begin, rest := open+1, glob[ends[len(ends)-1]+1:]
	for _, end := range ends {
		var err error
		if list, err = expand(glob[:open]+glob[begin:end]+rest, list); err != nil {
			return nil, err
		}
		begin = end + 1
	}
	return list, nil
}

// plainSlashes replaces `\/` by "/" and rejects a '/' in a class, so that a glob can be
// split at its slashes.
func plainSlashes(glob string) (string, error) {
	var b strings.Builder
	for len(glob) > 0 {
		n := tokenLen(glob)
		switch token := glob[:n]; {
		case token == `\/`:
			b.WriteByte('/')
		case token[0] == '[' && strings.Contains(token, "/"):
			return "", errors.New("a [class] never matches a /")
		default:
			b.WriteString(token)
		}
		glob = glob[n:]
	}
	return b.String(), nil
}

// indexMagic returns the index of the first c that is not escaped or in a class, or -1.
func indexMagic(glob string, c byte) int {
	for i := 0; i < len(glob); i += tokenLen(glob[i:]) {
		if glob[i] == c {
			return i
		}
	}
	return -1
}

// tokenLen returns the length of the first token of a valid glob: an escaped byte, a
// class, or one byte.
func tokenLen(glob string) int {
	switch glob[0] {
	case '\\':
		return 2
	case '[':
		return classLen(glob)
	}
	return 1
}

// classLen returns the length of the class at the beginning of a valid glob.
func classLen(glob string) int {
	for i := 1; ; i++ {
		switch glob[i] {
		case '\\':
			i++
		case ']':
			return i + 1
		}
	}
}
