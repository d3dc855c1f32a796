package plan

import (
	"indexd/internal/query"
	"indexd/internal/query/pattern"
	"indexd/internal/query/scan"
	"math"
	"slices"
)

// prefilter is a set of tests of which every match passes at least one. All of them search for
// texts in a column of names.
type prefilter struct {
	steps     []*step               // with a litTest each
	alts      int                   // number of texts to search for
	score     int                   // how selective it is
	static    bool                  // no test is on the path, so the same searchers serve in every directory
	searchers []scan.ColumnSearcher // if static
	suffixes  *scan.SuffixFilter    // if static, instead of searchers; or nil
}

// maxSearchers is the largest number of texts to search for at once, maxPrefilters the largest
// number of prefilters to keep.
const (
	maxSearchers  = 2 * pattern.MaxAlts
	maxPrefilters = 4
)

// prefilters returns the prefilters of a whole query, best first.
func (s *step) prefilters() []*prefilter {
	list := s.collect()
	list = list[:min(len(list), maxPrefilters)]
	for _, f := range list {
		f.buildSearchers()
	}
	return list
}

// buildSearchers builds what f searches with.
func (f *prefilter) buildSearchers() {
	f.suffixes = &scan.SuffixFilter{}
	for _, s := range f.steps {
		t := s.test.(*litTest)
		t.buildSearchers()
		if f.static {
			f.searchers = append(f.searchers, t.searchers...)
		}
		if f.suffixes != nil && (!t.end || !f.suffixes.Add(t.alts, t.fold)) {
			f.suffixes = nil
		}
	}
	if !f.static || len(f.searchers) == 1 {
		f.suffixes = nil
	}
}

// collect returns the prefilters of s, best first.
func (s *step) collect() []*prefilter {
	switch s.op {
	case stepTest:
		if t, ok := s.test.(*litTest); ok {
			return t.prefilter(s)
		}
	case stepAnd:
		var list []*prefilter
		for _, k := range s.kids {
			list = append(list, k.collect()...)
		}
		slices.SortStableFunc(list, func(a, b *prefilter) int { return b.score - a.score })
		return list
	case stepOr:
		// The best prefilters of all sides together.
		f := &prefilter{score: math.MaxInt, static: true}
		for _, k := range s.kids {
			list := k.collect()
			if len(list) == 0 {
				return nil
			}
			best := list[0]
			f.steps = append(f.steps, best.steps...)
			f.alts += best.alts
			f.static = f.static && best.static
			f.score = min(f.score, best.score)
			if f.alts > maxSearchers {
				return nil
			}
		}
		f.score -= len(f.steps)
		return []*prefilter{f}
	}
	return nil
}

func (t *litTest) prefilter(s *step) []*prefilter {
	if slices.Contains(t.alts, "") { // which every name contains
		return nil
	}
	n := pattern.Score(t.alts)
	if t.start || t.end {
		n += 16 // counts as much as another letter
	}
	return []*prefilter{{steps: []*step{s}, alts: len(t.alts), score: n, static: !t.path}}
}

// searchersIn appends to dst the searchers for the directory that m has entered. ok is false
// if f excludes nothing there.
func (f *prefilter) searchersIn(m *Matcher, dst []scan.ColumnSearcher) (searchers []scan.ColumnSearcher, ok bool) {
	for _, s := range f.steps {
		switch m.here[s.id] {
		case query.True:
			return dst, false
		case query.False:
			continue
		}
		t := s.test.(*litTest)
		if !t.path {
			dst = append(dst, t.searchers...)
			continue
		}
		for i := range t.alts {
			switch m.remainders[t.id+i] {
			case remainderWhole:
				dst = append(dst, t.searchers[i])
			case remainderRest:
				dst = append(dst, t.remainderSearchers[i])
			}
		}
	}
	return dst, true
}
