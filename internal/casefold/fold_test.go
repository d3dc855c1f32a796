package casefold

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// The oracle is package unicode, rune by rune, and strings.EqualFold.
func TestRune(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		f := Rune(r)
		same := f == r
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			if Rune(o) != f {
				t.Fatalf("%U and %U fold to %U and %U", r, o, f, Rune(o))
			}
			same = same || o == f
		}
		if !same {
			t.Fatalf("%U folds to %U, which it does not fold with", r, f)
		}
	}
}

func TestString(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"README.Md", "readme.md"},
		{"ÄRGER", "Ärger"},
		{"Kelvin \u212a", "kelvin k"},
		{"\u017f", "s"},
		{"ΣΑΣ\u03c2", "ΣΑΣΣ"},
		{"\xffA\xc3", "\xffa\xc3"},
		{"\xed\xa0\x80X", "\xed\xa0\x80x"}, // a surrogate is no UTF-8
		{"漢字A", "漢字a"},
	} {
		if got := String(c.in); got != c.want {
			t.Errorf("String(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzString(f *testing.F) {
	f.Add("Straße", "STRASSE")
	f.Add("a\xffB", "A\xffb")
	f.Add("\u212a", "k")
	f.Fuzz(func(t *testing.T, a, b string) {
		fa, fb := String(a), String(b)
		if String(fa) != fa {
			t.Errorf("String is not idempotent on %q", a)
		}
		if utf8.RuneCountInString(fa) != utf8.RuneCountInString(a) {
			t.Errorf("String(%q) = %q has another number of characters", a, fa)
		}
		if !utf8.ValidString(a) || !utf8.ValidString(b) { // EqualFold takes any bad byte for any other
			return
		}
		if want := strings.EqualFold(a, b); (fa == fb) != want {
			t.Errorf("%q and %q fold to %q and %q, EqualFold says %v", a, b, fa, fb, want)
		}
	})
}
