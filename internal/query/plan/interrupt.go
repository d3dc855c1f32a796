package plan

// Interrupt has the matcher ask gone, at least every 5 ms of judging and also in
// the middle of a name, whether it is to stop; nil: never. From when gone has said
// so up to the next Interrupt nothing matches, and what the matcher says is void.
func (m *Matcher) Interrupt(gone func() bool) {
	m.budget.Reset(gone)
}
