package query

import (
	"unicode"
	"unicode/utf8"
)

// AppendFold appends s, in which upper and lower case have become the same, to
// dst and returns it. Two texts that differ only in case, by Unicode's simple
// folding, give the same bytes; bytes that are no UTF-8 stay as they are. ASCII
// letters become lower case; any other character becomes the first of those it
// folds with, so that a text keeps its number of characters, though not of
// bytes. Folding what is folded changes nothing.
func AppendFold(dst []byte, s string) []byte {
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
		if f := foldRune(r); f != r {
			dst = utf8.AppendRune(dst, f)
		} else {
			dst = append(dst, s[i:i+w]...)
		}
		i += w
	}
	return dst
}

// Fold is AppendFold to a new string.
func Fold(s string) string { return string(AppendFold(nil, s)) }

// foldRune returns the first of the characters that r folds with, in lower
// case where that is ASCII.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	// Scripts without case, which need no search in the tables.
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

// hasUpper reports whether s has an upper-case letter, which under smart case
// makes case count.
func hasUpper(s string) bool {
	for _, r := range s {
		if unicode.IsUpper(r) {
			return true
		}
	}
	return false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
