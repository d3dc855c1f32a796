package indexer

import (
	"fmt"

	"indexd/store"
	"indexd/store/record"
)

// refreshPlaces reads the mount table and makes what it says the truth: which
// volume lies where, and which are offline. Nothing is done where somebody else
// did it since the caller looked at old.
//
// It waits for the writer: not to be called on the writer's goroutine nor with
// a snapshot of the store in hand.
func (x *Indexer) refreshPlaces(old *places) error {
	x.placesMu.Lock()
	defer x.placesMu.Unlock()
	if old != nil && x.places.Load() != old {
		return nil
	}
	table, err := x.cfg.Mounts()
	if err != nil {
		return err
	}
	where, err := newPlaces(table, x.Roots(), *x.inner.Load(), x.rules.Load())
	if err != nil {
		return err
	}
	err = x.writer.Update(x.ctx, func(tx *store.Tx) error { return where.findVolumes(tx) })
	if err != nil {
		return fmt.Errorf("enter the mounted file systems: %w", err)
	}
	x.places.Store(where)
	return nil
}

// findVolumes gives each place the volume of its file system, a new one where
// it was never seen, and notes in the store what is mounted where. A volume that
// is mounted nowhere is offline; nothing of it is deleted.
func (p *places) findVolumes(tx *store.Tx) error {
	known, err := tx.Snap().Volumes()
	if err != nil {
		return err
	}
	taken := make(map[record.Volume]bool)
	for i := range p.byLen {
		pl := &p.byLen[i]
		info := store.VolumeInfo{Identity: p.table.Identity(pl.mount)}
		for _, v := range known {
			if v.Identity == info.Identity && !taken[v.Volume] {
				info = v
			}
		}
		now := info
		now.MountPoint, now.FSType, now.Source, now.Offline = pl.point, pl.mount.FSType, pl.mount.Source, false
		if now != info {
			if now.Volume, err = tx.PutVolume(now); err != nil {
				return err
			}
		}
		pl.volume = now.Volume
		taken[now.Volume] = true
	}
	for _, v := range known {
		if !taken[v.Volume] && !v.Offline {
			v.Offline = true
			if _, err := tx.PutVolume(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// keyOf returns the key of the directory at an absolute path. mountID, where
// it is not 0, says on which mount it was listed: if the table that is known
// has it on another, the table is read anew. See refreshPlaces for who may call.
func (x *Indexer) keyOf(dir string, mountID uint64) (record.Key, error) {
	for again := false; ; again = true {
		where := x.places.Load()
		key, pl, err := where.key(dir)
		if err == nil && (mountID == 0 || uint64(pl.mount.ID) == mountID) {
			return key, nil
		}
		if again {
			if err == nil {
				err = fmt.Errorf("%s: something was mounted or unmounted while it was listed", dir)
			}
			return nil, err
		}
		if err := x.refreshPlaces(where); err != nil {
			return nil, err
		}
	}
}
