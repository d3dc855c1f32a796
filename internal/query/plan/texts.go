package plan

import (
	"bytes"
	"slices"
	"strings"

	"indexd/internal/query"
	"indexd/internal/query/pattern"
	"indexd/internal/query/scan"
	"indexd/listing"
)

// litTest holds for a text that contains one of alts, or begins or ends with one if start or
// end is set. The text is the name or the path. If fold is set, it is folded, and so are alts.
type litTest struct {
	onText
	fold       bool
	start, end bool
	needsStem  bool // something must precede the text; only with end, and for names
	alts       []string

	id    int              // index of the first of alts in Matcher.remainders, for a path
	pairs []*scan.BytePair // by alt, for a path; nil if only the folded path can be compared

	// By alt, for a column of names: a searcher for the whole text and, for a path, one for
	// the part in the name if the rest is in the directory. They are built only if a prefilter
	// needs them.
	searchers, remainderSearchers []scan.ColumnSearcher
	disjoint                      bool // alts are suffixes, and no name has two of them
}

// pathRemainder says which part of a text remains to be found in the name, given the
// directory.
type pathRemainder uint8

const (
	remainderNone  pathRemainder = iota // the text cannot match in this directory
	remainderWhole                      // all of it
	remainderRest                       // what follows its last '/', at the beginning of the name
)

func (t *litTest) cost() int {
	if t.path {
		return costPath
	}
	return costName
}

func (t *litTest) zone(*query.Zone) query.Truth { return query.Unknown }

// buildSearchers builds searchers, once.
func (t *litTest) buildSearchers() {
	if t.searchers != nil {
		return
	}
	t.disjoint = t.end && scan.Disjoint(t.alts)
	for _, alt := range t.alts {
		t.searchers = append(t.searchers, scan.NewColumnSearcher(alt, t.fold, t.start && !t.path, t.end))
		if t.path {
			rest := alt[strings.LastIndexByte(alt, '/')+1:]
			t.remainderSearchers = append(t.remainderSearchers, scan.NewColumnSearcher(rest, t.fold, true, t.end))
		}
	}
}

func (t *litTest) enter(m *Matcher) (here, below query.Truth) {
	if !t.path {
		return query.Unknown, query.Unknown
	}
	dir := m.dir()
	here, below = query.False, query.False
	for i, alt := range t.alts {
		m.budget.Spend(1 + len(dir)/16)
		slash := strings.LastIndexByte(alt, '/') + 1
		head := alt[:slash]
		left := remainderNone
		if t.fold && t.start {
			dir = m.foldedDir()
		}
		switch {
		case t.start && !strings.HasPrefix(alt, dir) && !strings.HasPrefix(dir, alt):
			// It cannot match further down either.
		case t.start && !t.end && strings.HasPrefix(dir, alt), !t.start && !t.end && t.within(m, i):
			return query.True, query.True
		default:
			below = query.Unknown
			switch {
			case slash == 0:
				if !t.start {
					left = remainderWhole
				}
			case slash == len(alt):
				// A path never ends with '/'.
			case t.start && dir == head, !t.start && t.endsWith(m, i, head):
				left = remainderRest
			}
		}
		m.remainders[t.id+i] = left
		if left != remainderNone {
			here = query.Unknown
		}
	}
	return here, below
}

// within reports whether the directory entered contains alts[i].
func (t *litTest) within(m *Matcher, i int) bool {
	dir := m.buf[:m.slash]
	switch n := t.pairs[i]; {
	case n == nil:
		return strings.Contains(m.foldedDir(), t.alts[i])
	case !t.fold && n.Rare == 0:
		return bytes.Contains(dir, n.Text)
	}
	return t.pairs[i].Find(dir) >= 0 || t.mayFoldOtherwise(i, dir) && strings.Contains(m.foldedDir(), t.alts[i])
}

// endsWith reports whether the directory entered and its '/' end with head, which alts[i]
// begins with.
func (t *litTest) endsWith(m *Matcher, i int, head string) bool {
	dir := m.buf[:m.slash]
	switch {
	case !t.fold:
		return strings.HasSuffix(view(dir), head)
	case t.pairs[i] == nil:
		return strings.HasSuffix(m.foldedDir(), head)
	}
	at := len(dir) - len(head)
	return at >= 0 && scan.EqualFold(dir[at:], t.pairs[i].Text[:len(head)]) || t.mayFoldOtherwise(i, dir) && strings.HasSuffix(m.foldedDir(), head)
}

// mayFoldOtherwise reports whether dir may contain a character that is not ASCII, but folds to
// an ASCII letter of alts[i].
func (t *litTest) mayFoldOtherwise(i int, dir []byte) bool {
	return t.fold && strings.ContainsAny(t.alts[i], "ks") && !scan.IsASCII(dir)
}

