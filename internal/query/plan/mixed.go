package plan

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"indexd/internal/casefold"
	"indexd/internal/query"
	"indexd/internal/query/pattern"
)

// bytesTest holds for a name or path that contains a text which is not UTF-8, if case is
// ignored. Characters are compared after folding and other bytes as they are, even in the
// middle of a character. A folded name would not do, since a character and its folded form can
// have different bytes.
type bytesTest struct {
	onText
	unknown
	text string // folded
}

func (t *bytesTest) cost() int { return costGlob }

func (t *bytesTest) entry(m *Matcher, c *candidate) query.Truth {
	s := m.text(c, t.path)
	from, _ := indexBytes(s, t.text, &m.budget)
	return query.TruthOf(from >= 0)
}

// indexBytes returns the beginning and end of the first occurrence in s of text, which is
// folded. It returns -1 if there is none or if t is stopped.
func indexBytes(s, text string, t *pattern.StepBudget) (from, to int) {
	for from := 0; from < len(s); from++ {
		i, j := from, 0
		for j < len(text) && i < len(s) {
			c, w := query.DecodeChar(text[j:])
			if c >= query.InvalidByte {
				if s[i] != text[j] {
					break
				}
				i, j = i+1, j+1
				continue
			}
			f, v := query.DecodeChar(s[i:])
			if f >= query.InvalidByte || casefold.Rune(f) != c {
				break
			}
			i, j = i+v, j+w
		}
		if j == len(text) {
			return from, i
		}
		if t.Spend(1 + j) {
			break
		}
	}
	return -1, -1
}

// maxRuns is how many pieces of a text that is not UTF-8 are searched for first.
const maxRuns = 4

// mixed compiles a text for a bytesTest. Its longest pieces of UTF-8 are also tested like any
// text.
func (c *compiler) mixed(src string, path bool) (*step, *bytesTest) {
	var runs []string
	for rest := src; rest != ""; {
		n := query.ValidLen(rest)
		if n > 0 {
			runs = append(runs, casefold.String(rest[:n]))
		}
		rest = rest[min(n+1, len(rest)):]
	}
	slices.SortFunc(runs, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var list []*step
	for _, run := range runs[:min(len(runs), maxRuns)] {
		list = append(list, c.literal(&litTest{onText: onText{path}, fold: true, alts: []string{run}}))
	}
	t := &bytesTest{text: casefold.String(src), onText: onText{path}}
	return all(append(list, leaf(t))...), t
}

// isMixed reports whether a text needs a bytesTest.
func isMixed(text string, fold bool) bool { return fold && !utf8.ValidString(text) }
