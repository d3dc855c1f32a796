package store

import (
	"bytes"

	"indexd/store/record"
)

// noteNames makes the doc of a record that is about to be stored under raw unindexed if the
// record gains a name. For names that it loses nothing is done: their postings lead to a few
// records too many.
func (t *Tx) noteNames(raw []byte, doc uint64, b *record.Body) {
	if doc == t.changes.Last() || b.Size() == 0 {
		return
	}
	val := t.b.listings.Get(raw)
	var old record.Record
	if val == nil || old.Decode(raw, val) != nil || old.Header().Doc != doc || old.Load() != nil || !hasNames(old.Names(), b.Names()) {
		t.changes.Add(doc)
	}
}

// hasNames reports whether every name in some is in all. Both are sorted, and a 0 byte ends
// each name.
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
			// With the 0 byte a name that is a prefix of another sorts before it, as it
			// does without.
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

// Fresh returns the number of docs that have gained a name since they were last merged into
// the postings, including those that are being merged. They are candidates for every query.
func (sn *Snap) Fresh() uint64 { return sn.state.postings.Unindexed + sn.state.postings.Merging }

// FreshCount returns Snap.Fresh of the last commit, without a transaction.
func (s *Store) FreshCount() uint64 {
	c := s.state.Load().postings
	return c.Unindexed + c.Merging
}
