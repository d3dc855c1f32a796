package indexer

import (
	"cmp"
	"time"

	"indexd/internal/mounts"
	"indexd/ipc/wire"
	"indexd/store"
	"indexd/store/record"
)

// Status is the state of the index at one moment.
type Status struct {
	Ready    bool  // every root has been listed completely once
	Pending  int64 // directories that wait to be listed
	Workers  int
	Degraded string // what is wrong with the database, such as why nothing can be written now; "": nothing
	// NoRoom is why a compaction of the database is put off, nil if none is.
	NoRoom *store.NoRoomError
	Roots  []RootStatus
	// Progress since the start.
	Listed  Progress
	Running time.Duration
}

// Progress counts what was listed.
type Progress struct{ Dirs, Entries uint64 }

// RootState says how far a root's part of the index can be trusted.
type RootState string

// The states of a root.
const (
	Live        RootState = "live"        // every directory is watched
	Indexing    RootState = "indexing"    // not yet listed completely
	Reconciling RootState = "reconciling" // what changed while nobody looked is being found
	Swept       RootState = "swept"       // listed again on time
	Unwatched   RootState = "unwatched"   // listed again only when asked for
	Degraded    RootState = "degraded"    // what is found cannot be written
	Offline     RootState = "offline"     // gone, or its file system is
)

// RootStatus is one root.
type RootStatus struct {
	Path  string
	State RootState
	store.Counts
	// Names and Metadata: changes made before are in the index. Zero: never
	// listed completely.
	Names, Metadata time.Time
	LiveDirs        uint64 // that are watched
	Unreadable      uint64 // directories, for another reason than that they may not be read
	OfflineDirs     uint64 // directories of file systems that are not mounted
	Reason          string // of Offline and Degraded
}

// Status counts only what is not counted already: with one root a volume it
// costs next to nothing, else a walk over the headers.
func (x *Indexer) Status() (Status, error) {
	s := Status{
		Ready:   x.allComplete(),
		Workers: x.pool.Stats().Workers,
		Listed:  x.Progress(),
		Running: time.Since(x.progress.begun),
	}
	s.Degraded = x.degraded()
	unwritable := x.writer.Failure()
	s.NoRoom = x.compacting.putOff.Load()
	return s, x.st.View(func(sn *store.Snap) error {
		s.Pending = int64(x.st.PendingCount())
		for _, r := range x.allRoots() {
			counts, err := x.count(sn, r)
			if err != nil {
				return err
			}
			rs := RootStatus{Path: r.path, Counts: counts}
			why := unwritable
			if r.short() {
				why = cmp.Or(why, x.backfill.reason())
			}
			rs.State, rs.Reason = x.rootState(r, why)
			if x.src != nil {
				live := uint64(x.src.CountBelow(r.path))
				if mounts.Within(x.cfg.Cookies, r.path) {
					live++ // in which nothing else changes
				}
				rs.LiveDirs = min(live, counts.Dirs)
			}
			if rs.Unreadable, rs.OfflineDirs, err = amiss(sn, r); err != nil {
				return err
			}
			if rs.State == Live && rs.OfflineDirs > 0 {
				rs.State = Swept
			}
			if rec := r.record(); rec.Complete {
				rs.Names, rs.Metadata = rec.Names, rec.Metadata
			}
			s.Roots = append(s.Roots, rs)
		}
		return nil
	})
}

// count sums up what is stored of a root: volumes that lie in it whole are
// counted already, of others the headers are read.
func (x *Indexer) count(sn *store.Snap, r *root) (sum store.Counts, err error) {
	segments, err := sn.Segments(r.path)
	if err != nil {
		return sum, err
	}
	counted := make(map[record.Volume]bool)
	for _, seg := range segments {
		v := seg.Volume
		if mounts.Within(v.MountPoint, r.path) {
			if !counted[v.Volume] {
				counted[v.Volume] = true
				sum.Dirs += v.Counts.Dirs
				sum.Entries += v.Counts.Entries
				sum.Bytes += v.Counts.Bytes
				sum.Blocks += v.Counts.Blocks
			}
			continue
		}
		c := sn.Cursor(seg.Lo, seg.Hi)
		for c.Next() {
			if _, chunk := c.Chunk(); chunk {
				continue
			}
			a := &c.Record().Header().Agg
			sum.Dirs++
			sum.Entries += a.Count
			sum.Bytes += a.Bytes
			sum.Blocks += a.Blocks
		}
	}
	return sum, nil
}

