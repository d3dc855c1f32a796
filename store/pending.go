package store

import (
	"bytes"
	"encoding/binary"
	"iter"
	"maps"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"indexd/store/dbfile"
	"indexd/store/internal/codec"
	"indexd/store/record"
)

// Pending says that a directory is to be listed. Marks survive a crash: the next start
// continues with what is pending.
type Pending struct {
	// Subtree says that everything below it is to be listed too. When the directory is applied,
	// its children become pending instead, for the same jobs.
	Subtree bool
	// Jobs are the ids of the jobs that wait for it, ascending. It may be empty.
	Jobs []uint64
	// Stamp is the last stamp given when the directory was marked. Only a listing with a higher
	// stamp settles the mark: one that was opened earlier may have missed the change.
	Stamp uint64
	// Cursor is the last name that was applied of a large listing in parts, and Listing the
	// stamp of that listing, or 0. A crash in between leaves them behind; the directory is then
	// listed again from the start.
	Cursor  string
	Listing uint64
	// Unnamed says that a child's record was kept although the directory's listing no longer
	// names it. The next listing decides.
	Unnamed bool
}

// merge adds what q asks for to p.
func (p *Pending) merge(q *Pending) {
	p.Subtree = p.Subtree || q.Subtree
	p.Unnamed = p.Unnamed || q.Unnamed
	p.Stamp = max(p.Stamp, q.Stamp)
	for _, j := range q.Jobs {
		if i, ok := slices.BinarySearch(p.Jobs, j); !ok {
			p.Jobs = slices.Insert(slices.Clip(p.Jobs), i, j)
		}
	}
	if p.Listing == 0 {
		p.Cursor, p.Listing = q.Cursor, q.Listing
	}
}

func (p *Pending) encode(key []byte) []byte {
	var flags byte
	if p.Subtree {
		flags |= 1
	}
	if p.Unnamed {
		flags |= 2
	}
	b := []byte{flags}
	b = binary.AppendUvarint(b, p.Stamp)
	b = binary.AppendUvarint(b, p.Listing)
	b = binary.AppendUvarint(b, uint64(len(p.Jobs)))
	for _, j := range p.Jobs {
		b = binary.AppendUvarint(b, j)
	}
	return codec.AddChecksum(key, append(b, p.Cursor...))
}

func decodePending(key, val []byte) (Pending, error) {
	b, err := codec.VerifyChecksum(key, val)
	if err != nil || len(b) == 0 {
		return Pending{}, codec.ErrCorrupt
	}
	r := codec.Reader{B: b[1:]}
	p := Pending{Subtree: b[0]&1 != 0, Unnamed: b[0]&2 != 0, Stamp: r.Uvarint(), Listing: r.Uvarint()}
	n := r.Uvarint()
	if n > uint64(r.Left()) {
		return Pending{}, codec.ErrCorrupt
	}
	for range n {
		p.Jobs = append(p.Jobs, r.Uvarint())
	}
	if r.Bad {
		return Pending{}, codec.ErrCorrupt
	}
	p.Cursor = string(r.B[r.Pos:])
	return p, nil
}

// mark is a transaction's change to one key of pending. A directory that becomes pending and is
// listed in one transaction therefore costs no write.
type mark struct {
	had bool     // the bucket has the key
	now *Pending // the mark to write; nil removes the key
}

// pendingSet is the set of pending directories in a transaction.
type pendingSet struct {
	tx    *dbfile.Tx
	b     *bolt.Bucket
	count *uint64
	marks map[string]*mark    // by key
	above map[string]struct{} // all directories above a new mark
}

// PutPending marks a directory as pending, or adds to its mark: jobs join, Subtree stays.
// Neither the directory nor its parent needs a record. ErrKeyTooLong is returned and leaves t
// usable.
func (t *Tx) PutPending(key record.Key, p Pending) error {
	if err := key.Valid(); err != nil {
		return err
	}
	return t.do(func() error {
		t.SeeStamp(p.Stamp)
		p.Jobs = slices.Compact(slices.Sorted(slices.Values(p.Jobs)))
		t.pending.add(key, p)
		return nil
	})
}

// Pending returns a directory's mark as the transaction has it.
func (t *Tx) Pending(key record.Key) (p Pending, ok bool, err error) {
	err = t.do(func() error {
		if now := t.pending.get(key); now != nil {
			p, ok = *now, true
		}
		return nil
	})
	return p, ok, err
}

