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

// litTest holds for a text that has one of alts: anywhere, or where start and
// end say so at its beginning and end. The text is the name or the path,
// folded if fold; so are alts.
type litTest struct {
	onText
	fold       bool
	start, end bool
	needsStem  bool // something must stand before; only with end, and on names
	alts       []string

	id    int              // of Matcher.tails, for a path
	pairs []*scan.BytePair // by alt, for a path; nil where only what is folded tells

	// By alt, what to look for in a column of names: all of it, and for a path
	// what of it is in the name when the rest is in the directory. Only where a
	// prefilter asks for them.
	searchers, remainderSearchers []scan.ColumnSearcher
	disjoint                      bool // no name has two of alts, which are at the end
}

// A path's text is in the directory and its '/' or in the name or in both. What
// is left to find in the name, by alt:
type pathRemainder uint8

const (
	remainderNone  pathRemainder = iota // it cannot match in this directory
	remainderWhole                      // all of alt
	remainderRest                       // what follows its last '/', at the beginning of the name
)

func (t *litTest) cost() int {
	if t.path {
		return costPath
	}
	return costName
}

func (t *litTest) zone(*query.Zone) query.Truth { return query.Unknown }

// sharpen makes the needles.
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
			// Nor can it match further down.
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
				// What ends with a '/' no path ends with.
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

// within reports whether the directory entered has alt i.
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

// endsWith reports whether the directory entered, and its '/', end with head, a
// beginning of alt i.
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

// rare reports whether in dir there may be a character that is not ASCII and yet
// folds to a letter of alt i.
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
	id    int  // of Matcher.globs, for a path
	wider bool // a text of ASCII is judged by another test
}

func (t *globTest) cost() int                    { return costGlob }
func (t *globTest) zone(*query.Zone) query.Truth { return query.Unknown }

func (t *globTest) enter(m *Matcher) (here, below query.Truth) {
	m.globs[t.id].Valid = false // found when an entry asks; the literals before it refuse most
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

// excludeTest holds for what an exclude glob leaves out, and all that is below.
type excludeTest struct {
	query.ExcludeGlob
	*pattern.Glob
	exact []string // all that the glob matches, if known
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

// enter looks at the directories between the root, or the directory asked
// about, and the one entered: as many as the depth says.
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

// enterPath is enter for a glob on the path, which passes over dir once.
func (t *excludeTest) enterPath(m *Matcher, dir string) (here, below query.Truth) {
	over := strings.Count(dir, "/") - (m.depth - 1) // directories that are not looked at
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
