package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError is returned for a text that cannot be understood.
type SyntaxError struct {
	Text string // what was read: the whole query, a pattern or a filter
	Pos  int    // byte offset of the fault in Text; len(Text) for its end
	Msg  string // what is wrong, in one line
	Hint string // what to write instead, or empty
}

// Error returns one line, without Text and Hint.
func (e *SyntaxError) Error() string { return e.Msg }

// detailWidth is how many characters of a long text Detail shows on either side of the fault.
const detailWidth = 36

// Detail returns Text, a caret under the character at Pos, and the hint: two or three lines,
// each ended by a newline and safe to print on a terminal. If Text is long, only the part
// around Pos is shown.
func (e *SyntaxError) Detail() string {
	pos := min(max(e.Pos, 0), len(e.Text))
	before, after := e.Text[:pos], e.Text[pos:]
	var out strings.Builder
	out.WriteString("  ")
	if cut := backward(before, detailWidth); cut > 0 {
		before = before[cut:]
		out.WriteString("…")
	}
	head := Printable(before)
	out.WriteString(head)
	indent := utf8.RuneCountInString(out.String()) + wide(head)
	if end := forward(after, detailWidth); end < len(after) {
		after = after[:end] + "…"
	}
	out.WriteString(Printable(after))
	out.WriteString("\n" + strings.Repeat(" ", indent) + "^\n")
	if e.Hint != "" {
		out.WriteString("  " + Printable(e.Hint) + "\n")
	}
	return out.String()
}

// backward returns the offset of the last n characters of s.
func backward(s string, n int) int {
	end := len(s)
	for ; n > 0 && end > 0; n-- {
		_, w := utf8.DecodeLastRuneInString(s[:end])
		end -= w
	}
	return end
}

// forward returns the length of the first n characters of s.
func forward(s string, n int) int {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, w := utf8.DecodeRuneInString(s[at:])
		at += w
	}
	return at
}

// Printable returns s with whatever should not be sent to a terminal escaped as in Go.
func Printable(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		r, w := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && w == 1:
			fmt.Fprintf(&out, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			out.WriteString(s[i : i+w])
		case r < 0x80:
			fmt.Fprintf(&out, `\x%02x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		i += w
	}
	return out.String()
}

// shown returns s in quotes for a message, shortened if it is long.
func shown(s string) string {
	if n := forward(s, detailWidth); n < len(s) {
		s = s[:n] + "…"
	}
	return `"` + Printable(s) + `"`
}

// wide returns by how many columns s is wider than one for each character: ideographs take two
// columns, combining marks none.
func wide(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x300:
		case unicode.Is(unicode.Mn, r):
			n--
		case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
			r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
			r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
			n++
		}
	}
	return n
}
