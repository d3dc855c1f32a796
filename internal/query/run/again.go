package run

// again asks whether the round that has ended is to be done once more. No
// transaction is held.
func (a *answer) again() (bool, error) {
	if a.q.Viewer == nil {
		return false, nil
	}
	return a.q.Viewer.Again(a.ctx)
}

// restart forgets what the rounds so far have found, and where they have come to.
func (a *answer) restart() {
	a.tasks, a.cut = []*task{{}}, false
	a.workers = nil
}

// mark is a task as it was before a round.
type mark struct {
	task
	of *task
}

// marks are those of all tasks, in order; nil where no round is done again.
func (a *answer) marks() (list []mark) {
	if a.q.Viewer == nil {
		return nil
	}
	for _, t := range a.tasks {
		list = append(list, mark{*t, t})
	}
	return list
}

// backTo makes the tasks what they were, without those that a round has cut off
// from them.
func (a *answer) backTo(list []mark) {
	a.tasks = a.tasks[:0]
	for i := range list {
		m := &list[i]
		was, now := m.rows, m.of.rows
		*m.of = m.task
		// What was in the rows is there still, and maybe more behind it.
		m.of.rows = now
		m.of.rows.cutTo(&was)
		a.tasks = append(a.tasks, m.of)
	}
	a.cut = a.cut && len(list) > 1
}
