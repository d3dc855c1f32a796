package plan

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"indexd/internal/casefold"
	"indexd/internal/query"
	"indexd/internal/query/pattern"
	"indexd/internal/query/scan"
	"indexd/listing"
)

// compiler turns a parsed request into steps.
type compiler struct {
	mode       query.Case
	fullPath   bool
	budget     int // steps of globs and regular expressions that are left
	remainders int // number of Matcher.remainders
	globs      int // number of Matcher.globs
	highlights []highlight
}

// Compile prepares a resolved request. Errors are of type *query.SyntaxError. It is cheap
// except for regular expressions, and does not keep r.
func Compile(r *query.Request) (*Plan, error) {
	p, err := r.Parse(nil)
	if err != nil {
		return nil, err
	}
	c := &compiler{mode: r.Case, fullPath: r.FullPath, budget: query.MaxSteps}
	list := []query.Expr{p.Terms}
	for _, f := range p.Filters {
		list = append(list, f)
	}
	if r.MinDepth > 0 || r.MaxDepth > 0 {
		d := &query.Depth{Lo: uint64(r.MinDepth), Hi: query.MaxNumber}
		if r.MaxDepth > 0 {
			d.Hi = uint64(r.MaxDepth)
		}
		list = append(list, d)
	}
	plan := &Plan{expr: query.Conjunction(list...), in: outermost(p.In)}
	root, err := c.step(plan.expr, false)
	if err != nil {
		return nil, err
	}
	for _, x := range p.Exclude {
		k, err := c.exclude(x)
		if err != nil {
			return nil, err
		}
		root = all(root, &step{op: stepNot, kids: []*step{k}})
		plan.exclude = append(plan.exclude, x.Pattern)
	}
	root.sort()
	plan.root = root
	plan.steps = root.number(0)
	plan.remainders, plan.globs = c.remainders, c.globs
	plan.highlights = c.highlights
	plan.filters = root.prefilters()
	root.each(func(t test) { plan.needs |= t.needs() })
	return plan, nil
}

// outermost sorts dirs and removes those that are below another one.
func outermost(dirs []string) []string {
	var out []string
	for _, d := range slices.SortedFunc(slices.Values(dirs), comparePaths) {
		if n := len(out); n > 0 && (d == out[n-1] || out[n-1] == "/" || strings.HasPrefix(d, out[n-1]+"/")) {
			continue
		}
		out = append(out, d)
	}
	return out
}

// comparePaths orders paths component by component, so that the contents of a directory follow
// it.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			switch {
			case a[i] == '/':
				return -1
			case b[i] == '/':
				return 1
			}
			return int(a[i]) - int(b[i])
		}
	}
	return len(a) - len(b)
}

func leaf(t test) *step { return &step{test: t} }

// withTexts records that every match of s contains the texts of x.
func withTexts(s *step, x pattern.Literals, path, fold bool) *step {
	if len(x.Lists) > 0 {
		s.more = &moreTexts{path, fold, x.Lists}
	}
	return s
}

// all returns the AND of list.
func all(list ...*step) *step {
	if len(list) == 1 {
		return list[0]
	}
	return &step{op: stepAnd, kids: list}
}

// step compiles x. negated is set if x is under NOT.
func (c *compiler) step(x query.Expr, negated bool) (*step, error) {
	list := func(op stepOp, xs []query.Expr) (*step, error) {
		s := &step{op: op}
		for _, x := range xs {
			k, err := c.step(x, negated)
			if err != nil {
				return nil, err
			}
			s.kids = append(s.kids, k)
		}
		return s, nil
	}
	switch x := x.(type) {
	case *query.And:
		return list(stepAnd, x.List)
	case *query.Or:
		return list(stepOr, x.List)
	case *query.Not:
		k, err := c.step(x.X, !negated)
		return &step{op: stepNot, kids: []*step{k}}, err
	case *query.Text:
		return c.text(x, negated)
	case *query.Exts:
		t := &litTest{fold: true, end: true, needsStem: true}
		for _, ext := range x.List {
			t.alts = append(t.alts, "."+ext)
		}
		return c.literal(t), nil
	case *query.Types:
		return typeStep(x.Letters), nil
	case query.Attribute:
		return leaf(&attributeTest{Attribute: x}), nil
	case *query.Depth:
		return leaf(&depthTest{x}), nil
	case *query.In:
		return leaf(&inTest{strings.TrimSuffix(x.Dir, "/") + "/"}), nil
	case query.Everything:
		return leaf(constant{query.True}), nil
	}
	panic(fmt.Sprintf("no step for %T", x))
}

func typeStep(letters string) *step {
	t := &typeTest{}
	var list []*step
	for _, c := range []byte(letters) {
		switch c {
		case 'x':
			list = append(list, leaf(execTest{}))
		case 'e':
			list = append(list, leaf(emptyTest{}))
		default:
			typ, _ := listing.TypeOfLetter(c)
			t.set |= 1 << typ
		}
	}
	if t.set != 0 {
		list = append(list, leaf(t))
	}
	if len(list) == 1 {
		return list[0]
	}
	return &step{op: stepOr, kids: list}
}

