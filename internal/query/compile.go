package query

import (
	"regexp"
	"slices"
	"strings"

	"indexd/internal/casefold"
	"indexd/listing"
)

// compiler makes steps of a parsed request.
type compiler struct {
	mode     Case
	fullPath bool
	budget   int // of steps of globs and regular expressions
	tails    int // of Matcher.tails
	globs    int // of Matcher.globs
	marks    []mark
}

// Compile makes a resolved request ready. Errors are of type *SyntaxError. It
// is cheap but for regular expressions, and needs r no more when it returns.
func Compile(r *Request) (*Plan, error) {
	p, err := r.parse(nil)
	if err != nil {
		return nil, err
	}
	c := &compiler{mode: r.Case, fullPath: r.FullPath, budget: maxSteps}
	list := []Expr{p.terms}
	for _, f := range p.filters {
		list = append(list, f)
	}
	if r.MinDepth > 0 || r.MaxDepth > 0 {
		d := &numbers{field: "depth", lo: int64(r.MinDepth), hi: maxNumber}
		if r.MaxDepth > 0 {
			d.hi = int64(r.MaxDepth)
		}
		list = append(list, d)
	}
	plan := &Plan{expr: conjunction(list...), in: outermost(p.in)}
	root, err := c.step(plan.expr, false)
	if err != nil {
		return nil, err
	}
	for _, x := range p.exclude {
		k, err := c.exclude(x)
		if err != nil {
			return nil, err
		}
		root = all(root, &step{op: stepNot, kids: []*step{k}})
		plan.exclude = append(plan.exclude, x.pattern)
	}
	root.sort()
	plan.root = root
	plan.steps = root.number(0)
	plan.tails, plan.globs = c.tails, c.globs
	plan.marks = c.marks
	plan.filters = root.prefilters()
	root.each(func(t test) {
		switch t := t.(type) {
		case *litTest:
			plan.needsPath = plan.needsPath || t.path
		case *globTest:
			plan.needsPath = plan.needsPath || t.path
		case *regexTest:
			plan.needsPath = plan.needsPath || t.path
		case *posixGlobTest:
			plan.needsPath = plan.needsPath || t.path
		case *bytesTest:
			plan.needsPath = plan.needsPath || t.path
		case *edgeTest:
			plan.needsPath = plan.needsPath || t.path
		case *inTest, *excludeTest:
			plan.needsPath = true
		case emptyTest:
			plan.needsEmptyDir = true
		}
		plan.needsMeta = plan.needsMeta || t.cost() == costMeta
	})
	return plan, nil
}

// outermost sorts dirs and drops those that are below another.
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

// comparePaths orders paths component by component, so that what is below a
// directory follows it.
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

// leafOf is the leaf of a test that holds for no text but those that x is of.
func leafOf(t test, x literals, path, fold bool) *step {
	s := leaf(t)
	if len(x.lists) > 0 {
		s.more = &moreTexts{path, fold, x.lists}
	}
	return s
}

// all is AND.
func all(list ...*step) *step {
	if len(list) == 1 {
		return list[0]
	}
	return &step{op: stepAnd, kids: list}
}

// step compiles x; negated says that it stands under NOT.
func (c *compiler) step(x Expr, negated bool) (*step, error) {
	list := func(op stepOp, xs []Expr) (*step, error) {
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
	case *and:
		return list(stepAnd, x.list)
	case *or:
		return list(stepOr, x.list)
	case *not:
		k, err := c.step(x.x, !negated)
		return &step{op: stepNot, kids: []*step{k}}, err
	case *text:
		return c.text(x, negated)
	case *posixGlob:
		return c.posixGlob(x)
	case *posixRegex:
		return c.posixRegex(x)
	case *exts:
		t := &litTest{fold: true, end: true, stem: true}
		for _, ext := range x.list {
			t.alts = append(t.alts, "."+ext)
		}
		return c.literal(t), nil
	case *types:
		return typeStep(x.letters), nil
	case *numbers:
		if x.field == "depth" {
			return leaf(&depthTest{x.lo, x.hi}), nil
		}
		return leaf(&sizeTest{lo: x.lo, hi: x.hi}), nil
	case *mtime:
		return leaf(&mtimeTest{mtime: x}), nil
	case *owner:
		return leaf(&ownerTest{owner: x}), nil
	case *perm:
		return leaf(&permTest{perm: x}), nil
	case *in:
		return leaf(&inTest{strings.TrimSuffix(x.dir, "/") + "/"}), nil
	}
	return leaf(constant{True}), nil // everything
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
		t.id = c.tails
		c.tails += len(t.alts)
		for _, alt := range t.alts {
			var n *pair
			if !t.fold || isASCII(alt) {
				n = newPair([]byte(alt), t.fold)
			}
			t.pairs = append(t.pairs, n)
		}
	}
	return leaf(t)
}

// foldCase says whether case does not count for a pattern.
func (c *compiler) foldCase(upper bool) bool {
	switch c.mode {
	case CaseIgnore:
		return true
	case CaseSensitive:
		return false
	}
	return !upper
}

func (c *compiler) text(x *text, negated bool) (*step, error) {
	path := x.where == wherePath || x.where == whereAuto && (c.fullPath || strings.Contains(x.pattern, "/"))
	var s *step
	var m mark
	var err error
	switch x.kind {
	case substring:
		fold := c.foldCase(hasUpper(x.pattern))
		if isMixed(x.pattern, fold) {
			s, m.bytes = c.mixed(x.pattern, path)
			break
		}
		m.lit = &litTest{path: path, fold: fold, alts: []string{x.pattern}}
		if m.lit.fold {
			m.lit.alts[0] = casefold.String(x.pattern)
		}
		s = c.literal(m.lit)
	case globbing:
		s, m.glob, err = c.glob(x.pattern, path)
	default:
		s, m.re, err = c.regex(x.pattern, path)
	}
	if !negated && len(c.marks) < maxMarks {
		m.path = path
		c.marks = append(c.marks, m)
	}
	return s, err
}

