package pattern

import (
	"io"
	"regexp"
	"unicode/utf8"
)

// searcher is a compiled regular expression, searched for anywhere in a text.
type Searcher struct {
	*regexp.Regexp
	Steps int // of its program, about
}

// maxAtOnce is how many steps package regexp takes without being asked to stop,
// which it does a character at a time where that is set. They take at most 4 ms,
// and are enough for all but the longest patterns on the longest names and paths.
const maxAtOnce = 500_000

// match reports whether r finds a match in text.
func (r *Searcher) Match(text string, t *StepBudget) bool {
	if cost := r.Steps * len(text); cost <= maxAtOnce {
		return !t.Spend(cost) && r.MatchString(text)
	}
	t.runes = budgetedRunes{text, r.Steps, t}
	return r.MatchReader(&t.runes)
}

// meteredRunes are the characters of a text for package regexp, each at the price
// of a number of steps. They end early where the judging is to stop.
type budgetedRunes struct {
	text  string
	price int
	meter *StepBudget
}

// ReadRune is io.RuneReader's.
func (r *budgetedRunes) ReadRune() (rune, int, error) {
	if r.text == "" || r.meter.Spend(r.price) {
		return 0, 0, io.EOF
	}
	c, w := utf8.DecodeRuneInString(r.text)
	r.text = r.text[w:]
	return c, w, nil
}
