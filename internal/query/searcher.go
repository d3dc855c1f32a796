package query

import (
	"io"
	"regexp"
	"unicode/utf8"
)

// searcher is a compiled regular expression, searched for anywhere in a text.
type searcher struct {
	*regexp.Regexp
	steps int // of its program, about
}

// maxAtOnce is how many steps package regexp takes without being asked to stop,
// which it does a character at a time where that is set. They take at most 4 ms,
// and are enough for all but the longest patterns on the longest names and paths.
const maxAtOnce = 500_000

// match reports whether r finds a match in text.
func (r *searcher) match(text string, t *meter) bool {
	if cost := r.steps * len(text); cost <= maxAtOnce {
		return !t.spend(cost) && r.MatchString(text)
	}
	t.runes = meteredRunes{text, r.steps, t}
	return r.MatchReader(&t.runes)
}

// meteredRunes are the characters of a text for package regexp, each at the price
// of a number of steps. They end early where the judging is to stop.
type meteredRunes struct {
	text  string
	price int
	meter *meter
}

// ReadRune is io.RuneReader's.
func (r *meteredRunes) ReadRune() (rune, int, error) {
	if r.text == "" || r.meter.spend(r.price) {
		return 0, 0, io.EOF
	}
	c, w := utf8.DecodeRuneInString(r.text)
	r.text = r.text[w:]
	return c, w, nil
}
