package store

import (
	"bytes"
	"iter"
	"syscall"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// Failed directories are those that could not be read at the last attempt, for
// another reason than that they may not be. They have keys of their own so that
// an answer can say which it may lack without looking at every header. There are
// few.

// isFailure reports whether errno makes a directory a failed one.
func isFailure(errno uint16) bool {
	switch syscall.Errno(errno) {
	case 0, syscall.EACCES, syscall.EPERM:
		return false
	}
	return true
}

// setFailed says whether the directory of a record that is being written is
// one.
func (t *Tx) setFailed(key record.Key, errno uint16) error {
	switch there := t.b.failed.Get(key) != nil; {
	case there == isFailure(errno):
		return nil
	case there:
		return t.del(t.b.failed, key)
	}
	return t.put(t.b.failed, bytes.Clone(key), codec.AddChecksum(key, nil))
}

// Failed iterates over the directories in [lo, hi) that could not be read when
// last tried, for another reason than that they may not be, in order of keys,
// with their records; a nil hi is the end. Key and record are valid while the
// snapshot is.
func (sn *Snap) Failed(lo, hi record.Key) iter.Seq2[record.Key, *record.Record] {
	return func(yield func(record.Key, *record.Record) bool) {
		c := sn.b.failed.Cursor()
		for k, _ := c.Seek(lo); k != nil && (hi == nil || bytes.Compare(k, hi) < 0); k, _ = c.Next() {
			// A dead one's key goes with its record, when that is reaped.
			rec, ok, err := sn.Record(k)
			if ok && err == nil && isFailure(rec.Header().Errno) && !yield(k, &rec) {
				return
			}
		}
	}
}
