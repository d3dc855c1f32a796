package store

import (
	"time"

	"indexd/store/record"
)

// Applied describes what an Apply did. Its strings belong to the caller.
type Applied struct {
	// Stale says that nothing was done: the listing is older than what is stored, or than what
	// is known to be gone, or it is a part of a listing that was overtaken.
	Stale bool
	// ParentMissing says that nothing was done: no record of the parent names the directory,
	// and it is not a root.
	ParentMissing bool
	// Again is a directory that was made pending because what is known of it is out of date:
	// the nearest known one above if ParentMissing, the directory itself if the record of a
	// child is newer than the listing and contradicts it. It may be nil.
	Again record.Key

	// Changed says that something was written.
	Changed bool
	// Added, Removed and Modified count entries. ModifiedFiles counts the modified entries that
	// are not directories, whose times change with their contents.
	Added, Removed, Modified, ModifiedFiles int
	// NewDirs are the children that are new, or another directory than before under the same
	// name. They were made pending with their subtrees.
	NewDirs []string
	// Relist are the children that may be another directory than before. They were made pending
	// without their subtrees.
	Relist []string
	// DroppedDirs are the children whose subtrees were removed: they are gone, replaced, or no
	// longer directories.
	DroppedDirs []string
	// TooLong counts the children whose keys would be too long. They are not pending, and the
	// record has the errno ENAMETOOLONG.
	TooLong int
	// Entries is the number of entries that the directory now has.
	Entries int
}

// Apply makes the stored listing of a directory equal to one that was found, or, for a large
// listing, to a part of it. It also does what follows from that: children that are new become
// pending, subtrees that are gone get tombstones, and the directory's own mark is removed,
// after its children were marked if it asked for the subtree.
//
// A listing is stamped when its directory is opened. At most one listing of a directory should
// be in flight; one that arrives after a newer one is Stale. All parts of a large listing are
// applied by one Store, in order, in any number of transactions.
//
// Nothing is written if the listing equals what is stored. ErrKeyTooLong is returned and leaves
// t usable; any other error ends t.
func (t *Tx) Apply(key record.Key, p *record.EncodedListing) (Applied, error) {
	if err := key.Valid(); err != nil {
		return Applied{}, err
	}
	w := &t.work // reused: it is large, and there is a listing every few microseconds
	*w = work{t: t, key: key, stamp: p.Stamp}
	err := t.do(func() error {
		if !w.begin() {
			return nil
		}
		if err := w.clear(); err != nil {
			return err
		}
		if p.First && p.Last && len(p.Chunks) == 1 && (p.Chunks[0].Agg().Count < minChunked || !w.was.Chunked) {
			return w.whole(p)
		}
		return w.part(p)
	})
	return w.Applied, err
}

// work is one change to one directory's listing.
type work struct {
	Applied
	t     *Tx
	key   record.Key
	stamp uint64
	doc   docEnt
	id    uint64 // the directory's doc id, once taken
	blank bool   // there are no records at or below the key, as in a first load
	old   stored
	was   record.Header // of old where it is alive
	gone  []string      // names that were directories and no longer are
	lost  bool          // what was stored could not be read, so gone is not all

	partly bool // only some of the children got what the directory's mark asks for
}

// begin reports whether the change may be made at all.
func (w *work) begin() bool {
	t := w.t
	t.SeeStamp(w.stamp)
	if w.blank = !t.snap.anyFrom(w.key, w.key); !w.blank {
		w.old = t.stored(w.key)
	}
	if w.old.alive {
		w.was = *w.old.rec.Header()
	}
	var named bool
	if w.doc, named = t.naming(w.key); !named {
		w.ParentMissing = true
		w.Again = t.markAbove(w.key)
		// Who waits for this waits for that now.
		if m := t.pending.get(w.key); m != nil && m.Stamp < w.stamp {
			if w.Again != nil {
				t.pending.add(w.Again, Pending{Jobs: m.Jobs})
			}
			t.pending.set(w.key, nil)
		}
		return false
	}
	w.Stale = w.was.Stamp > w.stamp || t.s.seen.since(w.key, w.stamp) || t.snap.tombstoned(w.key, w.stamp)
	return !w.Stale
}

