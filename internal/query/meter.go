package query

import (
	"io"
	"unicode/utf8"
)

// meter counts what judging costs, in steps of a pattern over a character, so
// that whoever waits for it can be asked in time whether he still does: the 3,000
// steps of the dearest pattern over a path of 32 KiB take most of a second.
type meter struct {
	gone func() bool // nil: he always does
	left int         // steps until it is asked
	stop bool        // it said so
}

// A step takes at most about 8 ns [measured: regular expressions of nothing but
// classes], so that gone is asked about every millisecond.
const meterSteps = 100_000

// spend counts n steps and reports whether the judging is to stop.
func (t *meter) spend(n int) bool {
	if t.left -= n; t.left > 0 {
		return t.stop
	}
	t.left = meterSteps
	if t.gone != nil && !t.stop {
		t.stop = t.gone()
	}
	return t.stop
}

// Interrupt has the matcher ask gone, at least every 5 ms of judging and also in
// the middle of a name, whether it is to stop; nil: never. From when gone has said
// so up to the next Interrupt nothing matches, and what the matcher says is void.
func (m *Matcher) Interrupt(gone func() bool) {
	m.meter = meter{gone: gone, left: meterSteps}
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
