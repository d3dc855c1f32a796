package indexer

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"

	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// Explanation is what is known about one path.
type Explanation struct {
	Path    string
	Indexed bool
	Reason  string // why it is not indexed, in words
	SameAs  string // it is or lies in a mount of what is indexed by this path, which Reason names
	Root    string // "" where it lies in none
	Type    listing.Type
	Entries uint64    // of a directory that was listed
	Dir     string    // the directory whose listing shows it, or itself for a root
	Listed  time.Time // when that was listed last with a change, zero if never
	// Verified: the names in Dir were right then, by a look at the whole root.
	Verified time.Time
	Err      string // why Dir could not be read at the last attempt
	Pending  bool   // Dir waits to be listed
	Watched  bool   // changes of Dir are known as they happen
	// Offline is where a file system was mounted that is not now and that Path was
	// on: until it is back, answers have what was on it there, "" otherwise.
	Offline string
}

// Explain says whether a path is indexed, and if not by which rule.
func (x *Indexer) Explain(p string) (e Explanation, err error) {
	e.Path = p
	r := x.rootOf(p)
	if r == nil {
		e.Reason = "outside every root: " + strings.Join(x.Roots(), ", ")
		return e, nil
	}
	e.Root, e.Verified = r.path, r.record().Names
	if rule, no := x.rules.Load().Below(r.path, p); no {
		e.Reason = "excluded: " + rule
		return e, nil
	}
	where := x.places.Load()
	if at, m, ok := where.barrier(p, r.path); ok {
		e.Reason, e.SameAs = fmt.Sprintf("below %s: %s", at, m.rule), m.same
		if at == p {
			e.Reason = m.rule
		}
		return e, nil
	}
	defer func() { e.Watched = e.Offline == "" && x.src != nil && x.src.Watched(e.Dir) }()
	err = x.st.View(func(sn *store.Snap) error {
		e.Dir = path.Dir(p)
		if p == r.path {
			e.Dir = p
		}
		key, _, err := where.key(e.Dir)
		if err != nil {
			return err
		}
		if at, ok := sn.Locate(e.Dir); ok && at.Volume() != key.Volume() {
			if p == r.path {
				e.Indexed, e.Type = true, listing.Dir
				return explainAway(sn, &e, at)
			}
			return explainOffline(sn, &e, at)
		}
		rec, ok, err := sn.Record(key)
		if err != nil {
			return err
		}
		if !ok {
			return x.explainUnlisted(sn, &e, key, r)
		}
		h := rec.Header()
		e.Listed = h.Listed
		if h.Errno != 0 {
			e.Err = syscall.Errno(h.Errno).Error()
		}
		if e.Pending = sn.IsPending(key); p == r.path {
			e.Indexed, e.Type, e.Entries = true, listing.Dir, h.Agg.Count
			return nil
		}
		entry, ok, err := x.entry(sn, p)
		if ok {
			e.Indexed, e.Type = true, entry.Type()
			return explainDir(sn, where, &e)
		} else if e.Reason = fmt.Sprintf("%s had no such name when it was listed", e.Dir); e.Err != "" {
			e.Reason = fmt.Sprintf("%s cannot be read: %s", e.Dir, e.Err)
		}
		return err
	})
	return e, err
}

// explainOffline is for a path in a directory that answers look for at key, on a file
// system that is not mounted; what is in the directory that it was mounted on they do
// not show.
func explainOffline(sn *store.Snap, e *Explanation, key record.Key) error {
	v, _, err := sn.Volume(key.Volume())
	if err != nil {
		return err
	}
	e.Offline = v.MountPoint
	entry, ok, err := lookup(sn, key, path.Base(e.Path))
	if ok {
		e.Indexed, e.Type = true, entry.Type()
		if rec, ok, err := sn.Record(key.Child(path.Base(e.Path))); err == nil && ok && e.Type == listing.Dir {
			e.Entries = rec.Header().Agg.Count
		}
	} else {
		e.Reason = fmt.Sprintf("the file system of %s is not mounted, and had no such name when it was", e.Offline)
	}
	if rec, ok, err := sn.Record(key); err == nil && ok {
		e.Listed = rec.Header().Listed
	}
	return err
}

// explainAway is for the directory that a file system was mounted on which is not now:
// answers have what was in that, whose root is at key.
func explainAway(sn *store.Snap, e *Explanation, key record.Key) error {
	e.Dir, e.Offline, e.Pending, e.Err, e.Entries, e.Listed = e.Path, e.Path, false, "", 0, time.Time{}
	rec, ok, err := sn.Record(key)
	if err == nil && ok {
		e.Entries, e.Listed = rec.Header().Agg.Count, rec.Header().Listed
	}
	return err
}

// explainDir adds what is known of a directory that is not a root: its own
// listing, not that which names it.
func explainDir(sn *store.Snap, where *places, e *Explanation) error {
	if e.Type != listing.Dir {
		return nil
	}
	key, _, err := where.key(e.Path)
	if err != nil {
		return err
	}
	if at, ok := sn.Locate(e.Path); ok && at.Volume() != key.Volume() {
		return explainAway(sn, e, at)
	}
	e.Pending = e.Pending || sn.IsPending(key)
	rec, ok, err := sn.Record(key)
	if err != nil || !ok {
		return err
	}
	h := rec.Header()
	e.Dir, e.Entries, e.Listed, e.Err = e.Path, h.Agg.Count, h.Listed, ""
	if h.Errno != 0 {
		e.Err = syscall.Errno(h.Errno).Error()
	}
	return nil
}

// explainUnlisted says why e.Dir has no listing: it is pending, or the nearest
// directory above it that has one does not know of it.
func (x *Indexer) explainUnlisted(sn *store.Snap, e *Explanation, key record.Key, r *root) error {
	if sn.IsPending(key) {
		e.Pending, e.Reason = true, e.Dir+" waits to be listed"
		return nil
	}
	for dir := e.Dir; dir != r.path; {
		parent := path.Dir(dir)
		k, _, err := x.places.Load().key(parent)
		if err != nil {
			return err
		}
		if rec, ok, err := sn.Record(k); err != nil {
			return err
		} else if ok {
			if no := rec.Header().Errno; no != 0 {
				e.Reason = fmt.Sprintf("%s cannot be read: %s", parent, syscall.Errno(no))
			} else {
				e.Reason = fmt.Sprintf("%s had no directory of that name when it was listed", parent)
			}
			return nil
		}
		dir = parent
	}
	if !r.record().Complete {
		e.Pending, e.Reason = true, "not yet listed: the first index is under way"
		return nil
	}
	return errors.New("neither " + e.Dir + " nor what is above it is in the store")
}
