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
func (b *StepBudget) Spend(n int) bool {
	if b.left -= n; b.left > 0 {
		return b.Stopped
	}
	b.left = checkInterval
	if b.gone != nil && !b.Stopped {
		b.Stopped = b.gone()
	}
	return b.Stopped
}

// Reset clears Stopped and sets the function that decides whether to stop, or nil.
func (b *StepBudget) Reset(gone func() bool) {
	b.gone, b.left, b.Stopped = gone, checkInterval, false
}
