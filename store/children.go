package store

import (
	"bytes"
	"slices"
	"strings"
	"syscall"

	"indexd/listing"
	"indexd/store/record"
)

const errTooLong = uint16(syscall.ENAMETOOLONG)

// children does what follows from a listing, or a part of it, for the directories in it: those
// that are gone get tombstones, and those that are new become pending. It does not visit the
// others. If a child's inode, or its birth time if the inode was reused, differs from that in
// the child's own record, it is another directory, however it got the name. Without birth times
// a reused inode shows only in the ctime, as any change does; such a child is listed again.
func (w *work) children(now []record.Child) error {
	t := w.t
	for _, name := range w.gone {
		if err := w.dropChild(name); err != nil {
			return err
		}
	}
	if len(now) == 0 {
		return nil
	}
	var jobs []uint64
	var all *Pending // the mark of every child
	if m := t.pending.get(w.key); m != nil && m.Stamp < w.stamp {
		jobs = m.Jobs
		if m.Subtree {
			all = &Pending{Subtree: true, Jobs: m.Jobs, Stamp: m.Stamp}
		}
	}
	fresh := &Pending{Subtree: true, Jobs: jobs, Stamp: w.stamp}
	records := w.old.alive || !w.blank && t.snap.anyFrom(w.key.ChunksEnd(), w.key)
	stops := t.boundaries.anyBelow(w.key) || slices.ContainsFunc(now, func(c record.Child) bool { return !c.Descend })
	key := make(record.Key, 0, len(w.key)+1+255)
	for i := range now {
		c := &now[i]
		key = w.key.AppendChild(key[:0], c.Name)
		if key.Valid() != nil {
			w.TooLong++
			continue
		}
		if stops {
			if err := t.boundaries.set(key, !c.Descend); err != nil {
				return err
			}
		}
		if !c.Descend {
			if t.pending.get(key) != nil {
				t.pending.set(key, nil)
			}
			continue
		}
		var st stored
		if records {
			st = t.stored(key)
		}
		if st.alive && !w.old.alive {
			// It survived the record that named it, which had another doc.
			t.docs.set(st.rec.Header().Doc, docEnt{docChild, w.id, strings.Clone(c.Name)})
		}
		// Listings of it were dropped while nothing named it.
		missed := st.alive && w.lost
		switch {
		case !st.alive:
			if t.pending.get(key) == nil { // otherwise it was reported as new before
				w.NewDirs = append(w.NewDirs, strings.Clone(c.Name))
			}
			t.pending.addShared(key, fresh)
		case another(c, st.rec.Header()):
			if st.rec.Header().Stamp > w.stamp || t.s.seen.since(key, w.stamp) {
				w.again(false)
				break
			}
			w.DroppedDirs = append(w.DroppedDirs, strings.Clone(c.Name))
			w.NewDirs = append(w.NewDirs, strings.Clone(c.Name))
			if err := t.drop(bytes.Clone(key), w.stamp); err != nil {
				return err
			}
			t.pending.addShared(key, fresh)
		case missed:
			w.Relist = append(w.Relist, strings.Clone(c.Name))
			t.pending.add(key, Pending{Jobs: jobs, Stamp: w.stamp})
		case c.Ctime == st.rec.Header().Dir.Ctime || c.Ctime.IsZero():
		case st.rec.Header().Stamp > w.stamp || t.s.seen.since(key, w.stamp):
			w.again(false) // to update the child's entry
		case c.Btime.IsZero() || st.rec.Header().Dir.Btime.IsZero() || c.Ctime.Compare(st.rec.Header().Dir.Ctime) < 0:
			// It may be another directory. Or its own listing was stamped before this one but
			// opened after this one saw it, and is right.
			w.Relist = append(w.Relist, strings.Clone(c.Name))
			t.pending.add(key, Pending{Jobs: jobs, Stamp: w.stamp})
		}
		if all != nil {
			t.pending.addShared(key, all)
		}
	}
	return nil
}

// another reports whether the child in a listing is another directory than that of the record.
// Unknown values do not count.
func another(c *record.Child, h *record.Header) bool {
	return c.Ino != h.Dir.Ino && c.Ino != 0 && h.Dir.Ino != 0 ||
		c.Btime != h.Dir.Btime && !c.Btime.IsZero() && !h.Dir.Btime.IsZero()
}

// dropChild drops a child that the listing does not have, unless its record is newer than the
// listing.
func (w *work) dropChild(name string) error {
	t, key := w.t, w.key.Child(name)
	if key.Valid() != nil {
		return nil
	}
	if st := t.stored(key); st.alive && st.rec.Header().Stamp > w.stamp || t.s.seen.since(key, w.stamp) {
		w.again(true)
		return nil
	}
	w.DroppedDirs = append(w.DroppedDirs, strings.Clone(name))
	return t.drop(key, w.stamp)
}

// dropUnnamed drops all recorded children that are not among dirs, which are sorted. It is
// needed when the previous listing is not known or a child survived it.
func (w *work) dropUnnamed(dirs []string) error {
	t := w.t
	var gone []string
	c := t.snap.Cursor(w.key.ChunksEnd(), w.key.SubtreeEnd())
	for c.Next() && c.Dir().Within(w.key) {
		name, _, _ := strings.Cut(string(c.Dir()[len(w.key)+1:]), "\x00")
		if _, ok := slices.BinarySearch(dirs, name); !ok {
			gone = append(gone, name)
		}
		c.Seek(w.key.Child(name).SubtreeEnd())
	}
	for _, name := range gone {
		if err := w.dropChild(name); err != nil {
			return err
		}
	}
	return nil
}

// anyFrom reports whether there is any record, gone or not, from a key on to the end of dir's
// subtree.
func (sn *Snap) anyFrom(from, dir record.Key) bool {
	k, _ := sn.b.listings.Cursor().Seek(from)
	return k != nil && bytes.Compare(k, dir.SubtreeEnd()) < 0
}

func childNames(now []record.Child) []string {
	names := make([]string, len(now))
	for i := range now {
		names[i] = now[i].Name
	}
	return names
}

func parentOf(doc uint64, now []record.Child) parentInfo {
	p := parentInfo{doc: doc, dirs: childNames(now), ctimes: make([]listing.Time, len(now))}
	for i := range now {
		p.ctimes[i] = now[i].Ctime
	}
	return p
}
