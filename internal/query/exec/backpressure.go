package exec

import (
	"bytes"
	"errors"
	"strings"
)

// Most of what an answer holds it can find again, so it does not hold it for
// minutes because its reader is slow: rows that were copied and not given are
// found anew in a later snapshot, and sorted ones wait in a file.

// errSlow unwinds what gives rows to a sink whose reader is slow; the row that
// it was given last is given.
var errSlow = errors.New("the reader is slow")

// slowBuffer is the size in bytes of the rows that are copied at once while the
// reader is slow: it takes a page at a time.
const slowBuffer = 48 << 10

// buffer is the size in bytes of the rows that a task copies in a round.
func (a *answer) buffer() int {
	if a.slow {
		return min(slowBuffer, a.r.opt.Buffer)
	}
	return a.r.opt.Buffer
}

// drain waits for the reader. The caller has given back what it can.
func (a *answer) drain() error {
	a.gather()
	a.slow, a.workers = true, nil
	a.cand, a.looked = nil, false
	return a.sink.Drain(a.ctx)
}

// unlist drops the rows that were not given; the tasks find them again.
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

// given is the place behind the row that each gave last.
func (r *rows) given() pos {
	return pos{dir: bytes.Clone(r.atDir), name: strings.Clone(r.atName)}
}
