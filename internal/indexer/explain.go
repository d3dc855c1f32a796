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

// An Explanation says whether and why a path is indexed.
type Explanation struct {
	Path    string
	Indexed bool
	Reason  string // why it is not indexed, in words
	SameAs  string // the path by which its tree is indexed, if it is or lies in another mount of that, see Reason
	Root    string // "" if it lies in none
	Type    listing.Type
	Entries uint64    // of a directory that was listed
	Dir     string    // the directory whose listing shows it; of a directory, itself
	Listed  time.Time // when Dir was listed last with a change; zero: never
	// Verified is when all of Root was compared last: the names in Dir were right then.
	Verified time.Time
	Err      string // why Dir could not be read at the last attempt
	Pending  bool   // Dir is to be listed
	Watched  bool   // changes of Dir are known as they happen
	// Offline is the mount point of Path's file system if that is not mounted. Answers show
	// its last known state.
	Offline string
}

// Explain says whether a path is indexed, and if not by which rule.
func (w *watches) Explain(p string) (e Explanation, err error) {
	e.Path = p
	r := w.rootOf(p)
	if r == nil {
		e.Reason = "outside every root: " + strings.Join(w.Roots(), ", ")
		return e, nil
	}
	e.Root, e.Verified = r.path, r.record().Names
	if rule, excluded := w.rules.Load().Below(r.path, p); excluded {
		e.Reason = "excluded: " + rule
		return e, nil
	}
	m := w.mounts.Load()
	if at, mount, ok := m.barrier(p, r.path); ok {
		e.Reason, e.SameAs = fmt.Sprintf("below %s: %s", at, mount.rule), mount.same
		if at == p {
			e.Reason = mount.rule
		}
		return e, nil
	}
	err = w.st.View(func(sn *store.Snap) error {
		x := explainer{sn, m, r, &e}
		return x.explain()
	})
	e.Watched = e.Offline == "" && w.src != nil && w.src.Watched(e.Dir)
	return e, err
}

// An explainer explains a path that no rule or mount excludes, in a snapshot.
type explainer struct {
	sn *store.Snap
	m  *mountMap
	r  *root
	*Explanation
}

func (e *explainer) explain() error {
	e.Dir = path.Dir(e.Path)
	if e.Path == e.r.path {
		e.Dir = e.Path
	}
	key, _, err := e.m.key(e.Dir)
	if err != nil {
		return err
	}
	if at, ok := e.sn.Locate(e.Dir); ok && at.Volume() != key.Volume() {
		if e.Path == e.r.path {
			e.Indexed, e.Type = true, listing.Dir
			return e.explainAway(at)
		}
		return e.explainOffline(at)
	}
	rec, ok, err := e.sn.Record(key)
	if err != nil {
		return err
	}
	if !ok {
		return e.explainUnlisted(key)
	}
	h := rec.Header()
	e.Listed, e.Err, e.Pending = h.Listed, errnoText(h.Errno), e.sn.IsPending(key)
	if e.Path == e.r.path {
		e.Indexed, e.Type, e.Entries = true, listing.Dir, h.Agg.Count
		return nil
	}
	entry, ok, err := lookup(e.sn, key, path.Base(e.Path))
	switch {
	case ok:
		e.Indexed, e.Type = true, entry.Type()
		return e.explainDir()
	case e.Err != "":
		e.Reason = fmt.Sprintf("%s cannot be read: %s", e.Dir, e.Err)
	default:
		e.Reason = fmt.Sprintf("%s had no such name when it was listed", e.Dir)
	}
	return err
}

func errnoText(errno uint16) string {
	if errno == 0 {
		return ""
	}
	return syscall.Errno(errno).Error()
}

// explainOffline explains a path in a directory, with the key at, of a file system that is
// not mounted. Answers do not show the entries of the directory under the mount point.
func (e *explainer) explainOffline(at record.Key) error {
	v, _, err := e.sn.Volume(at.Volume())
	if err != nil {
		return err
	}
	e.Offline = v.MountPoint
	name := path.Base(e.Path)
	entry, ok, err := lookup(e.sn, at, name)
	if ok {
		e.Indexed, e.Type = true, entry.Type()
		if rec, ok, err := e.sn.Record(at.Child(name)); err == nil && ok && e.Type == listing.Dir {
			e.Entries = rec.Header().Agg.Count
		}
	} else {
		e.Reason = fmt.Sprintf("the file system of %s is not mounted, and had no such name when it was", e.Offline)
	}
	if rec, ok, err := e.sn.Record(at); err == nil && ok {
		e.Listed = rec.Header().Listed
	}
	return err
}

// explainAway explains the mount point of a file system that is not mounted, whose root has
// the key at. Answers show the last known entries of that root.
func (e *explainer) explainAway(at record.Key) error {
	e.Dir, e.Offline, e.Pending, e.Err, e.Entries, e.Listed = e.Path, e.Path, false, "", 0, time.Time{}
	rec, ok, err := e.sn.Record(at)
	if err == nil && ok {
		e.Entries, e.Listed = rec.Header().Agg.Count, rec.Header().Listed
	}
	return err
}

// explainDir adds what the listing of a directory that is not a root says about it.
func (e *explainer) explainDir() error {
	if e.Type != listing.Dir {
		return nil
	}
	key, _, err := e.m.key(e.Path)
	if err != nil {
		return err
	}
	if at, ok := e.sn.Locate(e.Path); ok && at.Volume() != key.Volume() {
		return e.explainAway(at)
	}
	e.Pending = e.Pending || e.sn.IsPending(key)
	rec, ok, err := e.sn.Record(key)
	if err != nil || !ok {
		return err
	}
	h := rec.Header()
	e.Dir, e.Entries, e.Listed, e.Err = e.Path, h.Agg.Count, h.Listed, errnoText(h.Errno)
	return nil
}

// explainUnlisted says why e.Dir has no listing: it is pending, or the nearest directory
// above it that has a listing does not have it.
func (e *explainer) explainUnlisted(key record.Key) error {
	if e.sn.IsPending(key) {
		e.Pending, e.Reason = true, e.Dir+" waits to be listed"
		return nil
	}
	for dir := e.Dir; dir != e.r.path; {
		dir = path.Dir(dir)
		k, _, err := e.m.key(dir)
		if err != nil {
			return err
		}
		rec, ok, err := e.sn.Record(k)
		switch {
		case err != nil:
			return err
		case ok && rec.Header().Errno != 0:
			e.Reason = fmt.Sprintf("%s cannot be read: %s", dir, errnoText(rec.Header().Errno))
			return nil
		case ok:
			e.Reason = fmt.Sprintf("%s had no directory of that name when it was listed", dir)
			return nil
		}
	}
	if !e.r.record().Complete {
		e.Pending, e.Reason = true, "not yet listed: the first index is under way"
		return nil
	}
	return errors.New("neither " + e.Dir + " nor what is above it is in the store")
}
