package terminal

import "testing"

func TestEscape(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain.txt", "plain.txt"},
		{"plain ä", "plain ä"},
		{"a\nb\x1b[2Jc", `a\nb\x1b[2Jc`},
		{"\xff\xef \uFFFD", `\xff\xef ` + "\uFFFD"},
		{"a\u202eb", `a\u202eb`},
		{"a b'\"$\\x", "a b'\"$\\x"},
		{"tab\tnl\ncr\r", `tab\tnl\ncr\r`},
		{"\x1b[31mred\x07\x7f", `\x1b[31mred\x07\x7f`},
		{"naïve 漢字 🙂", "naïve 漢字 🙂"},
		{"bad\xff\xc3", `bad\xff\xc3`},
		{"c1\u009b2J", `c1\u009b2J`},
		{"txt.\u202eexe", `txt.\u202eexe`},
		{"line\u2028sep", `line\u2028sep`},
		{"\U000e0001tag", "\U000e0001tag"},
	} {
		if got := Escape(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}
