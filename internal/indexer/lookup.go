package indexer

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"

	"indexd/internal/indexer/jobs"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// ErrNotIndexed is returned for a path that is missing, excluded, outside every root, or
// not visible to whoever asks.
var ErrNotIndexed = jobs.ErrNotIndexed

// planRescan says how a path that somebody wants listed again is listed: first a directory
// alone, whose listing shows the path's own entry (or that it is gone), then, if the path
// is a directory, all below it. If the path is not known, this begins at the nearest
// directory above it that is.
func (c *core) planRescan(p string) (alone, tree string, err error) {
	r := c.rootOf(p)
	if r == nil {
		return "", "", ErrNotIndexed
	}
	if c.away(r) {
		return "", "", errAway
	}
	if r.path == p {
		return "", p, nil
	}
	if c.isExcluded(p) {
		return "", "", ErrNotIndexed
	}
	err = c.st.View(func(sn *store.Snap) error {
		for tree = p; ; tree = alone {
			alone = path.Dir(tree)
			if alone == r.path {
				return nil
			}
			key, _, err := c.mounts.Load().key(alone)
			if err != nil {
				return err
			}
			if _, ok, err := sn.Record(key); ok || err != nil {
				return err
			}
		}
	})
	return alone, tree, err
}

// present returns nil if the index has an entry for p, else ErrNotIndexed, or the error for
// which p could not be listed.
func (c *core) present(p string) error {
	r := c.rootOf(p)
	if r == nil {
		return ErrNotIndexed
	}
	return c.st.View(func(sn *store.Snap) error {
		if p != r.path {
			if _, ok, err := c.entry(sn, p); err != nil || !ok {
				return errors.Join(err, ErrNotIndexed)
			}
		}
		key, _, err := c.mounts.Load().key(p)
		if err != nil {
			return err
		}
		rec, ok, err := sn.Record(key)
		if err == nil && ok && rec.Header().Errno != 0 {
			return fmt.Errorf("cannot be read: %w", syscall.Errno(rec.Header().Errno))
		}
		return err
	})
}

// entry returns the index's entry of a path below a root.
func (c *core) entry(sn *store.Snap, p string) (e listing.Entry, ok bool, err error) {
	dir := path.Dir(p)
	key, _, err := c.mounts.Load().key(dir)
	if err != nil {
		return e, false, err
	}
	return lookup(sn, key, strings.TrimPrefix(p[len(dir):], "/"))
}

// lookup returns the index's entry of a name in a directory.
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

// An entryReader reads the stored entries of one directory in the order of names, from all
// records that hold them.
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

// next returns the next entry, which is valid until the next call. It returns nil at the
// end, or at a damaged record; then err is set.
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
