package run

import (
	"bytes"
	"fmt"
	"strings"

	"indexd/internal/query"
	"indexd/store"
)

// walk goes through the records of a range of directories in path order, with a
// judge that has entered the directory each is of.
//
//	w.begin(g, from, to)
//	for w.next() {
//		use(w.rec) // of w.dir, in w.s
//	}
type walk struct {
	j  *judge
	g  *ground
	to pathKey // exclusive, nil: the end
	in int     // the stretch that c is in; w.s, once there was a record
	c  *store.Cursor

	from   pos       // where it began
	skip   store.Key // nothing below is wanted; nil: nothing is skipped
	damage error     // the first

	s     *stretch
	dir   store.Key
	rec   *store.Record
	chunk bool   // rec is a chunk
	first string // and begins with this name, or after it
}

// begin goes before the first record that can hold an entry behind from.
func (w *walk) begin(g *ground, from pos, to pathKey) {
	w.g, w.from, w.to = g, from, to
	w.in, w.c, w.skip, w.dir, w.rec, w.s = -1, nil, nil, nil, nil, nil
	w.j.attach(g)
}

// stretch goes to the next stretch that is in the range.
func (w *walk) stretch() bool {
	for w.in++; w.in < len(w.g.stretches); w.in++ {
		s := &w.g.stretches[w.in]
		lo, hi := s.clip(w.from.dir, w.to)
		if bytes.Compare(lo, hi) >= 0 {
			continue
		}
		w.s, w.skip = s, nil
		key := s.key(lo)
		w.c = w.g.sn.Cursor(key, s.key(hi))
		if !w.from.atStart() && bytes.Equal(lo, w.from.dir) {
			w.c.SeekAfter(key, w.from.name)
		}
		return true
	}
	return false
}

// next goes to the next record and reports whether there is one.
func (w *walk) next() bool {
	for {
		if w.c == nil && !w.stretch() {
			return false
		}
		if !w.c.Next() {
			if err := w.c.Err(); err != nil && w.damage == nil {
				w.damage = err
			}
			w.c = nil
			continue
		}
		dir := w.c.Dir()
		if w.skip != nil && !bytes.Equal(dir, w.skip) {
			top := w.skip
			w.skip = nil
			if dir.Within(top) {
				w.c.Seek(top.SubtreeEnd())
				continue
			}
		}
		w.dir, w.rec = dir, w.c.Record()
		w.first, w.chunk = w.c.Chunk()
		below := true
		if !w.chunk {
			below = w.j.enter(w.s, dir, w.rec)
		} else if !w.j.inside(dir) {
			below = w.j.enter(w.s, dir, nil)
		}
		if !below {
			w.skip = dir
		}
		return true
	}
}

// passChunks makes next go on behind the chunks of w.dir.
func (w *walk) passChunks() { w.c.Seek(w.dir.ChunksEnd()) }

// here is the place before the record that next has gone to.
func (w *walk) here() pos {
	p := pos{dir: w.s.pathKey(w.dir)}
	if w.chunk {
		p.name, p.incl = w.first, true
	}
	return p
}

// behind is the place behind a match in the record that next has gone to.
func (w *walk) behind(h *hits) pos {
	return pos{dir: w.s.pathKey(w.dir), name: strings.Clone(h.name)}
}

// resumed returns the beginning of the walk where it lies in the record; nil:
// all of the record is behind it.
func (w *walk) resumed() *pos {
	if w.from.atStart() || !w.s.is(w.dir, w.from.dir) || w.chunk && !w.from.passed(w.first) {
		return nil
	}
	return &w.from
}

// load makes the record's entries ready; false: they are damaged.
func (w *walk) load() bool {
	if err := w.rec.Load(); err != nil {
		if w.damage == nil {
			w.damage = fmt.Errorf("directory %s: %w", w.s.pathKey(w.dir).path(), err)
		}
		return false
	}
	return true
}

// unwanted reports whether the record can be passed over unread.
func (w *walk) unwanted() bool {
	if w.j.closed() {
		return true
	}
	return w.j.truth != query.True && w.j.needZone && w.j.skips(aggOf(w.rec))
}
