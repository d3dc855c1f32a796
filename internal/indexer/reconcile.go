package indexer

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"indexd/listing"
	"indexd/store"
	"indexd/walker"
)

// reconcilePage is how many directories are read from the store at once.
const reconcilePage = 1024

// reconcile finds out what changed in a root while nobody looked: a directory
// whose mtime and ctime are those of its last full listing has the same names
// as then, every other one is listed again. This says nothing of the sizes and
// times of files; verifying does. Called on Run's goroutine.
func (x *Indexer) reconcile(r *root) {
	x.look(r, Reconcile, func(begun time.Time) error {
		changed, err := x.namesPass(r, walker.Resume, nil)
		if err == nil {
			x.log.Info("looked for changes since the last run", "root", r.path, "changed", changed,
				"took", time.Since(begun).Round(time.Millisecond))
			x.saveRoot(r, func(rec *rootRecord) { rec.Names = begun })
		}
		return err
	})
}

// look has pass look at a whole root, on a goroutine of its own, unless
// something is being done for it already. Who waits for the indexer to be idle waits for a
// reconcile, and for no other kind.
func (x *Indexer) look(r *root, kind Kind, pass func(begun time.Time) error) {
	if !x.begins(r, kind) {
		return
	}
	if kind == Reconcile {
		x.active.add(1)
	}
	x.goes.Go(func() {
		if kind == Reconcile {
			defer x.active.add(-1)
		}
		err := pass(time.Now())
		r.mu.Lock()
		r.busy = ""
		r.mu.Unlock()
		if err != nil && x.running.Err() == nil {
			x.log.Error("cannot look for changes", "root", r.path, "err", err)
		}
	})
}

// namesPass has each directory listed that changed, and returns when all of
// them are committed. It rests between pages where a pace is given.
func (x *Indexer) namesPass(r *root, priority walker.Priority, p *pace) (changed int, err error) {
	again := newCrew(x, priority, crewSize)
	err = x.eachPage(r, func(page []suspect) error {
		begun := time.Now()
		var dirty []int
		stat := func() error {
			for i := range page {
				if page[i].changed() {
					dirty = append(dirty, i)
				}
			}
			return nil
		}
		if p == nil {
			_ = stat()
		} else {
			_ = walker.Idly(stat)
		}
		changed += len(dirty)
		for _, i := range dirty {
			if err := again.list(x.running, page[i].dir); err != nil {
				return err
			}
		}
		if p == nil {
			return nil
		}
		return p.rest(x.running, time.Since(begun))
	})
	return changed, errors.Join(err, again.wait(x.running))
}

// eachPage gives do the directories of a root, in the order of keys, a page at
// a time, until one returns an error.
func (x *Indexer) eachPage(r *root, do func([]suspect) error) error {
	var ranges []store.Segment
	err := x.st.View(func(sn *store.Snap) (err error) {
		ranges, err = sn.Segments(r.path)
		return err
	})
	for _, seg := range ranges {
		for from := seg.Lo; from != nil && err == nil; {
			var page []suspect
			err = x.st.View(func(sn *store.Snap) error {
				page, from = suspects(sn, x.places.Load(), from, seg.Hi)
				return nil
			})
			if err == nil {
				err = do(page)
			}
			if x.running.Err() != nil {
				return context.Cause(x.running)
			}
		}
	}
	return err
}

// suspects reads up to a page of directories in [from, hi) and says where to go
// on, nil at the end. A damaged record is passed over: it is found by the check.
func suspects(sn *store.Snap, where *places, from, hi store.Key) (page []suspect, next store.Key) {
	c := sn.Cursor(from, hi)
	for c.Next() {
		if len(page) == reconcilePage {
			return page, slices.Clone(c.Dir())
		}
		if _, chunk := c.Chunk(); chunk {
			continue
		}
		if dir, ok := where.pathOf(c.Dir()); ok {
			h := c.Record().Header()
			page = append(page, suspect{dir, h.Dir, h.TrustTimes})
		}
	}
	return page, nil
}

// A suspect is a directory as the store has it.
type suspect struct {
	dir   string
	stat  listing.Stat
	trust bool
}

// changed reports whether the directory may hold other names than are stored.
func (s *suspect) changed() bool {
	if !s.trust {
		return true
	}
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, s.dir, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT,
		unix.STATX_TYPE|unix.STATX_INO|unix.STATX_MTIME|unix.STATX_CTIME, &st)
	if err != nil {
		// A path too long for one call is no news of the directory.
		return true
	}
	return st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Ino != s.stat.Ino ||
		timeOf(st.Mtime) != s.stat.Mtime || timeOf(st.Ctime) != s.stat.Ctime
}

func timeOf(t unix.StatxTimestamp) listing.Time { return listing.Time{Sec: t.Sec, Nsec: t.Nsec} }
