package exec

import (
	"bytes"
	"slices"
)

// changed asks whether the round that has ended is to be done once more, for what
// was not shown and can be now. No transaction is held.
func (a *answer) changed() (bool, error) {
	if a.q.Viewer == nil {
		return false, nil
	}
	dirs, err := a.q.Viewer.Again(a.ctx)
	return len(dirs) > 0, err
}

// again makes what was not shown, and can be now, the task of the rounds to come;
// false: there is nothing. Where that needs everything to be looked at again it
// calls afresh, which forgets what was found. No transaction is held.
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
		// What is in them counts for their entries in the directories above too.
		a.cut = false
		afresh()
		return true, nil
	}
	a.later = dirs
	return true, nil
}

// only are the directories that are looked at alone; nil: all are to be.
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
