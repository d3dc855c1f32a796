package exec

import (
	"bytes"
	"fmt"
	"strings"

	"indexd/internal/query"
	"indexd/store"
	"indexd/store/record"
)

// walk goes through the records of a range of directories in path order. Its evaluator has
// entered the directory of the current record.
//
//	w.begin(ks, from, to)
//	for w.next() {
//		use(w.rec) // of w.dir, in w.s
//	}
type walk struct {
	ev *evaluator
	ks *keyspace
	to pathKey // exclusive; nil is the end
	in int     // the number of the range that c is in; s is that range once there was a record
	c  *store.Cursor

	from   pos        // where it began
	spans  []span     // the rest of those in the range; nil means all of it
	sought bool       // c is in the first of them
	least  record.Key // if not sought, all before this was passed
	skip   record.Key // skip what is below this directory; nil means none
	damage error      // the first
	budget *budget    // of the worker's round

	s     *keyRange
	dir   record.Key
	rec   *record.Record
	chunk bool   // rec is a chunk
	first string // and begins with this name, or after it
	out   bool   // rec is no candidate, and ev has not entered dir

	top, path record.Key // see inside

	end    record.Key    // of the current range, within the walk
	scout  *store.Cursor // see ahead; nil before its first call
	coming []byte
	origin record.Origin
}

// begin goes before the first record that can hold an entry after from.
func (w *walk) begin(ks *keyspace, from pos, to pathKey) {
	w.ks, w.from, w.to = ks, from, to
	w.in, w.c, w.skip, w.dir, w.rec, w.s = -1, nil, nil, nil, nil, nil
	w.spans, w.top, w.path, w.scout = nil, nil, nil, nil
	w.ev.attach(ks)
	w.ev.next = w.ahead
}

// nextRange goes to the next range of the keyspace that the walk covers.
func (w *walk) nextRange() bool {
	for w.in++; w.in < len(w.ks.ranges); w.in++ {
		s := &w.ks.ranges[w.in]
		lo, hi := s.clip(w.from.dir, w.to)
		if bytes.Compare(lo, hi) >= 0 {
			continue
		}
		w.s, w.skip, w.top, w.path, w.spans = s, nil, nil, nil, nil
		key, end := s.key(lo), s.key(hi)
		if w.cut() {
			if w.spans = w.ks.cand.within(key, end); len(w.spans) == 0 {
				continue
			}
		}
		w.c, w.end, w.scout = w.ks.sn.Cursor(key, end), end, nil
		after := !w.from.atStart() && bytes.Equal(lo, w.from.dir)
		w.sought, w.least = false, key
		if after && w.spans != nil {
			w.passNames(key)
			after = w.spans[0].hi != nil && bytes.Compare(w.spans[0].lo, key) <= 0
		}
		if after {
			w.c.SeekAfter(key, w.from.name)
			w.sought = true
		}
		return true
	}
	return false
}

// cut reports whether the candidates of the range are spans.
func (w *walk) cut() bool {
	c := w.ks.cand
	return c != nil && c.inSpans && !(c.whole != nil && c.whole[w.in])
}

// passNames passes over the spans that are chunks of dir of which all names are
// before from.
func (w *walk) passNames(dir record.Key) {
	at := dir.Chunk(w.from.name)
	for len(w.spans) > 1 && w.spans[0].hi == nil && bytes.Compare(w.spans[1].lo, at) <= 0 {
		w.spans = w.spans[1:]
	}
}

// next goes to the next record and reports whether there is one.
func (w *walk) next() bool {
	for {
		if w.c == nil && !w.nextRange() {
			return false
		}
		if !w.record() {
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
				w.pass(top.SubtreeEnd())
				continue
			}
		}
		w.dir, w.rec = dir, w.c.Record()
		w.first, w.chunk = w.c.Chunk()
		if w.out = !w.candidate(); w.out {
			return true
		}
		below := true
		if !w.chunk {
			below = w.ev.enter(w.s, dir, w.rec)
		} else if !w.ev.inside(dir) {
			below = w.ev.enter(w.s, dir, nil)
		}
		if !below {
			w.skip = dir
		}
		return true
	}
}

