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
)

// ErrNotIndexed says of a path that it is missing, excluded, outside every
// root or not to be seen by who asks: the same for all, since the difference
// would tell what may not be known.
var ErrNotIndexed = jobs.ErrNotIndexed

// plan says how a path that somebody wants listed again is listed: first a
// directory by itself, whose listing shows the path's own entry (or that it is
// gone), then, if it is a directory, all below. Where the path is not known,
// that begins at the nearest directory above that is.
func (x *Indexer) plan(p string) (alone, tree string, err error) {
	r := x.rootOf(p)
	if r == nil {
		return "", "", ErrNotIndexed
	}
	if x.away(r) {
		return "", "", errAway
	}
	if r.path == p {
		return "", p, nil
	}
	if _, no := x.rules.Load().Below(r.path, p); no {
		return "", "", ErrNotIndexed
	}
	err = x.st.View(func(sn *store.Snap) error {
		for tree = p; ; tree = alone {
			alone = path.Dir(tree)
			if alone == r.path {
				return nil
			}
			key, _, err := x.places.Load().key(alone)
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

// present returns nil if the index has an entry for p, else ErrNotIndexed, or
// the error for which p could not be listed.
func (x *Indexer) present(p string) error {
	r := x.rootOf(p)
	if r == nil {
		return ErrNotIndexed
	}
	return x.st.View(func(sn *store.Snap) error {
		if p != r.path {
			if _, ok, err := x.entry(sn, p); err != nil || !ok {
				return errors.Join(err, ErrNotIndexed)
			}
		}
		key, _, err := x.places.Load().key(p)
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

// entry returns what the index has of a path below a root.
func (x *Indexer) entry(sn *store.Snap, p string) (e listing.Entry, ok bool, err error) {
	dir := path.Dir(p)
	key, _, err := x.places.Load().key(dir)
	if err != nil {
		return e, false, err
	}
	name := p[len(dir):]
	return lookup(sn, key, strings.TrimPrefix(name, "/"))
}
