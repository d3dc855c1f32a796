package store

import (
	"errors"

	bolt "go.etcd.io/bbolt"
)

// delta is the keys, by bucket, that were put or deleted.
type delta struct {
	keys map[string]map[string]struct{}
	size int // bytes of memory
}

// maxDelta is how large a delta may become: far more than changes in the few
// seconds that a copy takes.
const maxDelta = 16 << 20

// errBusy is why a copy was given up.
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

// merge adds what e has. Beyond maxDelta it only counts.
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

// touch notes that the transaction changes a key, if anybody wants to know.
func (t *Tx) touch(b *bolt.Bucket, key []byte) {
	if t.s.delta == nil {
		return
	}
	if t.named == nil {
		t.named = make(map[*bolt.Bucket]string)
		for i := range bucketTable {
			name := bucketTable[i].name
			t.named[t.tx.Bucket(name)] = string(name)
		}
	}
	t.touched.add(t.named[b], string(key))
}
