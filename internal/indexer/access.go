package indexer

import (
	"context"

	"indexd/store"
	"indexd/store/record"
	"indexd/walker"
)

// What who decides what others may see has to know.

// Stored returns the header of a directory as it stands in the index, and its
// volume; false: the index has none.
func (x *Indexer) Stored(dir string) (h record.Header, v record.Volume, ok bool, err error) {
	key, pl, err := x.places.Load().key(dir)
	if err != nil {
		return h, v, false, nil
	}
	err = x.st.View(func(sn *store.Snap) error {
		rec, found, err := sn.Record(key)
		if ok = found && err == nil; ok {
			h = *rec.Header()
		}
		return err
	})
	return h, pl.volume, ok, err
}

// MountIDs says on which mount, by its number in /proc/self/mountinfo, the
// directories of each volume are found now.
func (x *Indexer) MountIDs() map[record.Volume]uint64 {
	ids := make(map[record.Volume]uint64)
	for _, pl := range x.places.Load().byLen {
		ids[pl.volume] = uint64(pl.mount.ID)
	}
	return ids
}

// Stamp is later than that of every listing begun so far, and earlier than that of
// any begun later.
func (x *Indexer) Stamp() uint64 { return x.stamp() }

// Relist has single directories listed again and returns when that is committed,
// or with ctx's error. It is nothing that they cannot be read.
func (x *Indexer) Relist(ctx context.Context, dirs []string) error {
	c := newCrew(x, walker.Asked, crewSize)
	for _, dir := range dirs {
		if err := c.list(ctx, dir); err != nil {
			return err
		}
	}
	return c.wait(ctx)
}