// amiss counts the directories of a root that could not be read, and those that are
// not there to be.
func amiss(sn *store.Snap, r *root) (failed, offline uint64, err error) {
	segments, err := sn.Segments(r.path)
	counted := make(map[record.Volume]bool)
	for _, seg := range segments {
		for range sn.Failed(seg.Lo, seg.Hi) {
			failed++
		}
		if v := seg.Volume; v.Offline && !counted[v.Volume] {
			counted[v.Volume] = true
			offline += v.Counts.Dirs
		}
	}
	return failed, offline, err
}

// Progress since the start; cheap.
func (x *Indexer) Progress() Progress {
	return Progress{x.progress.dirs.Load(), x.progress.entries.Load()}
}

func (x *Indexer) rootState(r *root, degraded string) (RootState, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case degraded != "":
		return Degraded, degraded
	case r.gone != "":
		return Offline, r.gone
	case !r.stored.Complete:
		return Indexing, ""
	case r.busy == reconciling || r.again || x.scrubbing.doubt.Load():
		return Reconciling, ""
	case x.isLive(r):
		return Live, ""
	case x.cfg.SweepInterval > 0:
		return Swept, ""
	}
	return Unwatched, ""
}

// Stale says which roots that an answer about dirs touches are stale: not yet
// listed, being reconciled, offline, or not swept on time; and, for an answer
// that uses more than names and types, those that are watched but were not
// listed since that began; and while the index cannot be written, those of which
// anything may have changed. No dirs: all roots. Cheap, called with every query.
func (x *Indexer) Stale(dirs []string, metadata bool) (list []wire.Stale) {
	degraded := x.writer.Failure() != ""
	for _, r := range x.allRoots() {
		if !touches(r.path, dirs) {
			continue
		}
		state, _ := x.rootState(r, "")
		rec := r.record()
		switch {
		case state == Indexing:
			list = append(list, wire.Stale{Path: r.path, Reason: wire.StaleNotListed})
		case state == Reconciling:
			list = append(list, wire.Stale{Path: r.path, Reason: wire.StalePending})
		case state == Offline:
			list = append(list, wire.Stale{Path: r.path, Reason: wire.StaleOffline})
		case r.short() || degraded && x.unwritten(r, dirs):
			list = append(list, wire.Stale{Path: r.path, Reason: wire.StaleUnwritten})
		case state == Swept && (time.Since(rec.Names) > 2*x.cfg.SweepInterval || time.Since(rec.Metadata) > 2*verifyEvery*x.cfg.SweepInterval):
			list = append(list, wire.Stale{Path: r.path, Reason: wire.StaleOverdue})
		case metadata && x.unsure(r):
			list = append(list, wire.Stale{Path: r.path, Reason: wire.StaleMetadata})
		}
	}
	return list
}

// Touched returns the roots that an answer about dirs touches; no dirs: all.
func (x *Indexer) Touched(dirs []string) (list []string) {
	for _, r := range x.allRoots() {
		if touches(r.path, dirs) {
			list = append(list, r.path)
		}
	}
	return list
}

func touches(root string, dirs []string) bool {
	for _, d := range dirs {
		if mounts.Within(d, root) || mounts.Within(root, d) {
			return true
		}
	}
	return len(dirs) == 0
}

// unwritten reports whether anything of a root, and of dirs (none: all of it), may have
// changed that is not in the index because nothing can be written.
func (x *Indexer) unwritten(r *root, dirs []string) bool {
	if r.held.Load() > 0 {
		return true
	}
	if x.live == nil {
		return false
	}
	concerns := func(dir string) bool {
		return (mounts.Within(dir, r.path) || mounts.Within(r.path, dir)) && touches(dir, dirs)
	}
	if b := x.live.taken.Load(); b != nil {
		for i := range b.Dirs {
			if concerns(b.Dirs[i].Dir) {
				return true
			}
		}
	}
	return x.src.Pending(concerns)
}
