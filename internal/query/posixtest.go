package query

import (
	"indexd/internal/casefold"
	"regexp/syntax"
	"unicode/utf8"
)

// posixGlob compiles x.
func (c *compiler) posixGlob(x *posixGlob) (*step, error) {
	path := x.where == wherePath
	g := newFnmatch(x.pattern, x.fold)
	if text, start, end, ok := g.whole(); ok {
		if x.fold {
			text = casefold.String(text)
		}
		return c.literal(&litTest{path: path, fold: x.fold, start: start, end: end, alts: []string{text}}), nil
	}
	if c.budget -= g.steps(); c.budget < 0 {
		return nil, c.tooLarge(x.pattern)
	}
	lits := g.literals()
	list := c.required(lits, path, x.fold, true, true)
	t := &posixGlobTest{glob: g, path: path}
	return all(append(list, leafOf(t, lits, path, x.fold))...), nil
}

// posixGlobTest holds for a name or path that a posixGlob matches.
type posixGlobTest struct {
	unknown
	glob *fnmatch
	path bool
}

func (t *posixGlobTest) cost() int { return costGlob }

func (t *posixGlobTest) entry(m *Matcher, c *candidate) Truth {
	return truth(t.glob.match(m.text(c, t.path), &m.meter))
}

// posixRegex compiles x.
func (c *compiler) posixRegex(x *posixRegex) (*step, error) {
	path := x.where == wherePath
	var list []*step
	var lits literals
	if !x.edges {
		s, _, err := c.regex(x.pattern, path)
		if err != nil || !x.bytes {
			return s, err
		}
		list = append(list, s)
	}
	fold := c.foldCase(regexUpper(x.pattern))
	tree, steps, err := ParseRegex(x.pattern, fold)
	if err != nil {
		return nil, err
	}
	if x.edges {
		if c.budget -= steps; c.budget < 0 {
			return nil, c.tooLarge(x.pattern)
		}
		lits = regexLiterals(tree, fold)
		list = c.required(lits, path, fold, false, false)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, &SyntaxError{x.pattern, 0, err.Error(), ""}
	}
	return all(append(list, leafOf(&edgeTest{prog: prog, path: path, bytes: !x.edges}, lits, path, fold))...), nil
}

// edgeTest holds for a name or path in which an edgeMachine finds a match.
type edgeTest struct {
	unknown
	prog  *syntax.Prog
	path  bool
	bytes bool // what is UTF-8 is known to match
}

func (t *edgeTest) cost() int { return costRegex }

func (t *edgeTest) entry(m *Matcher, c *candidate) Truth {
	text := m.text(c, t.path)
	if t.bytes && utf8.ValidString(text) {
		return True
	}
	if m.edges == nil {
		m.edges = new(edgeMachine)
	}
	return truth(m.edges.match(t.prog, text, &m.meter))
}
