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

// Seeds say in which documents of the trigram index matches can be found: in
// those that meet Need, and where Subtree is set also in whatever lies below a
// directory whose entry is in such a document and whose name Dir accepts. A root
// is no entry; below one of whose path a component is accepted by Dir all is to
// be looked at. Both are supersets. Seeds never change and may be shared.
type IndexQuery struct {
	Need    trigram.Need
	Subtree bool

	components []component // of which Dir wants one
	texts      []string    // what Need is of, for people; each is needed
	count      int         // of the alternatives in texts
	score      int         // how few documents it is likely to leave, in bits
}

// piece is a text within one component of a path, or within a name. start and
// end say that the component begins and ends with it.
type component struct {
	text       string // folded if fold
	fold       bool
	start, end bool
}

// Bounds of what is asked of the index for one query. What is beyond is left out
// where that makes Seeds wider, or else gives none.
const (
	maxIndexQueries = 8  // alternatives
	maxQueryTexts   = 64 // texts in one of them
	maxTrigrams     = 16 // of a text
	subtreeBits     = 8  // by which a Subtree is worse: what is below a directory counts too
)

// Seeds returns alternatives of which each alone leads to all matches, the one
// that is likely to leave least first. None: any document may have a match.
func (p *Plan) IndexQueries() []IndexQuery {
	list := intersectQueries(p.root.indexQueries())
	out := make([]IndexQuery, len(list))
	for i, s := range list {
		out[i] = *s
	}
	return out
}

// Dir reports whether all that is below a directory of this name may match.
func (s *IndexQuery) Dir(name string) bool {
	var buf [256]byte
	folded := ""
	for i := range s.components {
		d := &s.components[i]
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

// in reports whether the component s, folded if d is, has d.
func (d *component) matches(s string) bool {
	switch {
	case d.start && d.end:
		return s == d.text
	case d.start:
		return strings.HasPrefix(s, d.text)
	case d.end:
		return strings.HasSuffix(s, d.text)
	}
	return strings.Contains(s, d.text)
}

// seeds are conditions that all matches of s meet.
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

// bothSeeds makes one of those of list that are about the name itself, since all
// of them hold for the one name, and returns it and the others, best first.
func intersectQueries(list []*IndexQuery) []*IndexQuery {
	best := func(a, b *IndexQuery) int { return cmp.Compare(b.score, a.score) }
	slices.SortStableFunc(list, best)
	var out []*IndexQuery
	var seen []trigram.Need
	name := -1 // in out
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

// sameNeed reports whether a and b are made the same way.
func equalNeed(a, b trigram.Need) bool {
	return slices.Equal(a.All, b.All) && slices.EqualFunc(a.And, b.And, equalNeed) && slices.EqualFunc(a.Or, b.Or, equalNeed)
}

// maxSpelled is how many alternatives are worth asking for of which each has a
// text that is asked for anyway.
const maxSpelled = 4

// spells reports whether a says what n says in many ways, each with some more, as
// foo0, foo1 and so on do that foo[0-9] is.
func spells(a, n trigram.Need) bool {
	if len(a.Or) <= maxSpelled || len(n.All) == 0 || len(n.And)+len(n.Or) > 0 {
		return false
	}
	return !slices.ContainsFunc(a.Or, func(k trigram.Need) bool {
		return slices.ContainsFunc(n.All, func(g trigram.T) bool { return !slices.Contains(k.All, g) })
	})
}

// bothNeeds is the need of what has both a and b.
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

// anySeeds are those of what one of sides leads to; nil where they are too many.
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

// textSeeds are those of a name, or of a path, that has one of alts.
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
	own := func(alt string) []*IndexQuery { // what is in the name itself
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

// shortest is texts without those that have another in them.
func shortest(texts []string) []string {
	var kept []string
	for i, s := range texts {
		if !slices.ContainsFunc(texts, func(t string) bool { return len(t) < len(s) && strings.Contains(s, t) }) && !slices.Contains(texts[:i], s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// sideBySide is what leads to any of alts: the best that f knows of each.
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

// cutPath cuts a text of paths into what of it is in one component each.
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

// pieceSeeds are those of a component that has d: of the name, or with subtree
// of any directory above it too. None if d has no trigram.
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
	bits /= 3 // each byte is in as many
	s := &IndexQuery{Need: trigram.Need{All: grams}, count: 1, Subtree: subtree}
	if subtree {
		s.components = []component{d}
		bits -= subtreeBits
	}
	s.texts = []string{fmt.Sprintf("%.40q", d.text)}
	s.score = bits
	return []*IndexQuery{s}
}

// gramBits is how rare g is.
func trigramBits(g trigram.T) int {
	return int(scan.ByteBits[byte(g>>16)]) + int(scan.ByteBits[byte(g>>8)]) + int(scan.ByteBits[byte(g)])
}

// String is for people.
func (s *IndexQuery) String() string { return strings.Join(s.texts, " and ") }