func (c *compiler) literal(t *litTest) *step {
	if t.path {
		t.id = c.remainders
		c.remainders += len(t.alts)
		for _, alt := range t.alts {
			var n *scan.BytePair
			if !t.fold || query.IsASCII(alt) {
				n = scan.NewBytePair([]byte(alt), t.fold)
			}
			t.pairs = append(t.pairs, n)
		}
	}
	return leaf(t)
}

// foldCase reports whether case is ignored for a pattern. upper says whether it has an
// upper-case letter.
func (c *compiler) foldCase(upper bool) bool {
	switch c.mode {
	case query.CaseIgnore:
		return true
	case query.CaseSensitive:
		return false
	}
	return !upper
}

func (c *compiler) text(x *query.Text, negated bool) (*step, error) {
	path := x.Where == query.WherePath || x.Where == query.WhereAuto && (c.fullPath || strings.Contains(x.Pattern, "/"))
	var s *step
	var m highlight
	var err error
	switch x.Kind {
	case query.Substring:
		fold := c.foldCase(query.HasUpper(x.Pattern))
		if isMixed(x.Pattern, fold) {
			s, m.bytes = c.mixed(x.Pattern, path)
			break
		}
		m.lit = &litTest{onText: onText{path}, fold: fold, alts: []string{x.Pattern}}
		if m.lit.fold {
			m.lit.alts[0] = casefold.String(x.Pattern)
		}
		s = c.literal(m.lit)
	case query.GlobPattern:
		s, m.glob, err = c.glob(x.Pattern, path)
	case query.RegexPattern, query.WordRegex:
		s, m.re, err = c.regex(x, path)
	case query.LocateGlob:
		s, err = c.locateGlob(x.Pattern, path)
	}
	if !negated && len(c.highlights) < maxHighlights {
		m.path = path
		c.highlights = append(c.highlights, m)
	}
	return s, err
}

func (c *compiler) tooLarge(src string) error {
	return &query.SyntaxError{Text: src, Msg: "the patterns are too large"}
}

func (c *compiler) glob(src string, path bool) (*step, *pattern.Glob, error) {
	parts, err := query.ParseGlob(src)
	if err != nil {
		return nil, nil, err
	}
	fold := c.foldCase(query.HasUpper(src) || caseClass(parts))
	if path {
		parts = query.AnyParent(parts)
	}
	g, ok := pattern.CompileGlob(parts, pattern.FindGlob, fold, &c.budget)
	if !ok {
		return nil, nil, c.tooLarge(src)
	}
	if s := c.wholeGlob(parts, path, fold); s != nil && pattern.ValidGlob(parts) {
		return s, g, nil
	}
	x := pathLiterals(parts, path, fold)
	list := c.required(x, path, fold, true, true)
	t := &globTest{Glob: g, onText: onText{path}, id: c.globs}
	c.globs++
	return all(append(list, withTexts(leaf(t), x, path, fold))...), g, nil
}

// locateGlob compiles a glob of locate. fnmatch matches by bytes or by characters, so this
// takes two tests, unless both certainly agree.
func (c *compiler) locateGlob(src string, path bool) (*step, error) {
	fold := c.foldCase(query.HasUpper(src))
	parts := query.ParseLocateGlob(src, fold, false)
	ascii := query.IsASCII(src)
	if !fold || ascii {
		if s := c.wholeGlob(parts, path, fold); s != nil {
			return s, nil
		}
	}
	kinds := []pattern.GlobKind{pattern.LocateBytes}
	plain := !slices.ContainsFunc(parts, func(p query.GlobPart) bool { return p.Op == query.OpClass })
	if utf8.ValidString(src) && !(plain && (!fold || ascii)) {
		kinds = append(kinds, pattern.LocateChars)
	}
	x := pattern.GlobLiterals(parts, fold)
	list := c.required(x, path, fold, true, true)
	var either []*step
	for _, kind := range kinds {
		g, ok := pattern.CompileGlob(query.ParseLocateGlob(src, fold, kind == pattern.LocateBytes), kind, fold, &c.budget)
		if !ok {
			return nil, c.tooLarge(src)
		}
		either = append(either, leaf(&globTest{Glob: g, onText: onText{path}, id: c.globs, wider: ascii && kind == pattern.LocateChars}))
		c.globs++
	}
	s := either[0]
	if len(either) > 1 {
		s = &step{op: stepOr, kids: either}
	}
	return all(append(list, withTexts(s, x, path, fold))...), nil
}