func (t *litTest) entry(m *Matcher, c *candidate) query.Truth {
	name := c.name
	if t.fold {
		name = m.foldedName(name)
	}
	m.budget.Spend(len(t.alts))
	for i, alt := range t.alts {
		start := t.start
		if t.path {
			switch m.remainders[t.id+i] {
			case remainderNone:
				continue
			case remainderRest:
				alt, start = alt[strings.LastIndexByte(alt, '/')+1:], true
			case remainderWhole:
				start = false
			}
		}
		if t.has(name, alt, start) {
			return query.True
		}
	}
	return query.False
}

func (t *litTest) has(name, alt string, start bool) bool {
	switch {
	case start && t.end:
		return name == alt
	case start:
		return strings.HasPrefix(name, alt)
	case t.end:
		return strings.HasSuffix(name, alt) && !(t.needsStem && len(name) == len(alt))
	}
	return strings.Contains(name, alt)
}

// globTest holds for a name or path that a glob matches as a whole.
type globTest struct {
	onText
	*pattern.Glob
	id    int  // index in Matcher.globs, for a path
	wider bool // another test judges texts of ASCII
}

func (t *globTest) cost() int                    { return costGlob }
func (t *globTest) zone(*query.Zone) query.Truth { return query.Unknown }

func (t *globTest) enter(m *Matcher) (here, below query.Truth) {
	m.globs[t.id].Valid = false // computed when an entry needs it, which the literals before it make rare
	return query.Unknown, query.Unknown
}

func (t *globTest) entry(m *Matcher, c *candidate) query.Truth {
	a, b := &m.scratch[0], &m.scratch[1]
	if !t.path || t.Linear {
		text := m.text(c, t.path)
		return query.TruthOf(!(t.wider && query.IsASCII(text)) && t.Match(a, b, text, &m.budget))
	}
	// The state behind the directory is the same for all its entries.
	dir := &m.globs[t.id]
	if !dir.Valid {
		t.Begin(a)
		a, _ = t.Run(a, b, m.dir(), &m.budget)
		dir.Places = append(dir.Places[:0], a.Places...)
		dir.Valid = true
		a, b = &m.scratch[0], &m.scratch[1]
	}
	if len(dir.Places) == 0 {
		return query.False
	}
	t.Load(a, dir.Places)
	a, _ = t.Run(a, b, c.name, &m.budget)
	return query.TruthOf(t.Accepts(a))
}

// regexTest holds for a name or path in which re finds a match.
type regexTest struct {
	onText
	unknown
	re *pattern.Searcher
}

func (t *regexTest) cost() int { return costRegex }

func (t *regexTest) entry(m *Matcher, c *candidate) query.Truth {
	return query.TruthOf(t.re.Match(m.text(c, t.path), &m.budget))
}

// excludeTest holds for what an exclude glob excludes, including everything below.
type excludeTest struct {
	query.ExcludeGlob
	*pattern.Glob
	exact []string // all texts that the glob matches, if known
}

func (t *excludeTest) matches(m *Matcher, s string) bool {
	if t.exact != nil {
		return slices.Contains(t.exact, s)
	}
	return t.Match(&m.scratch[0], &m.scratch[1], s, &m.budget)
}

func (t *excludeTest) needs() query.Needs           { return query.NeedsPath }
func (t *excludeTest) cost() int                    { return costGlob }
func (t *excludeTest) zone(*query.Zone) query.Truth { return query.Unknown }

// enter tests the directories from the one entered upward, as many as the depth says: not the
// root or the directory searched.
func (t *excludeTest) enter(m *Matcher) (here, below query.Truth) {
	dir := strings.TrimSuffix(m.dir(), "/")
	if t.ExcludeGlob.Path {
		return t.enterPath(m, dir)
	}
	for n := m.depth - 1; n > 0 && dir != ""; n-- {
		slash := strings.LastIndexByte(dir, '/')
		if t.matches(m, dir[slash+1:]) {
			return query.True, query.True
		}
		dir = dir[:max(slash, 0)]
	}
	return query.Unknown, query.Unknown
}

// enterPath is enter for a glob on the path. It reads dir only once.
func (t *excludeTest) enterPath(m *Matcher, dir string) (here, below query.Truth) {
	over := strings.Count(dir, "/") - (m.depth - 1) // how many of the upper directories are not tested
	cur, spare := &m.scratch[0], &m.scratch[1]
	t.Begin(cur)
	for ; dir != "" && len(cur.Places) > 0; over-- {
		n := 1 + strings.IndexByte(dir[1:], '/')
		if n == 0 {
			n = len(dir)
		}
		cur, spare = t.Run(cur, spare, dir[:n], &m.budget)
		if over <= 0 && t.Accepts(cur) {
			return query.True, query.True
		}
		dir = dir[n:]
	}
	return query.Unknown, query.Unknown
}

func (t *excludeTest) entry(m *Matcher, c *candidate) query.Truth {
	if t.DirsOnly && c.typ != listing.Dir && c.typ != listing.Unknown {
		return query.False
	}
	s := m.text(c, t.ExcludeGlob.Path)
	if !t.matches(m, s) {
		return query.False
	}
	if t.DirsOnly && c.typ == listing.Unknown {
		return query.Unknown
	}
	return query.True
}
