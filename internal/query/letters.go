package query

import (
	"unicode"
	"unicode/utf8"
)

// HasUpper reports whether s has an upper-case letter. Under smart case, case then counts.
func HasUpper(s string) bool {
	for _, r := range s {
		if unicode.IsUpper(r) {
			return true
		}
	}
	return false
}

// IsASCII reports whether s contains only ASCII characters.
func IsASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
