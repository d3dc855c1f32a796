package store

import (
	"bytes"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/record"
)

// freshness gathers what a transaction does to the set of fresh docs: most come
// one after another, and the set is written once.
type freshness struct {
	here *roaring.Bitmap // fresh
	away *roaring.Bitmap // gone
	last uint64          // the doc that came into here last; 0: none
}

// freshen makes a doc fresh: it is new, or has a name that it had not.
func (t *Tx) freshen(doc uint64) {
	f := &t.fresh
	if doc > maxDoc || doc == f.last {
		return
	}
	if f.here == nil {
		f.here, f.away = roaring.New(), roaring.New()
	}
	f.last = doc
	f.here.Add(uint32(doc))
	f.away.Remove(uint32(doc))
}

// unfreshen notes that a doc stands for nothing any more.
func (t *Tx) unfreshen(doc uint64) {
	f := &t.fresh
	if doc > maxDoc {
		return
	}
	if f.here == nil {
		f.here, f.away = roaring.New(), roaring.New()
	}
	if doc == f.last {
		f.last = 0
	}
	f.here.Remove(uint32(doc))
	f.away.Add(uint32(doc))
}

// gains makes the doc of a record that is about to be stored under raw fresh,
// where b has a name that what is stored there has not. What a record loses its
// postings may keep.
func (t *Tx) gains(raw []byte, doc uint64, b *record.Body) {
	if doc == t.fresh.last || b.Size() == 0 {
		return
	}
	val := t.b.listings.Get(raw)
	var old record.Record
	if val == nil || old.Decode(raw, val) != nil || old.Header().Doc != doc || old.Load() != nil || !hasNames(old.Names(), b.Names()) {
		t.freshen(doc)
	}
}

// hasNames reports whether every name in some is one of all. Both are sorted and
// each name is ended by 0x00.
func hasNames(all, some []byte) bool {
	if bytes.Equal(all, some) {
		return true
	}
	for len(some) > 0 {
		n := bytes.IndexByte(some, 0) + 1
		name := some[:n]
		for {
			k := bytes.IndexByte(all, 0) + 1
			if k == 0 {
				return false
			}
			have := all[:k]
			all = all[k:]
			// With its end a name that is the beginning of another comes
			// before it, as it does without.
			if d := bytes.Compare(have, name); d == 0 {
				break
			} else if d > 0 {
				return false
			}
		}
		some = some[n:]
	}
	return true
}

// flushFresh writes what was gathered.
func (t *Tx) flushFresh() error {
	f := t.fresh
	t.fresh = freshness{}
	if f.here != nil {
		err := t.changeSet(freshDocs, f.here, f.away)
		if err == nil {
			err = t.changeSet(goneDocs, f.away, f.here)
		}
		if err == nil && t.anySet(oddDocs) {
			f.here.Or(f.away)
			err = t.changeSet(oddDocs, nil, f.here)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// anySet reports whether a set has anything in it.
func (t *Tx) anySet(set docSet) bool {
	k, _ := t.b.fresh.Cursor().Seek([]byte{byte(set)})
	return k != nil && k[0] == byte(set)
}

// Fresh returns how many docs gained a name since they were last merged into the
// postings, those included that are being merged: they are candidates for every
// query.
func (sn *Snap) Fresh() uint64 { return sn.state.fresh + sn.state.taken }

// FreshCount is Snap.Fresh of what is committed, without a transaction.
func (s *Store) FreshCount() uint64 {
	st := s.state.Load()
	return st.fresh + st.taken
}
