package pattern

// meter counts what judging costs, in steps of a pattern over a character, so
// that whoever waits for it can be asked in time whether he still does: the 3,000
// steps of the dearest pattern over a path of 32 KiB take most of a second.
type StepBudget struct {
	gone    func() bool // nil: he always does
	left    int         // steps until it is asked
	Stopped bool        // it said so

	runes budgetedRunes   // of the regular expression in hand
	words wordBoundaryNFA // likewise
}

// A step takes at most about 8 ns [measured: regular expressions of nothing but
// classes], so that gone is asked about every millisecond.
const checkInterval = 100_000

// spend counts n steps and reports whether the judging is to stop.
func (t *StepBudget) Spend(n int) bool {
	if t.left -= n; t.left > 0 {
		return t.Stopped
	}
	t.left = checkInterval
	if t.gone != nil && !t.Stopped {
		t.Stopped = t.gone()
	}
	return t.Stopped
}

// reset makes t ask gone from now on; nil: it never stops.
func (t *StepBudget) Reset(gone func() bool) {
	t.gone, t.left, t.Stopped = gone, checkInterval, false
}