// add adds p to a directory's mark.
func (s *pendingSet) add(key record.Key, p Pending) {
	if now := s.get(key); now != nil {
		was := *now
		was.merge(&p)
		p = was
	}
	s.set(key, &p)
}

// addShared is add for a p that many directories may share.
func (s *pendingSet) addShared(key record.Key, p *Pending) {
	if s.get(key) != nil {
		s.add(key, *p)
	} else {
		s.set(key, p)
	}
}

// get returns the mark, which must not be modified, or nil.
func (s *pendingSet) get(key record.Key) *Pending {
	if m, ok := s.marks[string(key)]; ok {
		return m.now
	}
	val := s.b.Get(key)
	if val == nil {
		return nil
	}
	p, err := decodePending(key, val)
	if err != nil {
		// What it asked for is lost, except that the directory is to be listed.
		p = Pending{Subtree: true}
	}
	s.marks[string(key)] = &mark{had: true, now: &p}
	return &p
}

// drop removes the marks at and below key whose stamp is below stamp.
func (s *pendingSet) drop(key record.Key, stamp uint64) {
	drop := func(k record.Key) {
		if now := s.get(k); now != nil && now.Stamp < stamp {
			s.set(k, nil)
		}
	}
	end := key.SubtreeEnd()
	c := s.b.Cursor()
	for k, _ := c.Seek(key); k != nil && bytes.Compare(k, end) < 0; k, _ = c.Next() {
		drop(k)
	}
	drop(key)
	if _, ok := s.above[string(key)]; !ok {
		return
	}
	for k := range s.marks {
		if record.Key(k).Within(key) {
			drop(record.Key(k))
		}
	}
}

// set replaces the mark, which belongs to the transaction from then on; nil removes it. The
// caller must have called get before.
func (s *pendingSet) set(key record.Key, p *Pending) {
	m := s.marks[string(key)]
	switch {
	case m != nil && p == nil && !m.had:
		delete(s.marks, string(key))
		*s.count--
	case m != nil:
		if m.now == nil && p != nil {
			*s.count++
		} else if m.now != nil && p == nil {
			*s.count--
		}
		m.now = p
	case p != nil:
		k := string(key)
		s.marks[k] = &mark{now: p}
		*s.count++
		for i := strings.LastIndexByte(k[2:], 0); i >= 0; i = strings.LastIndexByte(k[2:2+i], 0) {
			up := k[:2+i]
			if _, ok := s.above[up]; ok {
				break
			}
			s.above[up] = struct{}{}
		}
	}
}

func (s *pendingSet) flush() error {
	for _, k := range slices.Sorted(maps.Keys(s.marks)) {
		m, key := s.marks[k], []byte(k)
		if m.now == nil {
			if err := s.tx.Delete(s.b, key); err != nil {
				return err
			}
			continue
		}
		if val := m.now.encode(key); !m.had || !bytes.Equal(val, s.b.Get(key)) {
			if err := s.tx.Put(s.b, key, val); err != nil {
				return err
			}
		}
	}
	return nil
}

// Pending iterates over the marks in [lo, hi) in key order; a nil hi is the end. The keys are
// valid while the snapshot is. A damaged mark is reported as one of the whole subtree without
// jobs.
func (sn *Snap) Pending(lo, hi record.Key) iter.Seq2[record.Key, Pending] {
	return func(yield func(record.Key, Pending) bool) {
		c := sn.b.pending.Cursor()
		for k, v := c.Seek(lo); k != nil && (hi == nil || bytes.Compare(k, hi) < 0); k, v = c.Next() {
			p, err := decodePending(k, v)
			if err != nil {
				p = Pending{Subtree: true}
			}
			if !yield(k, p) {
				return
			}
		}
	}
}

// IsPending reports whether a directory is marked, itself or by the mark of a subtree.
func (sn *Snap) IsPending(key record.Key) bool {
	for k, itself := key, true; ; itself = false {
		if val := sn.b.pending.Get(k); val != nil {
			if p, err := decodePending(k, val); itself || err != nil || p.Subtree {
				return true
			}
		}
		up, _, ok := k.Parent()
		if !ok {
			return false
		}
		k = up
	}
}
