package dbfile

import (
	"errors"

	bolt "go.etcd.io/bbolt"
)

// delta is the set of keys that were put or deleted, by bucket.
type delta struct {
	keys map[string]map[string]struct{}
	size int // bytes of memory
}

// maxDelta is the maximum size of a delta in bytes: far more than what changes in
// the few seconds that a copy takes.
const maxDelta = 16 << 20

// errBusy is returned when a compaction is given up because a delta grew too large.
var errBusy = errors.New("store: too much is changing to compact the database now")

func (d *delta) add(bucket, key string) {
	keys := d.keys[bucket]
	if keys == nil {
		if d.keys == nil {
			d.keys = make(map[string]map[string]struct{})
		}
		keys = make(map[string]struct{})
		d.keys[bucket] = keys
	}
	if _, ok := keys[key]; !ok {
		keys[key] = struct{}{}
		d.size += len(key) + 48
	}
}

// merge adds the keys of e. Beyond maxDelta it only counts.
func (d *delta) merge(e *delta) {
	if d.size > maxDelta {
		d.keys = nil
		d.size += e.size
		return
	}
	for bucket, keys := range e.keys {
		for key := range keys {
			d.add(bucket, key)
		}
	}
}

// touch notes that the transaction changes a key, if Compact is copying.
func (t *Tx) touch(b *bolt.Bucket, key []byte) {
	if t.f.delta == nil {
		return
	}
	if t.names == nil {
		t.names = make(map[*bolt.Bucket]string)
		_ = t.tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			t.names[b] = string(name)
			return nil
		})
	}
	t.touched.add(t.names[b], string(key))
}
