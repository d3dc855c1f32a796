package pattern

import (
	"slices"
	"strings"

	"indexd/internal/casefold"
	"indexd/internal/query"
)

// Literals are what is known of the texts that a pattern, or a piece of one, matches. A
// pattern is searched for by the texts that each of its matches must contain.
type Literals struct {
	Exact  []string // all texts that match; nil if not known
	Prefix []string // each match begins with one of these; never empty
	Suffix []string // each match ends with one of these; never empty
	Inner  []string // each match contains one of these; nil if not known

	// Lists hold more of the same kind as Inner: each match contains one text of every list.
	// They are for the trigram index, so no text has fewer than three bytes.
	Lists [][]string
}

// MaxAlts is the largest number of alternatives in a list, maxLiteral the largest length of a
// text that is put together, in bytes.
const (
	MaxAlts    = 16
	maxLiteral = 512
	maxLists   = 8
)

// AnyText returns the literals of a pattern that may match any text.
func AnyText() Literals { return Literals{Prefix: []string{""}, Suffix: []string{""}} }

// Exactly returns the literals of a pattern that matches exactly the given texts.
func Exactly(texts ...string) Literals {
	texts = slices.Compact(slices.Sorted(slices.Values(texts)))
	if len(texts) > MaxAlts {
		return AnyText()
	}
	return fewExactly(texts)
}

// fewExactly is Exactly for at most MaxAlts texts that are sorted and distinct.
func fewExactly(texts []string) Literals {
	return Literals{Exact: texts, Prefix: texts, Suffix: texts, Inner: Useful(texts), Lists: addList(nil, texts)}
}

// addList adds texts to lists, unless another list already says as much.
func addList(lists [][]string, texts []string) [][]string {
	if len(texts) == 0 || slices.ContainsFunc(texts, func(t string) bool { return len(t) < 3 }) {
		return lists
	}
	var kept [][]string
	for _, l := range lists {
		if implies(l, texts) {
			return lists
		}
		if !implies(texts, l) {
			kept = append(kept, l)
		}
	}
	if len(kept) == maxLists {
		return lists
	}
	return append(kept, texts)
}

// implies reports whether every text that contains one of a certainly contains one of b. For
// long lists it returns false.
func implies(a, b []string) bool {
	if len(a)*len(b) > MaxAlts {
		return false
	}
	for _, s := range a {
		if !slices.ContainsFunc(b, func(t string) bool { return strings.Contains(s, t) }) {
			return false
		}
	}
	return true
}

// Useful returns texts if requiring one of them says something, else nil.
func Useful(texts []string) []string {
	if len(texts) == 0 || len(texts) > MaxAlts || slices.Contains(texts, "") {
		return nil
	}
	return texts
}

// Score rates how selective it is to require one of texts, less the cost of searching for so
// many: eight more texts cost as much as one letter gains.
func Score(texts []string) int {
	if len(texts) == 0 {
		return 0
	}
	shortest := len(texts[0])
	for _, t := range texts {
		shortest = min(shortest, len(t))
	}
	return max(shortest*16-2*(len(texts)-1), 1)
}

// better returns the more selective of two lists.
func better(a, b []string) []string {
	if Score(b) > Score(a) {
		return b
	}
	return a
}

// cross returns each text of a followed by each of b, or nil if they are too many or too long.
func cross(a, b []string) []string {
	if len(a)*len(b) > MaxAlts || len(a) > 0 && len(b) > 0 && len(a[0])+len(b[0]) > maxLiteral {
		return nil
	}
	var out []string
	for _, s := range a {
		for _, t := range b {
			out = append(out, s+t)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

// Then returns the literals of a match of a followed by a match of b.
func (a Literals) Then(b Literals) Literals {
	if a.Exact != nil && b.Exact != nil {
		if all := cross(a.Exact, b.Exact); all != nil {
			return fewExactly(all)
		}
	}
	c := Literals{Prefix: a.Prefix, Suffix: b.Suffix, Inner: better(a.Inner, b.Inner)}
	if a.Exact != nil {
		if p := cross(a.Exact, b.Prefix); p != nil {
			c.Prefix = p
		}
	}
	if b.Exact != nil {
		if s := cross(a.Suffix, b.Exact); s != nil {
			c.Suffix = s
		}
	}
	between := Useful(cross(a.Suffix, b.Prefix))
	c.Inner = better(c.Inner, between)
	c.Lists = addList(a.Lists, between)
	for _, l := range b.Lists {
		c.Lists = addList(c.Lists, l)
	}
	return c
}

// or returns the literals of a match of a or b.
func (a Literals) or(b Literals) Literals {
	union := func(x, y []string) []string {
		return slices.Compact(slices.Sorted(slices.Values(slices.Concat(x, y))))
	}
	if a.Exact != nil && b.Exact != nil {
		if all := union(a.Exact, b.Exact); len(all) <= MaxAlts {
			return fewExactly(all)
		}
	}
	c := AnyText()
	if p := union(a.Prefix, b.Prefix); len(p) <= MaxAlts {
		c.Prefix = p
	}
	if s := union(a.Suffix, b.Suffix); len(s) <= MaxAlts {
		c.Suffix = s
	}
	if a.Inner != nil && b.Inner != nil {
		c.Inner = Useful(union(a.Inner, b.Inner))
		c.Lists = addList(nil, c.Inner)
	}
	return c
}

// GlobLiterals returns the literals of parts, folded if fold is set.
func GlobLiterals(parts []query.GlobPart, fold bool) Literals {
	all := Exactly("")
	var run []byte
	flush := func() {
		if len(run) > 0 {
			s := string(run)
			if fold {
				s = casefold.String(s)
			}
			all = all.Then(Exactly(s))
			run = run[:0]
		}
	}
	for _, p := range parts {
		if p.Op == query.OpChar && !(fold && p.Char == 'İ') { // its lower case is i, but casefold does not change it
			run = query.AppendChar(run, p.Char)
			continue
		}
		flush()
		switch p.Op {
		case query.OpClass:
			all = all.Then(classLiterals(p.Class, fold))
		case query.OpAlt:
			alt := GlobLiterals(p.Alts[0], fold)
			for _, a := range p.Alts[1:] {
				alt = alt.or(GlobLiterals(a, fold))
			}
			all = all.Then(alt)
		default:
			all = all.Then(AnyText())
		}
	}
	flush()
	return all
}

// classLiterals returns the literals of a class: a list of its characters, if it is short.
func classLiterals(k *query.GlobClass, fold bool) Literals {
	if k.Locate || k.Negated || len(k.Named) > 0 {
		return AnyText()
	}
	var texts []string
	for _, r := range k.Ranges {
		if r.Hi-r.Lo >= MaxAlts {
			return AnyText()
		}
		for c := r.Lo; c <= r.Hi; c++ {
			if c == '/' || c >= 0xd800 && c < 0xe000 {
				continue
			}
			if fold && c < query.InvalidByte {
				c := casefold.Rune(c)
				texts = append(texts, string(query.AppendChar(nil, c)))
				continue
			}
			texts = append(texts, string(query.AppendChar(nil, c)))
		}
	}
	if len(texts) == 0 {
		return AnyText()
	}
	return Exactly(texts...)
}
