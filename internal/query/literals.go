package query

import (
	"slices"
	"strings"

	"indexd/internal/casefold"
)

// A pattern is searched for by the texts that it cannot do without. What is
// known of the texts that a pattern, or a piece of one, matches:
type literals struct {
	exact  []string // all of them; nil: not known
	prefix []string // each begins with one of these; never empty
	suffix []string // each ends with one of these; never empty
	inner  []string // each contains one of these; nil: not known

	// lists are more of the kind of inner: each contains one text of every list.
	// They are for the trigram index and have no text that is too short for it.
	lists [][]string
}

// At most so many alternatives are kept, and so long texts put together.
const (
	maxAlts    = 16
	maxLiteral = 512
	maxLists   = 8
)

func anyText() literals { return literals{prefix: []string{""}, suffix: []string{""}} }

func exactly(texts ...string) literals {
	texts = slices.Compact(slices.Sorted(slices.Values(texts)))
	if len(texts) > maxAlts {
		return anyText()
	}
	return allOf(texts)
}

// allOf is exactly, for texts that are few, in order and apart.
func allOf(texts []string) literals {
	return literals{exact: texts, prefix: texts, suffix: texts, inner: useful(texts), lists: addList(nil, texts)}
}

// addList adds texts to lists, of which any match contains one of each, unless
// that says nothing new.
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

// implies reports whether what contains one of a is sure to contain one of b. It
// does not try where they are many.
func implies(a, b []string) bool {
	if len(a)*len(b) > maxAlts {
		return false
	}
	for _, s := range a {
		if !slices.ContainsFunc(b, func(t string) bool { return strings.Contains(s, t) }) {
			return false
		}
	}
	return true
}

// useful is texts as something that must be contained; nil if that says
// nothing.
func useful(texts []string) []string {
	if len(texts) == 0 || len(texts) > maxAlts || slices.Contains(texts, "") {
		return nil
	}
	return texts
}

// score is how selective it is that a name contains one of texts, less what it
// costs to look for so many: eight more are worth a letter less.
func score(texts []string) int {
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
	if score(b) > score(a) {
		return b
	}
	return a
}

// cross is every text of a followed by every one of b; nil if they are too
// many or too long.
func cross(a, b []string) []string {
	if len(a)*len(b) > maxAlts || len(a) > 0 && len(b) > 0 && len(a[0])+len(b[0]) > maxLiteral {
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

// then is what is known of a text of a followed by one of b.
func (a literals) then(b literals) literals {
	if a.exact != nil && b.exact != nil {
		if all := cross(a.exact, b.exact); all != nil {
			return allOf(all)
		}
	}
	c := literals{prefix: a.prefix, suffix: b.suffix, inner: better(a.inner, b.inner)}
	if a.exact != nil {
		if p := cross(a.exact, b.prefix); p != nil {
			c.prefix = p
		}
	}
	if b.exact != nil {
		if s := cross(a.suffix, b.exact); s != nil {
			c.suffix = s
		}
	}
	between := useful(cross(a.suffix, b.prefix))
	c.inner = better(c.inner, between)
	c.lists = addList(a.lists, between)
	for _, l := range b.lists {
		c.lists = addList(c.lists, l)
	}
	return c
}

// or is what is known of a text of a or of b.
func (a literals) or(b literals) literals {
	union := func(x, y []string) []string {
		return slices.Compact(slices.Sorted(slices.Values(slices.Concat(x, y))))
	}
	if a.exact != nil && b.exact != nil {
		if all := union(a.exact, b.exact); len(all) <= maxAlts {
			return allOf(all)
		}
	}
	c := anyText()
	if p := union(a.prefix, b.prefix); len(p) <= maxAlts {
		c.prefix = p
	}
	if s := union(a.suffix, b.suffix); len(s) <= maxAlts {
		c.suffix = s
	}
	if a.inner != nil && b.inner != nil {
		c.inner = useful(union(a.inner, b.inner))
		c.lists = addList(nil, c.inner)
	}
	return c
}

// globLiterals is what is known of the texts that parts match; folded if fold.
func globLiterals(parts []globPart, fold bool) literals {
	all := exactly("")
	var run []byte
	flush := func() {
		if len(run) > 0 {
			s := string(run)
			if fold {
				s = casefold.String(s)
			}
			all = all.then(exactly(s))
			run = run[:0]
		}
	}
	for _, p := range parts {
		if p.op == opChar {
			run = appendChar(run, p.c)
			continue
		}
		flush()
		switch p.op {
		case opClass:
			all = all.then(p.class.literals(fold))
		case opAlt:
			alt := globLiterals(p.alts[0], fold)
			for _, a := range p.alts[1:] {
				alt = alt.or(globLiterals(a, fold))
			}
			all = all.then(alt)
		default:
			all = all.then(anyText())
		}
	}
	flush()
	return all
}

// literals is the class as a list of texts, if it is a short one.
func (k *globClass) literals(fold bool) literals {
	if k.negated || len(k.named) > 0 {
		return anyText()
	}
	var texts []string
	for _, r := range k.ranges {
		if r.hi-r.lo >= maxAlts {
			return anyText()
		}
		for c := r.lo; c <= r.hi; c++ {
			if c == '/' || c >= 0xd800 && c < 0xe000 {
				continue
			}
			if fold && c < invalid {
				c := casefold.Rune(c)
				texts = append(texts, string(appendChar(nil, c)))
				continue
			}
			texts = append(texts, string(appendChar(nil, c)))
		}
	}
	if len(texts) == 0 {
		return anyText()
	}
	return exactly(texts...)
}
