package store

import (
	"strings"
	"syscall"
	"time"

	"indexd/listing"
	"indexd/store/record"
)

// ApplyName makes one name of a directory equal to what a stat of it found, or removes it if e
// is nil. It ignores e.Name. The directory must have a record; otherwise ParentMissing is set,
// and Again says what became pending. Afterwards the directory's times are no longer trusted,
// because other names may have changed too. descend says whether a directory is to be listed
// itself. Errors are as for Apply.
func (t *Tx) ApplyName(dir record.Key, stamp uint64, name string, e *listing.Entry, descend bool) (Applied, error) {
	if err := dir.Valid(); err != nil {
		return Applied{}, err
	}
	w := work{t: t, key: dir, stamp: stamp}
	err := t.do(func() error {
		if !w.begin() {
			return nil
		}
		if !w.old.alive {
			w.ParentMissing = true
			w.Again = dir
			t.pending.add(dir, Pending{Stamp: stamp})
			return nil
		}
		t.s.parents.forget(dir)
		if e != nil {
			n := *e
			n.Name, n.Ctime, n.Btime = name, listing.Time{}, listing.Time{}
			if err := w.edit(name, &n, nil, false); err != nil || n.Type() != listing.Dir {
				return err
			}
			c := record.Child{Name: name, Ino: e.Ino, Btime: e.Btime, Ctime: e.Ctime, Descend: descend}
			return w.children([]record.Child{c})
		}
		return w.edit(name, nil, nil, false)
	})
	return w.Applied, err
}

// updateParent copies the directory's own stat into its entry in the parent's listing, if that
// is older: names that come and go in a directory change its times, and no event of the parent
// reports that. It runs even if the listing is unchanged, because a concurrent listing of the
// parent may have stored an older stat. It does not change the parent's stamp and trusted
// times, since no name of the parent changed.
func (w *work) updateParent(dir *listing.Stat) error {
	t := w.t
	key, name, ok := w.key.Parent()
	if !ok || w.doc.kind != docChild {
		return nil
	}
	cached := t.s.parents.get(key)
	if cached != nil && !dir.Ctime.IsZero() && cached.ctime(name) == dir.Ctime {
		return nil // the entry is up to date
	}
	up := work{t: t, key: key, old: t.stored(key)}
	if up.old.alive {
		up.was = *up.old.rec.Header()
	}
	up.stamp = up.was.Stamp
	if up.doc, ok = t.naming(key); !ok || !up.old.alive {
		return nil
	}
	// The parent may also be newer because of another name.
	newer := up.stamp > w.stamp || t.s.seen.since(key, w.stamp)
	e := listing.Entry{Name: name, Stat: *dir}
	e.Ctime, e.Btime = listing.Time{}, listing.Time{}
	if cached != nil {
		cached.setCtime(name, listing.Time{})
	}
	return up.edit(name, &e, func(was *listing.Entry) bool {
		return was.Type() == listing.Dir && (!newer || e.Mtime.Compare(was.Mtime) > 0)
	}, up.was.TrustTimes)
}

