package store

import (
	"bytes"
	"encoding/binary"
	"indexd/store/internal/codec"
	"iter"

	bolt "go.etcd.io/bbolt"
)

// Family is a kind of values that the store keeps for its caller as JSON,
// without knowing what is in them.
type Family int

const (
	// Roots are keyed by the Key of the directory where a root begins. The
	// store knows of them that they need no parent to be applied.
	Roots Family = iota
	// Jobs are keyed by JobKey.
	Jobs
	// Settings are keyed by whatever the caller likes.
	Settings
)

// JobKey is a job's key in Jobs, in order of ids.
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
		return t.put(t.b.family(f), bytes.Clone(key), val)
	})
}

// DeleteValue removes a value; that it is not there is no error.
func (t *Tx) DeleteValue(f Family, key []byte) error {
	return t.do(func() error {
		if f == Roots {
			t.topsChanged(key, false)
		}
		return t.del(t.b.family(f), key)
	})
}

// Value fills in v from the JSON stored under key, and says whether there is any.
// ErrCorrupt is returned where it is damaged.
func (sn *Snap) Value(f Family, key []byte, v any) (bool, error) {
	val := sn.b.family(f).Get(key)
	if val == nil {
		return false, nil
	}
	return true, codec.DecodeJSON(key, val, v)
}

// Values iterates over a family in order of keys: the keys, and the JSON, nil
// where it is damaged. Both are valid while the snapshot is.
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
