// Package terminal knows what may be written to a terminal.
package terminal

import (
	"os"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Is reports whether f is a terminal. It asks the kernel because /dev/null is a
// character device too.
func Is(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Escape returns text as AppendEscaped appends it.
func Escape(text string) string { return string(AppendEscaped(nil, []byte(text))) }

// AppendEscaped appends text in a form that is safe on a terminal. Characters that would move
// the cursor, change the state of the terminal or reorder the line are written as \n, \t,
// \x1b or \u202e, and so are bytes that are not UTF-8. A backslash is not escaped, so that
// names that contain one can be copied.
func AppendEscaped(dst, text []byte) []byte {
	for len(text) > 0 {
		if c := text[0]; c < utf8.RuneSelf {
			if c >= ' ' && c != 0x7f {
				dst = append(dst, c)
			} else {
				dst = appendControl(dst, c)
			}
			text = text[1:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = appendHex(append(dst, `\x`...), uint32(text[0]), 2)
		case !harmful(r):
			dst = append(dst, text[:n]...)
		case r > 0xffff:
			dst = appendHex(append(dst, `\U`...), uint32(r), 8)
		default:
			dst = appendHex(append(dst, `\u`...), uint32(r), 4)
		}
		text = text[n:]
	}
	return dst
}

func appendControl(dst []byte, c byte) []byte {
	switch c {
	case '\n':
		return append(dst, `\n`...)
	case '\t':
		return append(dst, `\t`...)
	case '\r':
		return append(dst, `\r`...)
	}
	return appendHex(append(dst, `\x`...), uint32(c), 2)
}

// harmful reports whether r is a C1 control character, which some terminals obey, a line
// separator, or a mark that changes the direction of the text after it.
func harmful(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

func appendHex(dst []byte, v uint32, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[v>>shift&15])
	}
	return dst
}

// Width estimates the number of terminal columns of text without control characters: none
// for combining marks, two for East Asian letters and emoji.
func Width(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case r < 0x300:
			n++
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case r >= 0x1f300 && r < 0x1fb00,
			r >= 0xff01 && r <= 0xff60,
			unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana):
			n += 2
		default:
			n++
		}
	}
	return n
}
