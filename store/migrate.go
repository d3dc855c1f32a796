package store

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"

	bolt "go.etcd.io/bbolt"

	"indexd/store/dbfile"
	"indexd/store/internal/codec"
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
		err := dbfile.CatchCorruption(func() error {
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

// readSchema returns the schema version of an opened database. It returns ErrNotDatabase for
// a file of another program or of an unreleased version of this one, and ErrNewerSchema for
// a version above schemaVersion.
func readSchema(db *bolt.DB) (v int, err error) {
	err = dbfile.CatchCorruption(func() error {
		return db.View(func(tx *bolt.Tx) error {
			meta := tx.Bucket(bucketMeta)
			if meta == nil {
				return fmt.Errorf("%w: another program's bbolt file", ErrNotDatabase)
			}
			val := meta.Get(keyFormat)
			switch {
			case val != nil:
			case meta.Get(keyUnreleased) != nil:
				return fmt.Errorf("%w of a released version", ErrNotDatabase)
			default:
				return fmt.Errorf("%w: another program's bbolt file", ErrNotDatabase)
			}
			b, err := codec.VerifyChecksum(keyFormat, val)
			if err != nil || len(b) != 4 {
				return fmt.Errorf("%w: its schema version", ErrDamaged)
			}
			v = int(binary.BigEndian.Uint32(b))
			if v > schemaVersion {
				return fmt.Errorf("%w (schema %d, this one knows %d)", ErrNewerSchema, v, schemaVersion)
			}
			return nil
		})
	})
	return v, err
}
