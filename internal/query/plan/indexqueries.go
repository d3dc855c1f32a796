package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"indexd/internal/casefold"
	"indexd/internal/query/scan"
	"indexd/store/postings/trigram"
)

// IndexQuery says in which documents of the trigram index matches can be found: in those that
// meet Need and, if Subtree is set, also in everything below a directory whose entry is in
// such a document and whose name Dir accepts. A root has no entry: if Dir accepts a component
// of its path, everything below it can match. All of this may include too much. An IndexQuery
// never changes and may be shared.
type IndexQuery struct {
	Need    trigram.Need
	Subtree bool

	components []component // Dir accepts a name that has one of these
	texts      []string    // describe Need, for people; each of them is required
	count      int         // number of alternatives in texts
	score      int         // how few documents it is likely to leave, in bits
}

// component is a text within one component of a path, or within a name. start and end are set
// if the component begins and ends with it.
type component struct {
	text       string // folded if fold
	fold       bool
	start, end bool
}

// Limits of the index queries of one plan. What exceeds them is left out if that only widens a
// query; otherwise there is no query.
const (
	maxIndexQueries = 8  // queries
	maxQueryTexts   = 64 // texts in a query
	maxTrigrams     = 16 // trigrams of a text
	subtreeBits     = 8  // how much worse a query is if Subtree is set, in bits
)

// IndexQueries returns queries each of which alone leads to all matches, the most selective
// first. If there is none, any document may have a match.
func (p *Plan) IndexQueries() []IndexQuery {
	list := intersectQueries(p.root.indexQueries())
	out := make([]IndexQuery, len(list))
	for i, s := range list {
		out[i] = *s
	}
	return out
}

// Dir reports whether everything below a directory of this name may match.
func (q *IndexQuery) Dir(name string) bool {
	var buf [256]byte
	folded := ""
	for i := range q.components {
		d := &q.components[i]
		in := name
		if d.fold {
			if folded == "" {
				folded = view(casefold.Append(buf[:0], name))
			}
			in = folded
		}
		if d.matches(in) {
			return true
		}
	}
	return false
}

// matches reports whether s, which is folded if d is, has d.
func (c *component) matches(s string) bool {
	switch {
	case c.start && c.end:
		return s == c.text
	case c.start:
		return strings.HasPrefix(s, c.text)
	case c.end:
		return strings.HasSuffix(s, c.text)
	}
	return strings.Contains(s, c.text)
}

// indexQueries returns queries that each lead to all matches of s.
func (s *step) indexQueries() []*IndexQuery {
	var list []*IndexQuery
	if s.more != nil {
		for _, alts := range s.more.lists {
			list = append(list, textQueries(alts, s.more.path, s.more.fold, false, false)...)
		}
	}
	switch s.op {
	case stepTest:
		if t, ok := s.test.(*litTest); ok {
			list = append(list, textQueries(t.alts, t.path, t.fold, t.start, t.end)...)
		}
	case stepAnd:
		for _, k := range s.kids {
			list = append(list, k.indexQueries()...)
		}
	case stepOr:
		var sides []*IndexQuery
		for _, k := range s.kids {
			side := intersectQueries(k.indexQueries())
			if len(side) == 0 || len(sides) == maxQueryTexts {
				return list
			}
			sides = append(sides, side[0])
		}
		if any := unionQueries(sides); any != nil {
			list = append(list, any)
		}
	}
	return list
}

// intersectQueries combines the queries in list that are about the name itself into one, since
// a match must meet all of them with the same name. It returns that query and the others, best
// first.
func intersectQueries(list []*IndexQuery) []*IndexQuery {
	best := func(a, b *IndexQuery) int { return cmp.Compare(b.score, a.score) }
	slices.SortStableFunc(list, best)
	var out []*IndexQuery
	var seen []trigram.Need
	name := -1 // index in out
	for _, s := range list[:min(len(list), maxQueryTexts)] {
		if slices.ContainsFunc(seen, func(n trigram.Need) bool { return equalNeed(n, s.Need) || spells(s.Need, n) }) {
			continue
		}
		seen = append(seen, s.Need)
		switch {
		case s.Subtree:
			out = append(out, s)
		case name < 0:
			name = len(out)
			out = append(out, s)
		case out[name].count+s.count <= maxQueryTexts:
			n := out[name]
			out[name] = &IndexQuery{
				Need:  intersectNeeds(n.Need, s.Need),
				texts: slices.Concat(n.texts, s.texts),
				count: n.count + s.count,
				score: n.score + s.score,
			}
		}
	}
	slices.SortStableFunc(out, best)
	return out[:min(len(out), maxIndexQueries)]
}

// equalNeed reports whether a and b are built in the same way.
func equalNeed(a, b trigram.Need) bool {
	return slices.Equal(a.All, b.All) && slices.EqualFunc(a.And, b.And, equalNeed) && slices.EqualFunc(a.Or, b.Or, equalNeed)
}

// maxSpelled is how many alternatives are worth looking up if each contains a text that is
// looked up anyway.
const maxSpelled = 4