func (c *compiler) tooLarge(pattern string) error {
	return &SyntaxError{pattern, 0, "the patterns are too large", ""}
}

func (c *compiler) glob(pattern string, path bool) (*step, *glob, error) {
	parts, err := ParseGlob(pattern)
	if err != nil {
		return nil, nil, err
	}
	fold := c.foldCase(hasUpper(pattern) || caseClass(parts))
	if path {
		parts = anyParent(parts)
	}
	g, ok := compileGlob(parts, fold, &c.budget)
	if !ok {
		return nil, nil, c.tooLarge(pattern)
	}
	if s := c.wholeGlob(parts, path, fold); s != nil {
		return s, g, nil
	}
	x := pathLiterals(parts, path, fold)
	list := c.required(x, path, fold, true, true)
	t := &globTest{glob: g, path: path, id: c.globs}
	c.globs++
	return all(append(list, leafOf(t, x, path, fold))...), g, nil
}

// caseClass reports whether parts have a class that is about case.
func caseClass(parts []globPart) bool {
	return slices.ContainsFunc(parts, func(p globPart) bool {
		return p.op == opClass && (slices.Contains(p.class.named, "upper") || slices.Contains(p.class.named, "lower")) ||
			p.op == opAlt && slices.ContainsFunc(p.alts, caseClass)
	})
}

// pathLiterals is globLiterals, and knows besides that a path begins with '/'.
func pathLiterals(parts []globPart, path, fold bool) literals {
	if path && beginsComponent(parts) {
		before := anyText()
		before.suffix = []string{"/"}
		return before.then(globLiterals(parts[1:], fold))
	}
	return globLiterals(parts, fold)
}

// beginsComponent reports whether parts are "**/" and then no '/'. In a path
// the "**/" then always passes one.
func beginsComponent(parts []globPart) bool {
	return len(parts) > 1 && parts[0].op == opDirs && parts[1].op == opChar && parts[1].c != '/'
}

// wholeGlob compiles a glob that is no more than a few texts, with a star
// before or after; nil for any other.
func (c *compiler) wholeGlob(parts []globPart, path, fold bool) *step {
	if !validGlob(parts) {
		return nil
	}
	crosses := func(p globPart) bool { return p.op == opStars || p.op == opStar && !path }
	t := &litTest{path: path, fold: fold, start: true, end: true}
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
		return leaf(constant{True})
	}
	for _, alt := range globLiterals(parts, fold).exact {
		t.alts = append(t.alts, before+alt)
	}
	if t.alts == nil {
		return nil
	}
	return c.literal(t)
}

// required compiles what x says that every match has; start and end say that a
// match is one of the beginning and of the end of a text.
func (c *compiler) required(x literals, path, fold, start, end bool) []*step {
	var list []*step
	add := func(t litTest) {
		t.path, t.fold = path, fold
		list = append(list, c.literal(&t))
	}
	if start && useful(x.prefix) != nil {
		add(litTest{start: true, alts: x.prefix})
	}
	if end && useful(x.suffix) != nil {
		add(litTest{end: true, alts: x.suffix})
	}
	// Not again what a prefix or suffix says more sharply.
	if x.inner != nil && !(start && slices.Equal(x.inner, x.prefix)) && !(end && slices.Equal(x.inner, x.suffix)) {
		add(litTest{alts: x.inner})
	}
	return list
}

func (c *compiler) regex(pattern string, path bool) (*step, *regexp.Regexp, error) {
	fold := c.foldCase(regexUpper(pattern))
	tree, steps, err := ParseRegex(pattern, fold)
	if err != nil {
		return nil, nil, err
	}
	if c.budget -= steps; c.budget < 0 {
		return nil, nil, c.tooLarge(pattern)
	}
	flags := "(?s)"
	if fold {
		flags = "(?si)"
	}
	re, err := regexp.Compile(flags + pattern)
	if err != nil {
		return nil, nil, &SyntaxError{pattern, 0, err.Error(), ""}
	}
	folds := fold || hasFold(tree)
	parts, start, end := anchored(tree)
	x := exactly("")
	for _, p := range parts {
		x = x.then(regexLiterals(p, folds))
	}
	// Where case is the same for all of the pattern, a list of all that it
	// matches is as good as itself.
	if x.exact != nil && (!folds || fold && !strings.Contains(pattern, "(?")) {
		return c.literal(&litTest{path: path, fold: fold, start: start, end: end, alts: x.exact}), re, nil
	}
	list := c.required(x, path, folds, start, end)
	return all(append(list, leafOf(&regexTest{re: &searcher{re, steps}, path: path}, x, path, folds))...), re, nil
}

func (c *compiler) exclude(x excludeGlob) (*step, error) {
	t := &excludeTest{excludeGlob: x}
	if !x.path && validGlob(x.parts) {
		t.exact = globLiterals(x.parts, false).exact
	}
	if t.exact != nil {
		return leaf(t), nil
	}
	var ok bool
	if t.glob, ok = compileGlob(x.parts, false, &c.budget); !ok {
		return nil, c.tooLarge(x.pattern)
	}
	return leaf(t), nil
}