// caseClass reports whether parts contain the class [:upper:] or [:lower:].
func caseClass(parts []query.GlobPart) bool {
	return slices.ContainsFunc(parts, func(p query.GlobPart) bool {
		return p.Op == query.OpClass && (slices.Contains(p.Class.Named, "upper") || slices.Contains(p.Class.Named, "lower")) ||
			p.Op == query.OpAlt && slices.ContainsFunc(p.Alts, caseClass)
	})
}

// pathLiterals is pattern.GlobLiterals, but also knows that a path begins with '/'.
func pathLiterals(parts []query.GlobPart, path, fold bool) pattern.Literals {
	if path && beginsComponent(parts) {
		before := pattern.AnyText()
		before.Suffix = []string{"/"}
		return before.Then(pattern.GlobLiterals(parts[1:], fold))
	}
	return pattern.GlobLiterals(parts, fold)
}

// beginsComponent reports whether parts begin with "**/" and no other '/'. In a path, this
// "**/" matches at least one '/'.
func beginsComponent(parts []query.GlobPart) bool {
	return len(parts) > 1 && parts[0].Op == query.OpDirs && parts[1].Op == query.OpChar && parts[1].Char != '/'
}

// wholeGlob compiles a glob that consists of a few alternative texts, with a star before or
// after them. It returns nil for any other glob.
func (c *compiler) wholeGlob(parts []query.GlobPart, path, fold bool) *step {
	crosses := func(p query.GlobPart) bool { return p.Op == query.OpStars || p.Op == query.OpStar && !path }
	t := &litTest{onText: onText{path}, fold: fold, start: true, end: true}
	before := ""
	if path && beginsComponent(parts) {
		t.start, before, parts = false, "/", parts[1:]
	}
	for len(parts) > 0 && before == "" && crosses(parts[0]) {
		t.start, parts = false, parts[1:]
	}
	for len(parts) > 0 && crosses(parts[len(parts)-1]) {
		t.end, parts = false, parts[:len(parts)-1]
	}
	if len(parts) == 0 && before == "" && !(t.start && t.end) {
		return leaf(constant{query.True})
	}
	for _, alt := range pattern.GlobLiterals(parts, fold).Exact {
		t.alts = append(t.alts, before+alt)
	}
	if t.alts == nil {
		return nil
	}
	return c.literal(t)
}

// required compiles what x says that every match has. start and end say whether a match begins
// and ends where the text does.
func (c *compiler) required(x pattern.Literals, path, fold, start, end bool) []*step {
	var list []*step
	add := func(t litTest) {
		t.onText, t.fold = onText{path}, fold
		list = append(list, c.literal(&t))
	}
	if start && pattern.Useful(x.Prefix) != nil {
		add(litTest{start: true, alts: x.Prefix})
	}
	if end && pattern.Useful(x.Suffix) != nil {
		add(litTest{end: true, alts: x.Suffix})
	}
	// A prefix or suffix need not be tested again as a part.
	if x.Inner != nil && !(start && slices.Equal(x.Inner, x.Prefix)) && !(end && slices.Equal(x.Inner, x.Suffix)) {
		add(litTest{alts: x.Inner})
	}
	return list
}

func (c *compiler) regex(t *query.Text, path bool) (*step, *pattern.Searcher, error) {
	src := t.Pattern
	fold := c.foldCase(query.RegexHasUpper(src))
	tree, steps, err := query.ParseRegex(src, fold)
	if err != nil {
		return nil, nil, err
	}
	if c.budget -= steps; c.budget < 0 {
		return nil, nil, c.tooLarge(src)
	}
	re, err := pattern.CompileRegex(src, tree, steps, fold, t.Kind == query.WordRegex)
	if err != nil {
		return nil, nil, &query.SyntaxError{Text: src, Msg: err.Error()}
	}
	folds := fold || pattern.HasFold(tree)
	parts, start, end := pattern.Anchors(tree)
	x := pattern.Exactly("")
	for _, p := range parts {
		x = x.Then(pattern.RegexLiterals(p, folds))
	}
	// If case is treated alike in all of the pattern, the list of all texts that it matches
	// can replace it.
	if x.Exact != nil && (!folds || fold && !strings.Contains(src, "(?")) {
		return c.literal(&litTest{onText: onText{path}, fold: fold, start: start, end: end, alts: x.Exact}), re, nil
	}
	list := c.required(x, path, folds, start, end)
	return all(append(list, withTexts(leaf(&regexTest{re: re, onText: onText{path}}), x, path, folds))...), re, nil
}

func (c *compiler) exclude(x query.ExcludeGlob) (*step, error) {
	t := &excludeTest{ExcludeGlob: x}
	if !x.Path && pattern.ValidGlob(x.Parts) {
		t.exact = pattern.GlobLiterals(x.Parts, false).Exact
	}
	if t.exact != nil {
		return leaf(t), nil
	}
	var ok bool
	if t.Glob, ok = pattern.CompileGlob(x.Parts, pattern.FindGlob, false, &c.budget); !ok {
		return nil, c.tooLarge(x.Pattern)
	}
	return leaf(t), nil
}
