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
// times of files; the next sweep looks at those.
func (x *Indexer) reconcile(r *root) {
	r.mu.Lock()
	if r.busy != "" {
		r.mu.Unlock()
		return
	}
	r.busy = Reconcile
	r.mu.Unlock()
	x.active.add(1)
	x.goes.Go(func() {
		defer x.active.add(-1)
		begun := time.Now()
		dirty, err := x.namesPass(r)
		r.mu.Lock()
		r.busy = ""
		r.mu.Unlock()
		if x.running.Err() != nil {
			return // stopping
		}
		if err != nil {
			x.log.Error("cannot look for changes since the last run", "root", r.path, "err", err)
			return
		}
		x.log.Info("looked for changes since the last run", "root", r.path, "changed", dirty,
			"took", time.Since(begun).Round(time.Millisecond))
		x.saveRoot(r, func(rec *rootRecord) { rec.Names = begun })
	})
}

// namesPass has each directory listed that changed, and returns when all of
// them are committed.
func (x *Indexer) namesPass(r *root) (changed int, err error) {
	var ranges []store.Segment
	err = x.st.View(func(sn *store.Snap) (err error) {
		ranges, err = sn.Segments(r.path)
		return err
	})
	again := newCrew(x, walker.Resume)
	for _, seg := range ranges {
		for from := seg.Lo; from != nil && err == nil; {
			var page []suspect
			err = x.st.View(func(sn *store.Snap) error {
				page, from = suspects(sn, x.places.Load(), from, seg.Hi)
				return nil
			})
			for i := range page {
				if err == nil && page[i].changed() {
					changed++
					err = again.list(x.running, page[i].dir)
				}
			}
			if x.running.Err() != nil {
				return changed, context.Cause(x.running)
			}
		}
	}
	return changed, errors.Join(err, again.wait(x.running))
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

// sweep starts what is due and returns how long until something is again.
func (x *Indexer) sweep() time.Duration {
	const longest = time.Hour
	if x.cfg.SweepInterval <= 0 {
		return longest
	}
	next := min(x.cfg.SweepInterval, longest)
	for _, r := range x.allRoots() {
		rec := r.record()
		if !rec.Complete {
			continue
		}
		if due := time.Until(rec.Metadata.Add(x.cfg.SweepInterval)); due > 0 {
			next = min(next, due)
			continue
		}
		x.relist(r, Sweep, walker.Sweep)
	}
	return max(next, time.Second)
}
