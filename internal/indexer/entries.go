package indexer

import (
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// lookup returns what the store has of one name in a directory.
func lookup(sn *store.Snap, dir record.Key, name string) (e listing.Entry, ok bool, err error) {
	c := sn.Cursor(dir, dir.ChunksEnd())
	for c.SeekAfter(dir, name); c.Next(); {
		rec := c.Record()
		if first, chunk := c.Chunk(); chunk && first > name {
			break
		}
		if err := rec.Load(); err != nil {
			return e, false, err
		}
		if i, ok := rec.Find(name); ok {
			rec.Entry(i, &e)
			return e, true, nil
		}
	}
	return e, false, c.Err()
}

// entryReader goes through the stored entries of one directory in the order of
// names, over all the records that hold them.
type entryReader struct {
	c     *store.Cursor
	after string
	rec   *record.Record
	i     int
	e     listing.Entry
	err   error
}

// readEntries returns a reader of the names of dir after the given one.
func readEntries(sn *store.Snap, dir record.Key, after string) *entryReader {
	r := &entryReader{c: sn.Cursor(dir, dir.ChunksEnd()), after: after}
	r.c.SeekAfter(dir, after)
	return r
}

// next returns the next entry, which is the reader's until the call after; nil
// at the end, or where a record is damaged, which err then says.
func (r *entryReader) next() *listing.Entry {
	for r.err == nil {
		if r.rec == nil || r.i >= r.rec.Len() {
			if !r.c.Next() {
				r.err = r.c.Err()
				return nil
			}
			r.rec, r.i = r.c.Record(), 0
			if r.err = r.rec.Load(); r.err != nil {
				return nil
			}
			continue
		}
		r.rec.Entry(r.i, &r.e)
		r.i++
		if r.after == "" || r.e.Name > r.after {
			return &r.e
		}
	}
	return nil
}
