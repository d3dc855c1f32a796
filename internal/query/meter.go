package query

// meter counts what judging costs, in steps of a pattern over a character, so
// that whoever waits for it can be asked in time whether he still does: the 3,000
// steps of the dearest pattern over a path of 32 KiB take most of a second.
type meter struct {
	gone func() bool // nil: he always does
	left int         // steps until it is asked
	stop bool        // it said so

	runes meteredRunes // of the regular expression in hand
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

// reset makes t ask gone from now on; nil: it never stops.
func (t *meter) reset(gone func() bool) { *t = meter{gone: gone, left: meterSteps} }
