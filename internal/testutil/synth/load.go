package synth

import (
	"fmt"

	"indexd/store"
	"indexd/store/record"
)

// Totals counts what Load did.
type Totals struct {
	Dirs, Entries   int
	Changed         int // directories that were written
	Commits         int
	MaxBytes        int // the largest transaction, by its own estimate
	Dropped, Reaped int // subtrees; calls of Reap
}

// Options configure Load.
type Options struct {
	// Bulk means that the store is loaded for the first time.
	Bulk bool
	// Commit is the size of a transaction in bytes; 0 means 8 MiB.
	Commit int
}

// NewVolume adds a volume for a tree, mounted at mountPoint.
func NewVolume(s *store.Store, mountPoint string) (record.Volume, error) {
	tx, err := s.Begin()
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	v, err := tx.PutVolume(store.VolumeInfo{Identity: "synth:" + mountPoint, MountPoint: mountPoint, FSType: "synth"})
	if err != nil {
		return 0, err
	}
	return v, tx.Commit()
}

// Load applies the whole tree as volume v, in the order of a walk, encoded as the walk's
// workers do it, and purges all tombstones at the end.
func (t Tree) Load(s *store.Store, v record.Volume, o Options) (Totals, error) {
	var sum Totals
	if o.Commit == 0 {
		o.Commit = 8 << 20
	}
	var tx *store.Tx
	defer func() {
		if tx != nil {
			tx.Rollback()
		}
	}()
	begin := func() (err error) {
		if tx, err = s.Begin(); err == nil && o.Bulk {
			tx.Bulk()
		}
		return err
	}
	commit := func() error {
		sum.Commits++
		sum.MaxBytes = max(sum.MaxBytes, tx.Bytes())
		return tx.Commit()
	}
	if err := begin(); err != nil {
		return sum, err
	}
	stamp := s.LastStamp()
	for rel, l := range t.Listings() {
		stamp++
		l.Stamp = stamp
		p := record.Encode(l, nil, nil)
		p.At = t.Now()
		a, err := tx.Apply(record.MakeKey(v, rel), p)
		if err != nil {
			return sum, err
		}
		if a.Stale || a.ParentMissing {
			return sum, fmt.Errorf("synth: %q was refused: %+v", rel, a)
		}
		sum.Dirs++
		sum.Entries += len(l.Entries)
		sum.Dropped += len(a.DroppedDirs)
		if a.Changed {
			sum.Changed++
		}
		if tx.Bytes() < o.Commit {
			continue
		}
		if err := commit(); err != nil {
			return sum, err
		}
		if err := begin(); err != nil {
			return sum, err
		}
	}
	for more := true; more; {
		var err error
		if more, err = tx.PurgeTombstones(2000); err != nil {
			return sum, err
		}
		sum.Reaped++
		if err := commit(); err != nil {
			return sum, err
		}
		if err := begin(); err != nil {
			return sum, err
		}
	}
	return sum, nil
}
