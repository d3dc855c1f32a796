package locate

import "unicode/utf8"

// appendQuoted appends text as plocate prints it on a terminal: unchanged, unless it contains
// ASCII control characters, quotes, a backslash, or bytes that are not UTF-8. In that case it
// is quoted so that a shell can read it back, except that each byte that is not UTF-8 becomes
// a '?'.
func appendQuoted(dst, text []byte) []byte {
	if harmless(text) {
		return append(dst, text...)
	}
	dst = append(dst, '\'')
	escaped := false // inside $''
	for len(text) > 0 {
		c := text[0]
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, '?')
		case needsEscape(c):
			if !escaped {
				dst = append(dst, `'$'`...)
				escaped = true
			}
			dst = appendShellEscape(dst, c)
		default:
			if escaped {
				dst = append(dst, `''`...)
				escaped = false
			}
			dst = append(dst, text[:n]...)
		}
		text = text[n:]
	}
	return append(dst, '\'')
}

func harmless(text []byte) bool {
	for _, c := range text {
		if needsEscape(c) {
			return false
		}
	}
	return utf8.Valid(text)
}

func needsEscape(c byte) bool { return c < ' ' || c == '\'' || c == '"' || c == '\\' }

// appendShellEscape appends c as it is written inside $'...'.
func appendShellEscape(dst []byte, c byte) []byte {
	switch c {
	case '\a':
		c = 'a'
	case '\b':
		c = 'b'
	case '\f':
		c = 'f'
	case '\n':
		c = 'n'
	case '\r':
		c = 'r'
	case '\t':
		c = 't'
	case '\v':
		c = 'v'
	case '\\', '\'', '"':
	default:
		return append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
	}
	return append(dst, '\\', c)
}
