package plan

import (
	"indexd/internal/casefold"
	"indexd/internal/query"
	"indexd/internal/query/pattern"
	"regexp/syntax"
	"unicode/utf8"
)

// posixGlob compiles x.
func (c *compiler) posixGlob(x *query.PosixGlob) (*step, error) {
	path := x.Where == query.WherePath
	g := pattern.NewFnmatch(x.Pattern, x.Fold)
	if text, start, end, ok := g.Whole(); ok {
		if x.Fold {
			text = casefold.String(text)
		}
		return c.literal(&litTest{onText: onText{path}, fold: x.Fold, start: start, end: end, alts: []string{text}}), nil
	}
	if c.budget -= g.Steps(); c.budget < 0 {
		return nil, c.tooLarge(x.Pattern)
	}
	lits := g.Literals()
	list := c.required(lits, path, x.Fold, true, true)
	t := &posixGlobTest{glob: g, onText: onText{path}}
	return all(append(list, leafOf(t, lits, path, x.Fold))...), nil
}

// posixGlobTest holds for a name or path that a posixGlob matches.
type posixGlobTest struct {
	onText
	unknown
	glob *pattern.Fnmatch
}

func (t *posixGlobTest) cost() int { return costGlob }

func (t *posixGlobTest) entry(m *Matcher, c *candidate) query.Truth {
	return query.TruthOf(t.glob.Match(m.text(c, t.path), &m.budget))
}

// posixRegex compiles x.
func (c *compiler) posixRegex(x *query.PosixRegex) (*step, error) {
	path := x.Where == query.WherePath
	var list []*step
	var lits pattern.Literals
	if !x.Edges {
		s, _, err := c.regex(x.Pattern, path)
		if err != nil || !x.Bytes {
			return s, err
		}
		list = append(list, s)
	}
	fold := c.foldCase(query.RegexHasUpper(x.Pattern))
	tree, steps, err := query.ParseRegex(x.Pattern, fold)
	if err != nil {
		return nil, err
	}
	if x.Edges {
		if c.budget -= steps; c.budget < 0 {
			return nil, c.tooLarge(x.Pattern)
		}
		lits = pattern.RegexLiterals(tree, fold)
		list = c.required(lits, path, fold, false, false)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, &query.SyntaxError{Text: x.Pattern, Msg: err.Error()}
	}
	return all(append(list, leafOf(&edgeTest{prog: prog, onText: onText{path}, bytes: !x.Edges}, lits, path, fold))...), nil
}

// edgeTest holds for a name or path in which an edgeMachine finds a match.
type edgeTest struct {
	onText
	unknown
	prog  *syntax.Prog
	bytes bool // what is UTF-8 is known to match
}

func (t *edgeTest) cost() int { return costRegex }

func (t *edgeTest) entry(m *Matcher, c *candidate) query.Truth {
	text := m.text(c, t.path)
	if t.bytes && utf8.ValidString(text) {
		return query.True
	}
	if m.edges == nil {
		m.edges = new(pattern.WordBoundaryNFA)
	}
	return query.TruthOf(m.edges.Match(t.prog, text, &m.budget))
}
