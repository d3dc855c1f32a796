// Package casefold removes the distinction between upper and lower case. The index and
// the matching of names use the same function.
package casefold

import (
	"unicode"
	"unicode/utf8"
)

// Append appends s with case folded to dst and returns the result. Strings that differ
// only in case, by Unicode's simple folding, give the same bytes; invalid UTF-8 is left
// as it is. ASCII letters become lower case. Any other character becomes the first of
// those it folds to, so that the number of characters, though not of bytes, stays the
// same. Folding is idempotent.
func Append(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, w := utf8.DecodeRuneInString(s[i:])
		if f := Rune(r); f != r {
			dst = utf8.AppendRune(dst, f)
		} else {
			dst = append(dst, s[i:i+w]...)
		}
		i += w
	}
	return dst
}

// String returns s with case folded, see Append.
func String(s string) string { return string(Append(nil, s)) }

// Rune returns the first of the characters that r folds to, in lower case if that is
// ASCII.
func Rune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	// Scripts without case need no search in the tables.
	if r >= 0x2e80 && r < 0xa640 || r >= 0xac00 && r < 0xfb00 || r >= 0x1ea00 {
		return r
	}
	first := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		first = min(first, f)
	}
	if 'A' <= first && first <= 'Z' {
		first += 'a' - 'A'
	}
	return first
}