// record moves c to the next record of the range or of its spans.
func (w *walk) record() bool {
	if w.spans == nil {
		return w.c.Next()
	}
	for len(w.spans) > 0 {
		p := &w.spans[0]
		if !w.sought {
			at := p.lo
			if bytes.Compare(at, w.least) < 0 {
				at = w.least
			}
			w.c.Seek(at)
		}
		if !w.c.Next() {
			return false // nor is there anything in later spans
		}
		if p.hi == nil {
			w.spans, w.sought = w.spans[1:], false
			if bytes.Equal(w.c.Key(), p.lo) {
				return true
			}
			continue
		}
		if w.sought = bytes.Compare(w.c.Key(), p.hi) < 0; w.sought {
			return true
		}
		w.spans = w.spans[1:]
	}
	return false
}

// pass makes next continue at key.
func (w *walk) pass(key record.Key) {
	if w.spans == nil {
		w.c.Seek(key)
		return
	}
	for len(w.spans) > 0 && w.spans[0].ends(key) {
		w.spans = w.spans[1:]
	}
	w.sought, w.least = false, key
}

// passChunks makes next continue after the chunks of w.dir.
func (w *walk) passChunks() { w.pass(w.dir.ChunksEnd()) }

// candidate reports whether the record at c is a candidate.
func (w *walk) candidate() bool {
	c := w.ks.cand
	switch {
	case c == nil:
		return true
	case c.inSpans && c.fits == nil:
		return true // as the spans are
	}
	doc := uint32(w.rec.Doc())
	if c.fits != nil && !c.fits.Contains(doc) {
		return false
	}
	return c.inSpans || c.docs == c.fits || c.docs.Contains(doc) || c.dir != nil && w.inside(c)
}

// inside reports whether the name of the directory at c, or of one above it, is accepted. In the
// order of keys, it only checks the components that the previous directory does not share.
func (w *walk) inside(c *candidates) bool {
	if c.whole[w.in] || w.top != nil && w.dir.Within(w.top) {
		return true
	}
	n := min(2, len(w.dir))
	if w.path != nil {
		for n < len(w.dir) && n < len(w.path) && w.dir[n] == w.path[n] {
			n++
		}
		if n < len(w.dir) && w.dir[n] != 0 || n < len(w.path) && w.path[n] != 0 {
			n = 2 + max(bytes.LastIndexByte(w.dir[2:n], 0), 0)
		}
	}
	w.path, w.top = w.dir, nil
	if i := c.accepts(w.dir[n:]); i >= 0 {
		w.top = w.dir[:n+i]
	}
	return w.top != nil
}

// here returns the place before the current record.
func (w *walk) here() pos {
	p := pos{dir: w.s.pathKey(w.dir)}
	if w.chunk {
		p.name, p.incl = w.first, true
	}
	return p
}

// behind returns the place after a match in the current record.
func (w *walk) behind(h *matches) pos {
	return pos{dir: w.s.pathKey(w.dir), name: strings.Clone(h.name)}
}

// resumed returns the beginning of the walk if it is within the current record, else nil.
func (w *walk) resumed() *pos {
	if w.from.atStart() || !w.s.is(w.dir, w.from.dir) || w.chunk && !w.from.passed(w.first) {
		return nil
	}
	return &w.from
}

// load makes the record's entries ready. It returns false if they are damaged.
func (w *walk) load() bool {
	if err := w.rec.Load(); err != nil {
		if w.damage == nil {
			w.damage = fmt.Errorf("directory %s: %w", w.s.pathKey(w.dir).path(), err)
		}
		return false
	}
	return true
}

// unwanted reports whether the record can be skipped unread.
func (w *walk) unwanted() bool {
	if w.ev.closed() {
		return true
	}
	return w.ev.truth != query.True && w.ev.needZone && w.ev.skips(w.rec.Agg())
}
