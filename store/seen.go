package store

import (
	"bytes"

	"indexd/store/record"
)

// seenMap remembers the stamps of listings that were found unchanged, so that nothing was
// written, to recognize older listings that come late. It only has to reach as far back as
// listings can overtake each other, so it is bounded like parentCache. It belongs to the
// writer.
type seenMap struct {
	young, old map[string]uint64
	newest     uint64
}

const seenLen = 1024

func (m *seenMap) put(key record.Key, stamp uint64) {
	if m.young == nil || len(m.young) >= seenLen {
		m.young, m.old = make(map[string]uint64, seenLen), m.young
	}
	m.young[string(key)] = stamp
	m.newest = max(m.newest, stamp)
}

func (m *seenMap) get(key record.Key) uint64 {
	return max(m.young[string(key)], m.old[string(key)])
}

func (m *seenMap) clear() { *m = seenMap{} }

// since reports whether key was found unchanged by a listing after stamp.
func (m *seenMap) since(key record.Key, stamp uint64) bool {
	return m.newest > stamp && m.get(key) > stamp
}

// writeSeen writes the stamps above stamp that were seen at and below key to the records, so
// that they survive a tombstone with that stamp.
func (t *Tx) writeSeen(key record.Key, stamp uint64) error {
	if t.s.seen.newest <= stamp {
		return nil
	}
	for _, m := range [...]map[string]uint64{t.s.seen.old, t.s.seen.young} {
		for k, at := range m {
			if at <= stamp || !record.Key(k).Within(key) {
				continue
			}
			st := t.stored(record.Key(k))
			if !st.alive || st.rec.Header().Stamp >= at {
				continue
			}
			if err := t.restamp(record.Key(k), &st.rec, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// restamp gives a record a newer stamp.
func (t *Tx) restamp(key record.Key, rec *record.Record, stamp uint64) error {
	h := *rec.Header()
	h.Stamp = stamp
	body := rec.Body()
	return t.putRecord(bytes.Clone(key), &h, &body)
}
