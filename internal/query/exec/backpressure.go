package exec

import (
	"bytes"
	"errors"
	"strings"
)

// An answer can find again what it has not given yet, so it does not keep it for minutes because
// its reader is slow. Rows that were copied are found again in a later snapshot; sorted rows stay
// in memory only as long as no other sort needs it.

// errSlow is returned by answer.give if the reader is slow. The row counts as given.
var errSlow = errors.New("the reader is slow")

// slowBuffer is the size in bytes of the rows that are copied at once while the reader is slow,
// about a page.
const slowBuffer = 48 << 10

// buffer is the size in bytes of the rows that a task copies in a round.
func (a *answer) buffer() int {
	if a.slow {
		return min(slowBuffer, a.r.opt.Buffer)
	}
	return a.r.opt.Buffer
}

// drain waits for the reader. The caller has released what it can.
func (a *answer) drain() error {
	a.gather()
	a.slow, a.workers = true, nil
	a.cand, a.looked = nil, false
	return a.sink.Drain(a.ctx)
}

// unlist drops the rows that were not given and makes the tasks find them again.
func (a *answer) unlist() {
	first := a.tasks[0]
	first.from = first.rows.given()
	for _, t := range a.tasks[1:] {
		if t.rows.n > 0 {
			t.from = t.start
		}
	}
	for _, t := range a.tasks {
		if t.rows.n > 0 {
			t.done, t.full = false, false
		}
		t.rows = rows{}
	}
}

// given returns the place after the last row that each gave.
func (r *rows) given() pos {
	return pos{dir: bytes.Clone(r.atDir), name: strings.Clone(r.atName)}
}
