package plan

import (
	"slices"
	"strings"
	"unicode/utf8"

	"indexd/internal/casefold"
	"indexd/internal/query/pattern"
)

// Span is the range of bytes [From, To).
type Span struct{ From, To int }

// highlight is a text term whose matches are coloured. One of its pointers is set, or none for
// a term that is never coloured.
type highlight struct {
	path  bool
	lit   *litTest
	bytes *bytesTest
	glob  *pattern.Glob
	re    *pattern.Searcher
}

// maxHighlights is the largest number of terms that are coloured, maxSpans the largest number
// of matches of each in one path.
const (
	maxHighlights = 64
	maxSpans      = 100
)

// Highlights appends to dst the parts of path that the terms match, sorted and not
// overlapping, and returns it. path is absolute. A glob that matches highlights the whole
// name.
func (m *Matcher) Highlights(dst []Span, path string) []Span {
	name := strings.LastIndexByte(path, '/') + 1
	var all []Span
	for _, k := range m.p.highlights {
		from := name
		if k.path {
			from = 0
		}
		s := path[from:]
		switch {
		case k.lit != nil:
			all = appendMatches(all, s, k.lit.alts[0], k.lit.fold, from)
		case k.bytes != nil:
			for at := 0; len(all) < maxHighlights*maxSpans; {
				i, j := indexBytes(s[at:], k.bytes.text, &m.budget)
				if i < 0 {
					break
				}
				all = append(all, Span{from + at + i, from + at + j})
				at += j
			}
		case k.re != nil && k.re.Regexp != nil:
			for _, at := range k.re.FindAllStringIndex(s, maxSpans) {
				all = append(all, Span{from + at[0], from + at[1]})
			}
		case k.glob != nil && k.glob.Match(&m.scratch[0], &m.scratch[1], s, &m.budget):
			all = append(all, Span{name, len(path)})
		}
	}
	slices.SortFunc(all, func(a, b Span) int { return a.From - b.From })
	begin := len(dst)
	for _, s := range all {
		switch n := len(dst); {
		case s.From == s.To:
		case n > begin && s.From <= dst[n-1].To:
			dst[n-1].To = max(dst[n-1].To, s.To)
		default:
			dst = append(dst, s)
		}
	}
	return dst
}

// appendMatches appends the matches of text in s, which begins at offset base of the path.
func appendMatches(dst []Span, s, text string, fold bool, base int) []Span {
	if text == "" {
		return dst
	}
	hay := s
	if fold {
		hay = casefold.String(s)
	}
	// Folding keeps the number of characters, so i in s and j in hay advance together.
	i, j := 0, 0
	step := func(to int) int {
		if !fold {
			return to
		}
		for j < to {
			_, w := utf8.DecodeRuneInString(s[i:])
			_, f := utf8.DecodeRuneInString(hay[j:])
			i, j = i+w, j+f
		}
		return i
	}
	for at, n := 0, 0; n < maxSpans; n++ {
		k := strings.Index(hay[at:], text)
		if k < 0 {
			break
		}
		from := step(at + k)
		at += k + len(text)
		dst = append(dst, Span{base + from, base + step(at)})
	}
	return dst
}
