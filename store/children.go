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

// children does what follows from a listing, or a part of it, for the
// directories in it: those that are gone die, those that are new or another
// become pending. There is no mark and sweep over all: an inode, or the birth
// time where an inode was used again, that is another than the child's own
// record has, is another directory, however the name came to it. Where no birth
// time is kept, an inode that was used again shows in the ctime alone, as every
// change does: such a child is listed again.
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
	var all *Pending // what every child is marked with
	if m := t.pending.get(w.key); m != nil && m.Stamp < w.stamp {
		jobs = m.Jobs
		if m.Subtree {
			all = &Pending{Subtree: true, Jobs: m.Jobs, Stamp: m.Stamp}
		}
	}
	fresh := &Pending{Subtree: true, Jobs: jobs, Stamp: w.stamp}
	records := w.old.alive || !w.blank && t.anyFrom(w.key.ChunksEnd(), w.key)
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
			// It outlived the record that named it, whose doc was another.
			t.docs.set(st.rec.Header().Doc, docEnt{docChild, w.id, strings.Clone(c.Name)})
		}
		// What was listed of it while nothing named it came to nothing.
		missed := st.alive && w.lost
		switch {
		case !st.alive:
			if t.pending.get(key) == nil { // else it is known to be new
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
			w.again(false) // for what the child is like now
		case c.Btime.IsZero() || st.rec.Header().Dir.Btime.IsZero() || c.Ctime.Compare(st.rec.Header().Dir.Ctime) < 0:
			// It may be another; or it was stamped before the listing and opened after
			// that looked at it, so that its own listing says what is true here too.
			w.Relist = append(w.Relist, strings.Clone(c.Name))
			t.pending.add(key, Pending{Jobs: jobs, Stamp: w.stamp})
		}
		if all != nil {
			t.pending.addShared(key, all)
		}
	}
	return nil
}

// another reports whether the child in a listing is another directory than the
// one of the record. What is not known tells nothing.
func another(c *record.Child, h *record.Header) bool {
	return c.Ino != h.Dir.Ino && c.Ino != 0 && h.Dir.Ino != 0 ||
		c.Btime != h.Dir.Btime && !c.Btime.IsZero() && !h.Dir.Btime.IsZero()
}

// dropChild makes a child die that the listing does not have, unless its record
// is newer than the listing.
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

// dropUnnamed makes all die that is recorded below the directory under a child
// that is not among dirs, which are sorted. It is for when the difference does
// not tell, since the listing before is not known or a child outlived it.
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

// anyFrom reports whether there is anything in listings, dead or alive, from a
// key on to the end of dir's subtree.
func (t *Tx) anyFrom(from, dir record.Key) bool {
	k, _ := t.b.listings.Cursor().Seek(from)
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
