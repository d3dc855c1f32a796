package store

import (
	"encoding/binary"

	"indexd/store/internal/codec"
	"indexd/store/postings"
)

// state is the set of counters in the meta bucket.
type state struct {
	clock      uint64 // transactions that changed something
	stamp      uint64 // the highest stamp seen
	nextDoc    uint64
	pending    uint64 // keys in pending
	tombstones uint64 // keys in tombstones
	docs       uint64 // docs in use
	volume     uint64 // the highest volume number given out
	postings   postings.Counts
}

func (s *state) fields() [10]*uint64 {
	return [...]*uint64{&s.clock, &s.stamp, &s.nextDoc, &s.pending, &s.tombstones, &s.docs, &s.volume, &s.postings.Unindexed, &s.postings.Merging, &s.postings.Segment}
}

func (s *state) encode() []byte {
	var b []byte
	for _, f := range s.fields() {
		b = binary.AppendUvarint(b, *f)
	}
	return codec.AddChecksum(keyState, b)
}

func decodeState(val []byte) (state, error) {
	var s state
	b, err := codec.VerifyChecksum(keyState, val)
	if err != nil {
		return s, err
	}
	r := codec.Reader{B: b}
	for _, f := range s.fields() {
		*f = r.Uvarint()
	}
	if r.Bad {
		return s, codec.ErrCorrupt
	}
	return s, nil
}