// clear deletes what is left of a listing that is gone before a new one takes its place: its
// chunks would come back to life with the record.
func (w *work) clear() error {
	if w.blank || w.old.alive {
		return nil
	}
	for _, ch := range w.t.chunks(w.key, "", "") {
		if err := w.t.deleteRecord(ch.key, &ch.rec); err != nil {
			return err
		}
	}
	return nil
}

// takeDoc sets id to the directory's doc id, or to a new one.
func (w *work) takeDoc() {
	if w.old.there {
		w.id = w.old.rec.Header().Doc
	} else {
		w.id = w.t.docs.add(w.doc)
	}
}

// whole stores a listing in one record, whatever was stored before.
func (w *work) whole(p *record.EncodedListing) error {
	t := w.t
	w.takeDoc()
	body := &p.Chunks[0].Body
	before := w.before()
	same := w.old.alive && !w.was.Chunked && before[0].same(body)
	if w.blank {
		w.Added = int(body.Agg().Count)
	} else if !same {
		in := newEntries{chunks: p.Chunks}
		for i := range before {
			bound := ""
			if i+1 < len(before) {
				bound = before[i+1].first
			}
			w.merge(&before[i], "", "", &in, bound, nil)
			if before[i].key != nil {
				if err := t.deleteRecord(before[i].key, &before[i].rec); err != nil {
					return err
				}
			}
		}
		w.merge(nil, "", "", &in, "", nil)
	}
	if m := t.pending.get(w.key); !w.blank && (w.lost || !w.old.alive || m != nil && m.Unnamed) {
		if err := w.dropUnnamed(childNames(p.Children)); err != nil {
			return err
		}
	}
	if err := w.children(p.Children); err != nil {
		return err
	}
	h := record.Header{Doc: w.id, Stamp: w.stamp, Listed: p.At, Dir: p.Dir, TrustTimes: p.TimesTrusted(), NoACL: p.NoACL}
	w.tooLong(&h, w.TooLong, p.At)
	if same && !w.differs(&h) {
		t.s.seen.put(w.key, w.stamp)
	} else {
		w.Changed = true
		if err := t.putDir(w.key, &w.old, &h, body, w.doc); err != nil {
			return err
		}
	}
	if err := w.updateParent(&p.Dir); err != nil {
		return err
	}
	w.Entries = int(body.Agg().Count)
	if t.s.parents.forget(w.key); len(p.Children) > 0 {
		t.s.parents.put(w.key, parentOf(h.Doc, p.Children))
	}
	t.parts.set(w.key, nil)
	w.settle()
	return nil
}

// before returns what was stored as chunks; a single record is a chunk without a key.
func (w *work) before() []storedChunk {
	switch {
	case w.was.Chunked:
		return w.t.chunks(w.key, "", "")
	case w.old.alive:
		return []storedChunk{{rec: w.old.rec}}
	}
	return nil
}

// tooLong records in h that there are n children whose keys are too long.
func (w *work) tooLong(h *record.Header, n int, at time.Time) {
	h.Errno, h.ErrAt = 0, time.Time{}
	if n > 0 {
		h.Errno, h.ErrAt = errTooLong, at
		if w.was.Errno == errTooLong {
			h.ErrAt = w.was.ErrAt
		}
	}
}

// differs reports whether h says anything about the directory that the stored header does not.
func (w *work) differs(h *record.Header) bool {
	was := &w.was
	return !w.old.alive || was.InProgress || was.Dir != h.Dir || was.Errno != h.Errno || h.TrustTimes && !was.TrustTimes || h.NoACL != was.NoACL
}

// settle removes the directory's mark, unless it was made after the listing began, asks for
// more than was done, or the listing contradicts something newer.
func (w *work) settle() {
	t := w.t
	m := t.pending.get(w.key)
	switch {
	case m == nil:
	case m.Stamp < w.stamp && w.Again == nil && !w.partly:
		t.pending.set(w.key, nil)
	case m.Listing != 0:
		p := *m
		p.Cursor, p.Listing = "", 0
		t.pending.set(w.key, &p)
	}
}

// again makes the directory itself pending, because the record of a child is newer than the
// listing and contradicts it. unnamed says that the listing does not name the child.
func (w *work) again(unnamed bool) {
	w.Again = w.key
	w.t.pending.add(w.key, Pending{Stamp: w.t.state.stamp, Unnamed: unnamed})
}
