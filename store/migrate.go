package store

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"indexd/store/internal/codec"
	"log/slog"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// migration brings a database to schema version to from the one before. It is
// all done in one transaction with what raises the version.
type migration struct {
	to   int
	what string
	do   func(*bolt.Tx) error
}

// migrations are all of them, ascending, without a gap, the last one to
// schemaVersion. Version 1 is the first: nothing leads to it.
func migrations() []migration {
	return []migration{
		{2, "bounds of sizes and times by doc id", makeZones},
		{3, "postings of the trigrams of names", addPostings},
		{4, "directories that could not be read", findFailed},
		{5, "directories without ACLs", func(*bolt.Tx) error { return nil }}, // of old records that is not known
	}
}

// makeZones makes the zones of all records.
func makeZones(tx *bolt.Tx) error {
	zones, err := tx.CreateBucketIfNotExists(bucketZones)
	if err != nil {
		return err
	}
	blocks := make(map[uint64]*zoneBlock)
	docs := tx.Bucket(bucketDocs).Cursor()
	for key, _ := docs.First(); key != nil; key, _ = docs.Next() {
		blocks[blockNumber(key)] = new(zoneBlock)
	}
	var rec Record
	c := tx.Bucket(bucketListings).Cursor()
	for raw, val := c.First(); raw != nil; raw, val = c.Next() {
		if rec.Decode(val) != nil {
			continue
		}
		h := rec.Header()
		if b := blocks[h.Doc/blockLen]; b != nil {
			b.rows[h.Doc%blockLen] = rowOf(h, &h.Agg)
		}
	}
	zones.FillPercent = 1
	for _, n := range slices.Sorted(maps.Keys(blocks)) {
		key := blockKey(n * blockLen)
		if err := zones.Put(key, blocks[n].encode(key)); err != nil {
			return err
		}
	}
	return nil
}

// migrate applies those of list that lead from version from to version to, each
// in a transaction of its own, so that one that fails leaves a whole database.
func migrate(db *bolt.DB, from, to int, list []migration, log *slog.Logger) error {
	for _, m := range list {
		if m.to <= from || m.to > to {
			continue
		}
		if m.to != from+1 {
			return fmt.Errorf("store: no migration from schema %d", from)
		}
		err := Guard(func() error {
			return db.Update(func(tx *bolt.Tx) error {
				if err := m.do(tx); err != nil {
					return err
				}
				return putSchema(tx, m.to)
			})
		})
		if err != nil {
			return fmt.Errorf("store: migrate to schema %d (%s): %w", m.to, m.what, err)
		}
		log.Info("migrated the database", "schema", m.to, "what", m.what)
		from = m.to
	}
	if from != to {
		return fmt.Errorf("store: no migration from schema %d", from)
	}
	return nil
}

// initialise makes an empty database of the current schema.
func initialise(tx *bolt.Tx) error {
	for _, name := range allBuckets() {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	var id [16]byte
	rand.Read(id[:])
	meta := tx.Bucket(bucketMeta)
	if err := meta.Put(keyID, codec.AddChecksum(keyID, id[:])); err != nil {
		return err
	}
	st := state{nextDoc: 1}
	if err := meta.Put(keyState, st.encode()); err != nil {
		return err
	}
	return putSchema(tx, schemaVersion)
}

func putSchema(tx *bolt.Tx, v int) error {
	return tx.Bucket(bucketMeta).Put(keySchema, codec.AddChecksum(keySchema, binary.BigEndian.AppendUint32(nil, uint32(v))))
}
