package store

import (
	"encoding/binary"
	"fmt"
	"indexd/store/internal/codec"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"
)

// addPostings is the migration to schema 3: the buckets of the postings are made,
// and every doc is fresh, so that the next merges post it.
func addPostings(tx *bolt.Tx) error {
	for _, name := range [...][]byte{bucketPostings, bucketSegments, bucketFresh} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	all := roaring.New()
	err := tx.Bucket(bucketDocs).ForEach(func(k, v []byte) error {
		addBlock(all, k, v)
		return nil
	})
	if err != nil {
		return err
	}
	fresh := tx.Bucket(bucketFresh)
	err = eachPart(func(part uint16, docs, _ *roaring.Bitmap) error {
		b, err := encodeSet(docs)
		if err != nil {
			return err
		}
		key := setKey(freshDocs, part)
		return fresh.Put(key, codec.AddChecksum(key, b))
	}, all, nil)
	if err != nil {
		return err
	}
	// What the state counts got three more numbers at its end.
	meta := tx.Bucket(bucketMeta)
	b, err := codec.VerifyChecksum(keyState, meta.Get(keyState))
	if err != nil {
		return fmt.Errorf("%w: its counts: %w", ErrDamaged, err)
	}
	b = binary.AppendUvarint(b[:len(b):len(b)], all.GetCardinality())
	return meta.Put(keyState, codec.AddChecksum(keyState, append(b, 0, 0)))
}
