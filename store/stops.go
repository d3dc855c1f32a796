package store

import (
	"bytes"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// Stops are the directories that a listing names but that are not descended
// into: mount points, pruned ones. They need no record. There are few.

// setStop says whether key is one.
func (t *Tx) setStop(key record.Key, stop bool) error {
	switch there := t.b.stops.Get(key) != nil; {
	case there == stop:
		return nil
	case stop:
		return t.put(t.b.stops, bytes.Clone(key), codec.AddChecksum(key, nil))
	}
	return t.del(t.b.stops, key)
}

// anyStop reports whether there are any below key.
func (t *Tx) anyStop(key record.Key) bool {
	k, _ := t.b.stops.Cursor().Seek(key.ChunksEnd())
	return k != nil && bytes.Compare(k, key.SubtreeEnd()) < 0
}

// dropStops takes away what is at key and below it.
func (t *Tx) dropStops(key record.Key) error {
	end := key.SubtreeEnd()
	for {
		k, _ := t.b.stops.Cursor().Seek(key)
		if k == nil || bytes.Compare(k, end) >= 0 {
			return nil
		}
		if err := t.del(t.b.stops, bytes.Clone(k)); err != nil {
			return err
		}
	}
}

// Stopped reports whether a directory is named by its parent but not descended
// into.
func (sn *Snap) Stopped(key record.Key) bool { return sn.b.stops.Get(key) != nil }
