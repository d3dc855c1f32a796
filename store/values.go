package store

import (
	"bytes"
	"encoding/binary"
	"iter"

	bolt "go.etcd.io/bbolt"

	"indexd/store/internal/codec"
)

// Family is a kind of values that the store keeps for its caller as JSON, whose content it does
// not know.
type Family int

const (
	// Roots are keyed by the Key of a root's directory. A root needs no parent that names it.
	Roots Family = iota
	// Jobs are keyed by JobKey.
	Jobs
	// Settings have any keys.
	Settings
)

// JobKey returns a job's key in Jobs. Keys sort by id.
func JobKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// JobID is the inverse of JobKey.
func JobID(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}

// PutValue stores v as JSON.
func (t *Tx) PutValue(f Family, key []byte, v any) error {
	val, err := codec.EncodeJSON(key, v)
	if err != nil {
		return err
	}
	return t.do(func() error {
		if f == Roots {
			t.topsChanged(key, true)
		}
		return t.tx.Put(t.b.family(f), bytes.Clone(key), val)
	})
}

// DeleteValue removes a value, if there is one.
func (t *Tx) DeleteValue(f Family, key []byte) error {
	return t.do(func() error {
		if f == Roots {
			t.topsChanged(key, false)
		}
		return t.tx.Delete(t.b.family(f), key)
	})
}

// Value sets v from the JSON stored under key, and reports whether there is a value. It returns
// ErrCorrupt if the value is damaged.
func (sn *Snap) Value(f Family, key []byte, v any) (bool, error) {
	val := sn.b.family(f).Get(key)
	if val == nil {
		return false, nil
	}
	return true, codec.DecodeJSON(key, val, v)
}

// Values iterates over the keys and the JSON of a family in key order. The JSON is nil if it is
// damaged. Both are valid while the snapshot is.
func (sn *Snap) Values(f Family) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		c := sn.b.family(f).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			js, err := codec.VerifyChecksum(k, v)
			if err != nil {
				js = nil
			}
			if !yield(k, js) {
				return
			}
		}
	}
}

func (b *buckets) family(f Family) *bolt.Bucket {
	switch f {
	case Roots:
		return b.roots
	case Jobs:
		return b.jobs
	}
	return b.settings
}
