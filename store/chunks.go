package store

import (
	"maps"
	"slices"
	"strings"

	"indexd/listing"
	"indexd/store/record"
)

const (
	// minChunked is the number of entries below which a chunked listing becomes one record
	// again.
	minChunked = 128
	// minChunk is the number of entries below which a changed chunk is joined with the next.
	minChunk = 64
)

// progress is how far a large listing was applied. It is kept in memory only: where nothing
// differs nothing is written, and a listing that a crash interrupts is made again.
type progress struct {
	stamp   uint64
	upto    string // the last name; "" before the first
	touched bool   // something was written
	lost    bool   // as in work
	tooLong int
	asked   *Pending // the directory's mark at the first part; may be nil
}

// answers reports whether the children of all parts got what the mark m asks for. Children of
// early parts did not get what was asked later.
func (p *progress) answers(m *Pending) bool {
	if m == nil || !m.Subtree {
		return true
	}
	return p.asked != nil && p.asked.Subtree &&
		!slices.ContainsFunc(m.Jobs, func(j uint64) bool { return !slices.Contains(p.asked.Jobs, j) })
}

// partial is the progress of large listings by key. The map is shared with the Store until
// it is changed, so that parts that are rolled back can be applied again.
type partial struct{ m map[string]progress }

// set records the progress of a listing; nil says that it is no longer in progress.
func (s *partial) set(key record.Key, p *progress) {
	if _, ok := s.m[string(key)]; !ok && p == nil {
		return
	}
	s.m = maps.Clone(s.m)
	if p == nil {
		delete(s.m, string(key))
		return
	}
	if s.m == nil {
		s.m = make(map[string]progress)
	}
	s.m[string(key)] = *p
}

// drop removes the progress of all listings at and below key.
func (s *partial) drop(key record.Key) {
	for k := range s.m {
		if record.Key(k).Within(key) {
			s.set(record.Key(k), nil)
		}
	}
}

// part applies a part of a listing to the stored chunks. It keeps their boundaries as far as
// possible, so that when a directory of a million entries gains a name, one chunk is written.
func (w *work) part(p *record.EncodedListing) error {
	t := w.t
	prog := progress{stamp: w.stamp, asked: t.pending.get(w.key)}
	if !p.First {
		pr, ok := t.parts.m[string(w.key)]
		if !ok || pr.stamp != w.stamp {
			w.Stale = true
			return nil
		}
		prog = pr
	}
	w.takeDoc()
	h := w.was
	h.Doc = w.id
	if w.old.alive && !h.Chunked {
		if err := w.toChunk(); err != nil {
			return err
		}
	}
	prog.touched = prog.touched || !h.Chunked
	h.Chunked = true
	t.s.parents.forget(w.key)
	if hi := p.Upto; p.Last || hi != "" {
		if p.Last {
			hi = ""
		}
		cw := chunkWriter{work: w, dir: w.id, lo: prog.upto, hi: hi, agg: &h.Agg}
		if err := cw.write(p); err != nil {
			return err
		}
		prog.upto = max(prog.upto, strings.Clone(p.Upto))
		prog.touched = prog.touched || cw.touched
	}
	w.Changed = prog.touched
	if err := w.children(p.Children); err != nil {
		return err
	}
	prog.tooLong += w.TooLong
	prog.lost = prog.lost || w.lost || !w.old.alive
	if p.Last {
		t.parts.set(w.key, nil)
		return w.finish(p, &h, &prog)
	}
	t.parts.set(w.key, &prog)
	w.Entries = int(h.Agg.Count)
	if !prog.touched {
		return nil
	}
	h.Stamp, h.Listed, h.Dir, h.NoACL, h.TrustTimes, h.InProgress = w.stamp, p.At, p.Dir, p.NoACL, false, true
	t.pending.add(w.key, Pending{})
	m := *t.pending.get(w.key)
	m.Cursor, m.Listing = prog.upto, w.stamp
	t.pending.set(w.key, &m)
	return t.putDir(w.key, &w.old, &h, nil, w.doc)
}

// toChunk turns the single record of a listing that is now large into a chunk.
func (w *work) toChunk() error {
	t := w.t
	old := w.old.rec
	if old.Header().Agg.Count == 0 {
		return nil
	}
	if old.Load() != nil {
		w.lost = true
		return nil
	}
	body, first := old.Body(), old.Name(0)
	return t.putChunk(w.key.Chunk(first), first, old.Header().Doc, old.Header().Stamp, &body)
}

