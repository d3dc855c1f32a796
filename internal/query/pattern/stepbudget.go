package pattern

// StepBudget counts the cost of matching, in steps of a pattern over a character, so that
// matching can be interrupted in time: the 3,000 steps of the most expensive pattern over a
// path of 32 KiB take most of a second.
type StepBudget struct {
	gone    func() bool // reports whether to stop; nil if never
	left    int         // steps until gone is called again
	Stopped bool        // gone returned true

	runes budgetedRunes   // of the regular expression being matched
	words wordBoundaryNFA // likewise
}

// checkInterval is the number of steps between two calls of gone. A step takes at most about 8
// ns, measured with regular expressions that consist only of classes, so gone is called about
// once a millisecond.
const checkInterval = 100_000

// Spend counts n steps and reports whether to stop.
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

// Reset clears Stopped and sets the function that decides whether to stop, or nil.
func (t *StepBudget) Reset(gone func() bool) {
	t.gone, t.left, t.Stopped = gone, checkInterval, false
}
