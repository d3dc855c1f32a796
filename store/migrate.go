package store

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"indexd/store/internal/codec"
	"log/slog"

	bolt "go.etcd.io/bbolt"
)

// migration brings a database from the schema version before to to. It runs in the
// transaction that raises the stored version.
type migration struct {
	to   int
	what string
	do   func(*bolt.Tx) error
}

// migrations returns all migrations in ascending order, without a gap, up to
// schemaVersion. Version 1 is that of the first release, so nothing leads to it.
func migrations() []migration { return nil }

// migrate applies those migrations of list that lead from version from to version to. Each
// runs in a transaction of its own, so a failure leaves a consistent database of the version
// reached so far.
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

// initialise creates the buckets of an empty database of the current schema.
func initialise(tx *bolt.Tx) error {
	for i := range bucketTable {
		name := bucketTable[i].name
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
	return tx.Bucket(bucketMeta).Put(keyFormat, codec.AddChecksum(keyFormat, binary.BigEndian.AppendUint32(nil, uint32(v))))
}