// finish stores the header of a listing whose parts were all applied.
func (w *work) finish(p *record.EncodedListing, h *record.Header, prog *progress) error {
	t := w.t
	chunks := t.chunks(w.key, "", "")
	if m := t.pending.get(w.key); prog.lost || m != nil && m.Unnamed {
		var dirs []string
		for i := range chunks {
			if chunks[i].rec.Load() != nil {
				continue
			}
			for name := range chunks[i].rec.Dirs() {
				dirs = append(dirs, name)
			}
		}
		if err := w.dropUnnamed(dirs); err != nil {
			return err
		}
	}
	h.Stamp, h.Listed, h.Dir, h.NoACL, h.TrustTimes, h.InProgress = w.stamp, p.At, p.Dir, p.NoACL, p.TimesTrusted(), false
	w.tooLong(h, prog.tooLong, p.At)
	w.TooLong = prog.tooLong
	// Until now the sums were exact, but the bounds were only widened.
	h.Agg = sumOf(chunks)
	w.Entries = int(h.Agg.Count)
	w.partly = !prog.answers(t.pending.get(w.key))
	defer w.settle()
	if err := w.updateParent(&p.Dir); err != nil {
		return err
	}
	if !prog.touched && !w.was.InProgress {
		if h.Agg == w.was.Agg && !w.differs(h) {
			t.s.seen.put(w.key, w.stamp)
			return nil
		}
		w.Changed = true
		return t.putDir(w.key, &w.old, h, nil, w.doc)
	}
	w.Changed = true
	if h.Agg.Count >= minChunked {
		return t.putDir(w.key, &w.old, h, nil, w.doc)
	}
	h.Chunked = false
	var all []listing.Entry
	for i := range chunks {
		if chunks[i].rec.Load() == nil {
			for j := range chunks[i].rec.Len() {
				var e listing.Entry
				chunks[i].rec.Entry(j, &e)
				all = append(all, e)
			}
		}
		if err := t.deleteRecord(chunks[i].key, &chunks[i].rec); err != nil {
			return err
		}
	}
	body := record.EncodeBody(all)
	return t.putDir(w.key, &w.old, h, &body, w.doc)
}

// sumOf returns the aggregates of chunks.
func sumOf(chunks []storedChunk) (agg record.Aggregates) {
	for i := range chunks {
		agg.Merge(&chunks[i].rec.Header().Agg)
	}
	return agg
}

// chunkWriter rewrites the chunks that a part of a new listing changes.
type chunkWriter struct {
	*work
	dir     uint64 // the directory's doc
	lo, hi  string
	agg     *record.Aggregates // the sums are exact; the bounds hold
	touched bool
	err     error

	at  *storedChunk    // the chunk that the next one replaces; may be nil
	buf []listing.Entry // entries of the current chunk
}

func (cw *chunkWriter) write(p *record.EncodedListing) error {
	chunks := cw.t.chunks(cw.key, cw.lo, cw.hi)
	if len(chunks) == 0 {
		for i := range p.Chunks {
			c := &p.Chunks[i]
			cw.Added += int(c.Agg().Count)
			cw.put(c.First, &c.Body)
		}
		return cw.err
	}
	in := &newEntries{chunks: p.Chunks}
	joining := false // the chunk is joined with the previous one
	for i := range chunks {
		ch, bound, last := &chunks[i], "", i+1 == len(chunks)
		if !last {
			bound = chunks[i+1].first
		}
		if joining {
			cw.remove(ch)
		} else {
			if c := in.chunk(bound); c != nil && ch.same(&c.Body) {
				in.skip()
				continue
			}
			cw.at = ch
		}
		if !cw.merge(ch, cw.lo, cw.hi, in, bound, cw.add) && !joining {
			cw.at, cw.buf = nil, cw.buf[:0]
			continue
		}
		n := len(cw.buf)
		joining = n > 0 && n < minChunk && !last && chunks[i+1].rec.Header().Agg.Count <= record.ChunkLen
		if joining {
			continue
		}
		if n > 0 {
			cw.flush(n)
		}
		if cw.at != nil {
			cw.remove(cw.at)
			cw.at = nil
		}
	}
	return cw.err
}

// add adds an entry to the current chunk, and splits the chunk if it becomes too long.
func (cw *chunkWriter) add(e *listing.Entry) {
	cw.buf = append(cw.buf, *e)
	if len(cw.buf) > record.MaxSingle {
		cw.flush(record.ChunkLen)
	}
}

// flush writes the first n entries of the current chunk.
func (cw *chunkWriter) flush(n int) {
	body := record.EncodeBody(cw.buf[:n])
	cw.put(cw.buf[0].Name, &body)
	cw.buf = cw.buf[:copy(cw.buf, cw.buf[n:])]
}

// put stores a chunk, over cw.at if there is one. That keeps its key unless the new first name
// sorts before it.
func (cw *chunkWriter) put(first string, body *record.Body) {
	if at := cw.at; at != nil && first > at.first {
		first = at.first
	}
	raw := []byte(cw.key.Chunk(first))
	if at := cw.at; at != nil && first < at.first {
		cw.remove(at)
	} else if at != nil {
		cw.uncount(at)
	}
	cw.at = nil
	cw.agg.Merge(body.Agg())
	cw.touched = true
	if cw.err == nil {
		cw.err = cw.t.putChunk(raw, first, cw.dir, cw.stamp, body)
	}
}

// remove deletes a chunk.
func (cw *chunkWriter) remove(ch *storedChunk) {
	cw.uncount(ch)
	cw.touched = true
	if cw.err == nil {
		cw.err = cw.t.deleteRecord(ch.key, &ch.rec)
	}
}

func (cw *chunkWriter) uncount(ch *storedChunk) {
	cw.agg.Subtract(&ch.rec.Header().Agg)
}

// putChunk stores a chunk under the key raw, whose name is first.
func (t *Tx) putChunk(raw []byte, first string, dir, stamp uint64, body *record.Body) error {
	e := docEnt{docChunk, dir, strings.Clone(first)}
	h := record.Header{Stamp: stamp}
	old := t.stored(raw)
	if old.there { // it is gone
		h.Doc = old.rec.Header().Doc
		t.docs.set(h.Doc, e)
	} else {
		h.Doc = t.docs.add(e)
	}
	return t.putRecord(raw, &h, body)
}