// edit makes one name of the stored listing equal to e, or removes it if e is nil. only, unless
// it is nil, must agree to what is stored, which is a zero Entry if there is nothing. trust
// says whether the directory's times are trusted afterwards.
func (w *work) edit(name string, e *listing.Entry, only func(was *listing.Entry) bool, trust bool) error {
	t, h := w.t, w.was
	ch := storedChunk{rec: w.old.rec}
	if h.Chunked {
		raw, val := t.snap.seekChunk(t.b.listings.Cursor(), w.key, name)
		if raw == nil {
			ch.rec = record.Record{}
		} else {
			_, first, _ := record.SplitChunk(raw)
			ch = storedChunk{key: append([]byte(nil), raw...), first: first}
			if ch.rec.Decode(raw, val) != nil {
				return t.s.corrupt(bucketListings, raw)
			}
		}
	}
	if ch.rec.Load() != nil {
		w.again(false) // the other entries are lost
		return nil
	}
	var was listing.Entry
	i, there := ch.rec.Find(name)
	if there {
		ch.rec.Entry(i, &was)
	}
	switch {
	case only != nil && !only(&was):
	case there && e == nil:
		w.Removed++
	case there && was != *e:
		w.modified(e)
	case !there && e != nil:
		w.Added++
	}
	w.Entries = int(h.Agg.Count) + w.Added - w.Removed
	if w.Added+w.Removed+w.Modified == 0 {
		return nil
	}
	all := make([]listing.Entry, 0, ch.rec.Len()+1)
	for j := range ch.rec.Len() {
		var o listing.Entry
		ch.rec.Entry(j, &o)
		if j == i && e != nil {
			all = append(all, *e)
		}
		if j != i || !there {
			all = append(all, o)
		}
	}
	if i == ch.rec.Len() && e != nil {
		all = append(all, *e)
	}
	if there && was.Type() == listing.Dir && (e == nil || e.Type() != listing.Dir) {
		w.gone = []string{strings.Clone(name)}
		if err := w.children(nil); err != nil {
			return err
		}
	}
	w.Changed = true
	h.Stamp, h.TrustTimes = w.stamp, trust
	if !h.Chunked && len(all) <= record.MaxSingle {
		body := record.EncodeBody(all)
		return t.putDir(w.key, &w.old, &h, &body, w.doc)
	}
	cw := chunkWriter{work: w, dir: h.Doc, agg: &h.Agg}
	full := h.Agg.Saturated()
	if h.Chunked && ch.key != nil {
		cw.at = &ch
	} else if !h.Chunked {
		h.Chunked, h.Agg = true, record.Aggregates{}
	}
	for j := range all {
		cw.add(&all[j])
	}
	if len(cw.buf) > 0 {
		cw.flush(len(cw.buf))
	}
	if cw.at != nil {
		cw.remove(cw.at)
	}
	if cw.err != nil {
		return cw.err
	}
	if full {
		h.Agg = sumOf(t.chunks(w.key, "", ""))
	}
	return t.putDir(w.key, &w.old, &h, nil, w.doc)
}

// modified counts an entry that was changed to e.
func (w *work) modified(e *listing.Entry) {
	w.Modified++
	if e.Type() != listing.Dir {
		w.ModifiedFiles++
	}
}

// SetError records that a directory could not be read, why and when. Its entries stay; its mark
// is removed. If it failed for the same reason before, nothing is written, so the time is that
// of the first failure.
//
// ENOENT, ENOTDIR and ELOOP say that the directory is gone, or that something above it was
// replaced for a moment. The listing of its parent must decide that, so the parent becomes
// pending. A root is left to the caller, who may Drop it.
//
// In Applied, it sets Stale, ParentMissing, Again, Changed and Entries; Again is the parent if
// that became pending. Errors are as for Apply.
func (t *Tx) SetError(key record.Key, stamp uint64, errno uint16, at time.Time) (Applied, error) {
	if err := key.Valid(); err != nil {
		return Applied{}, err
	}
	w := work{t: t, key: key, stamp: stamp}
	err := t.do(func() error {
		if !w.begin() {
			return nil
		}
		if err := w.clear(); err != nil {
			return err
		}
		t.parts.set(key, nil)
		defer w.settle()
		w.Entries = int(w.was.Agg.Count)
		if w.old.alive && w.was.Errno == errno {
			t.s.seen.put(key, stamp)
			return nil
		}
		w.Changed = true
		h, body := w.was, record.Body{}
		h.Stamp, h.Errno, h.ErrAt, h.InProgress = stamp, errno, at, false
		if w.old.alive {
			body = w.old.rec.Body()
		}
		if err := t.putDir(key, &w.old, &h, &body, w.doc); err != nil {
			return err
		}
		if e := syscall.Errno(errno); w.doc.kind == docChild && (e == syscall.ENOENT || e == syscall.ENOTDIR || e == syscall.ELOOP) {
			defer func() { w.Again = t.markAbove(key) }()
		}
		return nil
	})
	return w.Applied, err
}
