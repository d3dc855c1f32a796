package plan

import (
	"slices"

	"indexd/internal/query"
	"indexd/listing"
)

// step is one node of a compiled query: a test, or AND, OR or NOT of other steps.
type step struct {
	id   int // index in Matcher.here
	op   stepOp
	test test
	kids []*step
	more *moreTexts // or nil
}

// moreTexts are texts that all matches of a step contain, besides those that its tests search
// for: one text of each list.
type moreTexts struct {
	path, fold bool
	lists      [][]string
}

type stepOp uint8

const (
	stepTest stepOp = iota
	stepAnd
	stepOr
	stepNot
)

// test is a leaf. Matchers share it; what it knows of a directory is kept in the Matcher.
type test interface {
	// enter judges all entries of the directory that m has entered (here), and all entries of
	// the directories below it (below).
	enter(m *Matcher) (here, below query.Truth)
	// entry judges one entry. It is called only if enter returned Unknown.
	entry(m *Matcher, c *candidate) query.Truth
	// zone judges all entries that z describes.
	zone(z *query.Zone) query.Truth
	// cost is used to order the tests of an AND, cheap ones first.
	cost() int
	// needs returns what the test needs besides a name and type.
	needs() query.Needs
}

// onText is embedded by tests of a text, which is the path or the name.
type onText struct{ path bool }

func (t onText) needs() query.Needs {
	if t.path {
		return query.NeedsPath
	}
	return 0
}

// candidate is an entry, as far as it is known.
type candidate struct {
	name  string
	typ   listing.Type
	meta  *listing.Entry // nil if not known
	empty query.Truth    // of a directory
}

// unknown is embedded by tests that a directory or zone does not decide.
type unknown struct{}

func (unknown) enter(*Matcher) (here, below query.Truth) { return query.Unknown, query.Unknown }
func (unknown) zone(*query.Zone) query.Truth             { return query.Unknown }

// The costs of tests.
const (
	costFixed = iota // the directory decides
	costName
	costType
	costMeta
	costPath
	costGlob
	costRegex
)

func (s *step) cost() int {
	if s.op == stepTest {
		return s.test.cost()
	}
	worst := 0
	for _, k := range s.kids {
		worst = max(worst, k.cost())
	}
	return worst
}

// sort sorts the steps below s by their cost.
func (s *step) sort() {
	for _, k := range s.kids {
		k.sort()
	}
	slices.SortStableFunc(s.kids, func(a, b *step) int { return a.cost() - b.cost() })
}

// number numbers s and all steps below it, from next on, and returns the next number.
func (s *step) number(next int) int {
	s.id = next
	next++
	for _, k := range s.kids {
		next = k.number(next)
	}
	return next
}

// each calls f with every test below s.
func (s *step) each(f func(test)) {
	if s.op == stepTest {
		f(s.test)
	}
	for _, k := range s.kids {
		k.each(f)
	}
}

// combine returns the AND, OR or NOT of f's results for the steps directly below s.
func (s *step) combine(f func(*step) query.Truth) query.Truth {
	switch s.op {
	case stepAnd:
		all := query.True
		for _, k := range s.kids {
			if all = min(all, f(k)); all == query.False {
				break
			}
		}
		return all
	case stepOr:
		some := query.False
		for _, k := range s.kids {
			if some = max(some, f(k)); some == query.True {
				break
			}
		}
		return some
	}
	return -f(s.kids[0])
}

// enter records for s and all steps below it what the directory decides.
func (s *step) enter(m *Matcher) (here, below query.Truth) {
	switch s.op {
	case stepTest:
		here, below = s.test.enter(m)
	case stepNot:
		here, below = s.kids[0].enter(m)
		here, below = -here, -below
	case stepAnd:
		here, below = query.True, query.True
		for _, k := range s.kids {
			h, b := k.enter(m)
			here, below = min(here, h), min(below, b)
		}
	case stepOr:
		here, below = query.False, query.False
		for _, k := range s.kids {
			h, b := k.enter(m)
			here, below = max(here, h), max(below, b)
		}
	}
	m.here[s.id] = here
	return here, below
}

func (s *step) entry(m *Matcher, c *candidate) query.Truth {
	if here := m.here[s.id]; here != query.Unknown {
		return here
	}
	if s.op == stepTest {
		return s.test.entry(m, c)
	}
	return s.combine(func(k *step) query.Truth { return k.entry(m, c) })
}

func (s *step) zone(z *query.Zone) query.Truth {
	if s.op == stepTest {
		return s.test.zone(z)
	}
	return s.combine(func(k *step) query.Truth { return k.zone(z) })
}
