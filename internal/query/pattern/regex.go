package pattern

import (
	"io"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// Searcher searches for a compiled regular expression anywhere in a text.
type Searcher struct {
	*regexp.Regexp
	words *syntax.Prog // for a query.WordRegex, instead of Regexp
	steps int          // approximate length of the program
}

// CompileRegex compiles src, RE2 as query.ParseRegex reads it. tree and steps are the results
// of query.ParseRegex. words must be set for a query.WordRegex.
func CompileRegex(src string, tree *syntax.Regexp, steps int, fold, words bool) (*Searcher, error) {
	r := &Searcher{steps: steps}
	var err error
	if words {
		r.words, err = syntax.Compile(tree.Simplify())
		return r, err
	}
	flags := "(?s)"
	if fold {
		flags = "(?si)"
	}
	r.Regexp, err = regexp.Compile(flags + src)
	return r, err
}

// maxUncheckedSteps is how many steps package regexp may take without a check whether to stop.
// They take at most 4 ms, and suffice for all but the longest patterns on the longest names
// and paths; those are read character by character, which is slower.
const maxUncheckedSteps = 500_000

// Match reports whether r finds a match in text. It counts its steps in t.
func (s *Searcher) Match(text string, t *StepBudget) bool {
	if s.words != nil {
		return t.words.match(s.words, text, t)
	}
	if cost := s.steps * len(text); cost <= maxUncheckedSteps {
		return !t.Spend(cost) && s.MatchString(text)
	}
	t.runes = budgetedRunes{text, s.steps, t}
	return s.MatchReader(&t.runes)
}

// budgetedRunes reads the characters of a text for package regexp, and counts price steps for
// each. It ends early if the budget is stopped.
type budgetedRunes struct {
	text   string
	price  int
	budget *StepBudget
}

// ReadRune implements io.RuneReader.
func (r *budgetedRunes) ReadRune() (rune, int, error) {
	if r.text == "" || r.budget.Spend(r.price) {
		return 0, 0, io.EOF
	}
	c, w := utf8.DecodeRuneInString(r.text)
	r.text = r.text[w:]
	return c, w, nil
}
