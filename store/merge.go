package store

import (
	"strings"

	"indexd/listing"
	"indexd/store/record"
)

// newEntries goes through the entries of a prepared listing, one after another,
// decoding a chunk when it comes to it.
type newEntries struct {
	chunks []record.EncodedChunk // those not gone through yet
	open   bool                  // the first of them is being
	list   record.Entries
	i      int
	e      listing.Entry
	have   bool // e is the next one
}

// peek returns the next entry, nil at the end.
func (in *newEntries) peek() *listing.Entry {
	for !in.have {
		if len(in.chunks) == 0 {
			return nil
		}
		if !in.open {
			var err error
			if in.list, err = in.chunks[0].Entries(); err != nil {
				panic(err) // it was encoded just now, and never left memory
			}
			in.open, in.i = true, 0
		}
		if in.i == in.list.Len() {
			in.chunks, in.open = in.chunks[1:], false
			continue
		}
		in.list.Entry(in.i, &in.e)
		in.i++
		in.have = true
	}
	return &in.e
}

// next passes the entry that peek returned.
func (in *newEntries) next() { in.have = false }

// chunk returns the next chunk where no entry of it was gone through yet and
// the one after it begins at bound or later; "" is no bound. nil: it is not so.
func (in *newEntries) chunk(bound string) *record.EncodedChunk {
	if in.open && in.i == in.list.Len() && !in.have {
		in.chunks, in.open = in.chunks[1:], false
	}
	if len(in.chunks) == 0 || in.open {
		return nil
	}
	if len(in.chunks) > 1 && (bound == "" || in.chunks[1].First < bound) {
		return nil
	}
	return &in.chunks[0]
}

// skip passes a whole chunk that chunk returned.
func (in *newEntries) skip() { in.chunks = in.chunks[1:] }

// same reports whether ch holds just the entries of b.
func (ch *storedChunk) same(b *record.Body) bool {
	old := ch.rec.Body()
	return old.Equal(b)
}

// merge goes through the entries of a stored chunk, nil for none, and through
// the new ones up to but without bound, "" for all, and counts what is
// different. What the chunk has up to lo or above hi, "" for no bound, is not
// part of the change and stays. Each entry that is there afterwards is given to
// out, if that is not nil. It reports whether anything is different.
func (w *work) merge(ch *storedChunk, lo, hi string, in *newEntries, bound string, out func(*listing.Entry)) bool {
	if out == nil {
		out = func(*listing.Entry) {}
	}
	changed := false
	var old record.Entries
	if ch != nil {
		if ch.rec.Load() != nil {
			w.t.s.log.Warn("a listing is damaged and is made anew", "directory", w.key.String())
			w.lost, changed = true, true
		} else {
			old = ch.rec.Entries
		}
	}
	var e listing.Entry
	i, n := 0, old.Len()
	for ; i < n; i++ {
		if old.Entry(i, &e); lo == "" || e.Name > lo {
			break
		}
		out(&e)
	}
	for {
		var a *listing.Entry // of the old
		if i < n && (hi == "" || e.Name <= hi) {
			a = &e
		}
		b := in.peek()
		if b != nil && bound != "" && b.Name >= bound {
			b = nil
		}
		cmp := 0
		switch {
		case a == nil && b == nil:
			for ; i < n; i++ {
				old.Entry(i, &e)
				out(&e)
			}
			return changed
		case a == nil:
			cmp = 1
		case b == nil:
			cmp = -1
		default:
			cmp = strings.Compare(a.Name, b.Name)
		}
		switch {
		case cmp < 0:
			w.Removed++
			changed = true
		case cmp > 0:
			w.Added++
			changed = true
		case *a != *b:
			w.modified(b)
			changed = true
		}
		if cmp <= 0 && a.Type() == listing.Dir && (cmp < 0 || b.Type() != listing.Dir) {
			w.gone = append(w.gone, strings.Clone(a.Name))
		}
		if cmp >= 0 {
			out(b)
			in.next()
		}
		if cmp <= 0 {
			if i++; i < n {
				old.Entry(i, &e)
			}
		}
	}
}