// spells reports whether a only lists many ways to complete what n requires, as foo0, foo1 and
// so on do for foo[0-9].
func spells(a, n trigram.Need) bool {
	if len(a.Or) <= maxSpelled || len(n.All) == 0 || len(n.And)+len(n.Or) > 0 {
		return false
	}
	return !slices.ContainsFunc(a.Or, func(k trigram.Need) bool {
		return slices.ContainsFunc(n.All, func(g trigram.T) bool { return !slices.Contains(k.All, g) })
	})
}

// intersectNeeds returns the need of a document that meets a and b.
func intersectNeeds(a, b trigram.Need) trigram.Need {
	n := trigram.Need{All: slices.Concat(a.All, b.All)}
	slices.Sort(n.All)
	n.All = slices.Compact(n.All)
	for _, k := range []trigram.Need{a, b} {
		n.And = append(n.And, k.And...)
		if len(k.Or) > 0 {
			n.And = append(n.And, trigram.Need{Or: k.Or})
		}
	}
	return n
}

// unionQueries returns a query that leads to whatever one of sides leads to, or nil if they
// are too many.
func unionQueries(sides []*IndexQuery) *IndexQuery {
	if len(sides) == 1 {
		return sides[0]
	}
	all := &IndexQuery{score: sides[0].score}
	var texts []string
	for _, s := range sides {
		if all.count += s.count; all.count > maxQueryTexts {
			return nil
		}
		all.Need.Or = append(all.Need.Or, s.Need)
		all.Subtree = all.Subtree || s.Subtree
		all.components = append(all.components, s.components...)
		all.score = min(all.score, s.score)
		texts = append(texts, s.String())
	}
	all.score -= len(sides)
	all.texts = []string{"(" + strings.Join(texts, " or ") + ")"}
	return all
}

// textQueries returns the queries for a name, or for a path, that has one of alts.
func textQueries(alts []string, path, fold, start, end bool) []*IndexQuery {
	if len(alts) > maxQueryTexts {
		return nil
	}
	if !path {
		if len(alts) > 1 {
			alts = shortest(alts)
		}
		return unionOf(alts, func(alt string) []*IndexQuery {
			return componentQueries(component{text: alt, fold: fold}, false)
		})
	}
	own := func(alt string) []*IndexQuery { // in the name itself
		if !end {
			return nil
		}
		p := components(alt, fold, start, end)
		return componentQueries(p[len(p)-1], false)
	}
	any := func(alt string) []*IndexQuery {
		var list []*IndexQuery
		pieces := components(alt, fold, start, end)
		for i, p := range pieces {
			list = append(list, componentQueries(p, !end || i < len(pieces)-1)...)
		}
		return intersectQueries(list)
	}
	if len(alts) == 1 {
		return any(alts[0])
	}
	return append(unionOf(alts, own), unionOf(alts, any)...)
}

// shortest returns texts without those that contain another one of them.
func shortest(texts []string) []string {
	var kept []string
	for i, s := range texts {
		if !slices.ContainsFunc(texts, func(t string) bool { return len(t) < len(s) && strings.Contains(s, t) }) && !slices.Contains(texts[:i], s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// unionOf returns a query that leads to any of alts: the union of the best query that f
// returns for each.
func unionOf(alts []string, f func(alt string) []*IndexQuery) []*IndexQuery {
	var sides []*IndexQuery
	for _, alt := range alts {
		list := f(alt)
		if len(list) == 0 {
			return nil
		}
		sides = append(sides, list[0])
	}
	if all := unionQueries(sides); all != nil {
		return []*IndexQuery{all}
	}
	return nil
}

// components cuts a text of a path at its slashes.
func components(text string, fold, start, end bool) []component {
	var list []component
	for i, s := range strings.Split(text, "/") {
		if i > 0 {
			list[i-1].end = true
		}
		list = append(list, component{text: s, fold: fold, start: i > 0})
	}
	list[len(list)-1].end = end
	return list
}

// componentQueries returns the query for a name that has d or, if subtree is set, also for any
// directory above it. There is none if d has no trigram.
func componentQueries(d component, subtree bool) []*IndexQuery {
	grams := trigram.Of(d.text)
	if len(grams) == 0 {
		return nil
	}
	if len(grams) > maxTrigrams {
		slices.SortFunc(grams, func(a, b trigram.T) int { return cmp.Compare(trigramBits(b), trigramBits(a)) })
		grams = grams[:maxTrigrams]
		slices.Sort(grams)
	}
	bits := 0
	for _, g := range grams {
		bits += trigramBits(g)
	}
	bits /= 3 // each byte is in three trigrams
	s := &IndexQuery{Need: trigram.Need{All: grams}, count: 1, Subtree: subtree}
	if subtree {
		s.components = []component{d}
		bits -= subtreeBits
	}
	s.texts = []string{fmt.Sprintf("%.40q", d.text)}
	s.score = bits
	return []*IndexQuery{s}
}

// trigramBits returns the rarity of g.
func trigramBits(g trigram.T) int {
	return int(scan.ByteBits[byte(g>>16)]) + int(scan.ByteBits[byte(g>>8)]) + int(scan.ByteBits[byte(g)])
}

// String describes the query for people.
func (q *IndexQuery) String() string { return strings.Join(q.texts, " and ") }
