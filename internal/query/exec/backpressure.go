package exec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"golang.org/x/sys/unix"
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

// spillRest moves what is left of a merge, at most limit rows where that is not
// negative, to a file of its own and gives all other memory back. It returns
// the merge to go on with: the old one where there is no room for it.
func (s *sorting) spillRest(a *answer, m *merge, limit int) (*merge, error) {
	if s.rest {
		return m, nil
	}
	s.rest = true
	if s.size() > min(a.r.opt.MaxTemp, room(a.r.opt.TempDir)) {
		return m, nil
	}
	f := spill{ctx: a.ctx, dir: a.r.opt.TempDir, max: a.r.opt.MaxTemp}
	err := f.write(func(put func(key, value []byte) error) error {
		for n := 0; n != limit; n++ {
			r, ok := m.first()
			if !ok {
				break
			}
			if err := put(r.key, r.value); err != nil {
				return err
			}
			m.pop()
		}
		return m.bad
	})
	f.out = nil
	a.sum.Spilled += f.size
	s.close()
	s.sorters, s.buffers, s.spill = nil, 0, f
	if err != nil {
		return nil, err
	}
	return newMerge(s.order, f.sources(4<<10)), nil
}

// size is at least what all rows take in a file, in bytes.
func (s *sorting) size() int64 {
	n := s.spill.size
	for _, o := range s.sorters {
		for _, b := range o.sorted {
			n += int64(len(b.data)) + 2*binary.MaxVarintLen32*int64(len(b.refs))
		}
	}
	return n
}

// room is a quarter of what is free on the file system of dir, in bytes.
func room(dir string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0
	}
	return int64(st.Bavail) * st.Bsize / 4
}
