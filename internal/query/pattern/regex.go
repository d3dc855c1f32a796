package pattern

import (
	"io"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// Searcher is a compiled regular expression, searched for anywhere in a text.
type Searcher struct {
	*regexp.Regexp
	words *syntax.Prog // of a query.WordRegex, in place of Regexp
	steps int          // of its program, about
}

// CompileRegex compiles src, which is RE2 in the way that query.ParseRegex reads it. tree
// and steps are what that returned for it. words says that it is a query.WordRegex.
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

// maxAtOnce is how many steps package regexp takes without being asked to stop,
// which it does a character at a time where that is set. They take at most 4 ms,
// and are enough for all but the longest patterns on the longest names and paths.
const maxUncheckedSteps = 500_000

// match reports whether r finds a match in text.
func (r *Searcher) Match(text string, t *StepBudget) bool {
	if r.words != nil {
		return t.words.match(r.words, text, t)
	}
	if cost := r.steps * len(text); cost <= maxUncheckedSteps {
		return !t.Spend(cost) && r.MatchString(text)
	}
	t.runes = budgetedRunes{text, r.steps, t}
	return r.MatchReader(&t.runes)
}

// meteredRunes are the characters of a text for package regexp, each at the price
// of a number of steps. They end early where the judging is to stop.
type budgetedRunes struct {
	text   string
	price  int
	budget *StepBudget
}

// ReadRune is io.RuneReader's.
func (r *budgetedRunes) ReadRune() (rune, int, error) {
	if r.text == "" || r.budget.Spend(r.price) {
		return 0, 0, io.EOF
	}
	c, w := utf8.DecodeRuneInString(r.text)
	r.text = r.text[w:]
	return c, w, nil
}
