package exec

import (
	"bytes"
	"slices"
)

// changed reports whether the last round must be repeated because directories that were hidden
// may be shown now. No transaction is held.
func (a *answer) changed() (bool, error) {
	if a.q.Viewer == nil {
		return false, nil
	}
	dirs, err := a.q.Viewer.Again(a.ctx)
	return len(dirs) > 0, err
}

// again makes directories that were hidden and may be shown now the task of the next rounds. It
// returns false if there are none. If everything must be read again, it calls afresh, which drops
// the rows so far. No transaction is held.
func (a *answer) again(afresh func()) (bool, error) {
	if a.q.Viewer == nil {
		return false, nil
	}
	dirs, err := a.q.Viewer.Again(a.ctx)
	if err != nil || len(dirs) == 0 {
		return false, err
	}
	a.tasks, a.cut = []*task{{}}, true
	if a.q.Plan.NeedsEmptyDir() {
		// Their contents also decide whether their own entries are empty directories.
		a.cut = false
		afresh()
		return true, nil
	}
	a.later = dirs
	return true, nil
}

// only returns the candidates if only retried directories are read, else nil.
func (a *answer) only(ks *keyspace) *candidates {
	if a.later == nil {
		return nil
	}
	c := &candidates{inSpans: true}
	for _, dir := range a.later {
		pk := toPathKey(dir)
		if s := ks.find(pk); s != nil {
			key := s.key(pk)
			c.spans = append(c.spans, span{key, key.ChunksEnd()})
		}
	}
	slices.SortFunc(c.spans, func(p, q span) int { return bytes.Compare(p.lo, q.lo) })
	return c
}

// mark is the state of a task before a round.
type mark struct {
	task
	of *task
}

// marks returns the state of all tasks, in order; nil if rounds are never repeated.
func (a *answer) marks() (list []mark) {
	if a.q.Viewer == nil {
		return nil
	}
	for _, t := range a.tasks {
		list = append(list, mark{*t, t})
	}
	return list
}

// backTo restores the state of the tasks and drops those that the round split off.
func (a *answer) backTo(list []mark) {
	a.tasks = a.tasks[:0]
	for i := range list {
		m := &list[i]
		was, now := m.rows, m.of.rows
		*m.of = m.task
		// The rows of before are still there, perhaps followed by more.
		m.of.rows = now
		m.of.rows.cutTo(&was)
		a.tasks = append(a.tasks, m.of)
	}
	a.cut = a.cut && len(list) > 1
}
