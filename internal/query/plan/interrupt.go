package plan

// Interrupt makes the matcher call gone at least every 5 ms while it is matching, even in the
// middle of a name, and stop when gone returns true; nil never stops it. From then until the
// next Interrupt nothing matches, and the results of the matcher are meaningless.
func (m *Matcher) Interrupt(gone func() bool) {
	m.budget.Reset(gone)
}
