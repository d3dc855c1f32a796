package plan

import (
	"indexd/internal/query"
	"testing"
)

// A text that is not UTF-8 is found at its bytes in the name, not at those of the folded name:
// É is the folded form of é, with other bytes.
func TestFoldedBytes(t *testing.T) {
	for _, c := range []struct {
		text, name string
		want       bool
	}{
		{"\xa9", "é", true},
		{"\x89", "é", false},
		{"\x89", "É", true},
		{"\xc3", "é", true},
		{"é\xff", "É\xff", true},
		{"\xffé", "\xffÉ", true},
		{"\xa9B", "éb", true},
		{"\xa9B", "Éb", false},
		{"a\xff", "A\xff", true},
		{"a\xff", "A\xfe", false},
		{"a\xffk", "xxA\xff\u212a", true},
		{"aa\xffb", "aaa\xffB", true},
		{"\xe2", "k", false},
		{"\xe2", "\u212a", true},
		{"\xefx", "\uFFFDx", false},
		{"\xefx", "\xefX", true},
		{"\xffx", "\uFFFDx", false},
	} {
		for _, full := range []bool{false, true} {
			p, err := Compile(&query.Request{Mode: query.ModeFixed, Case: query.CaseIgnore, FullPath: full, Terms: []string{c.text}})
			if err != nil {
				t.Fatal(err)
			}
			if got := judge(t, p, "/d", c.name); got != c.want {
				t.Errorf("%q in %q, full path %v: %v", c.text, c.name, full, got)
			}
			if full {
				if got := judge(t, p, "/"+c.name, "x"); got != c.want {
					t.Errorf("%q in the directory %q: %v", c.text, c.name, got)
				}
			}
		}
	}
}
