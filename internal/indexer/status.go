package indexer

import (
	"time"

	"indexd/internal/mounts"
	"indexd/ipc/wire"
	"indexd/store"
	"indexd/store/dbfile"
	"indexd/store/record"
)

// Status is the state of the index at one moment.
type Status struct {
	Ready    bool  // every root has been listed completely once
	Pending  int64 // directories that are to be listed
	Workers  int
	Degraded string // what is wrong with the database, such as why it cannot be written; "": nothing
	// NoRoom is why a compaction of the database is put off; nil: none is.
	NoRoom *dbfile.NoRoomError
	Roots  []wire.Root
	// Listed counts what was listed since the start, Running ago.
	Listed  Progress
	Running time.Duration
}

// Progress counts what was listed.
type Progress struct{ Dirs, Entries uint64 }

// The states of a root, as in wire.Root.
const (
	Live        = "live"        // every directory is watched
	Indexing    = "indexing"    // not yet listed completely
	Reconciling = "reconciling" // changes without events are being found
	Swept       = "swept"       // listed again on time
	Unwatched   = "unwatched"   // listed again only if asked for
	Degraded    = "degraded"    // changes cannot be written
	Offline     = "offline"     // it is gone, or its file system is
)

// Progress returns what was listed since the start. It is cheap.
func (s *scheduler) Progress() Progress {
	return Progress{s.progress.dirs.Load(), s.progress.entries.Load()}
}

// Status returns the state of the index. With one root per volume it costs next to nothing,
// because the store has the counts; otherwise it reads the headers of the other roots.
func (x *Indexer) Status() (Status, error) {
	s := Status{
		Ready:    x.allComplete(),
		Workers:  x.pool.Stats().Workers,
		Degraded: x.degraded(),
		NoRoom:   x.compactor.noRoom.Load(),
		Listed:   x.Progress(),
		Running:  time.Since(x.progress.begun),
	}
	failure := x.writer.Failure()
	return s, x.st.View(func(sn *store.Snap) error {
		s.Pending = int64(x.st.PendingCount())
		for _, r := range x.allRoots() {
			w := wire.Root{Path: r.path}
			why := failure
			if why == "" && r.isShort() {
				why = tooLarge
			}
			w.State, w.Reason = x.rootState(r, why)
			if err := countRoot(sn, &w); err != nil {
				return err
			}
			if x.src != nil {
				live := int64(x.src.CountBelow(r.path))
				if mounts.Within(x.cfg.BarrierDir, r.path) {
					live++ // in which nothing else changes
				}
				w.LiveDirs = min(live, w.Dirs)
			}
			if x.cfg.SweepInterval > 0 {
				w.SweptDirs = max(w.Dirs-w.LiveDirs-w.Offline, 0)
			}
			switch {
			case w.State == Live && w.Offline > 0:
				w.State = Swept
			case w.State == Offline:
				w.Offline = w.Dirs
			}
			if rec := r.record(); rec.Complete {
				w.NamesVerified, w.MetadataVerified = &rec.Names, &rec.Metadata
			}
			s.Roots = append(s.Roots, w)
		}
		return nil
	})
}

// countRoot counts what is stored of the root at w.Path. The store has the counts of whole
// volumes; of others the headers are read.
func countRoot(sn *store.Snap, w *wire.Root) error {
	ranges, err := sn.KeyRanges(w.Path)
	if err != nil {
		return err
	}
	counted := make(map[record.Volume]bool)
	for _, rg := range ranges {
		for range sn.Failed(rg.Lo, rg.Hi) {
			w.Unreadable++
		}
		v, again := rg.Volume, counted[rg.Volume.Volume]
		counted[v.Volume] = true
		if v.Offline && !again {
			w.Offline += int64(v.Counts.Dirs)
		}
		if mounts.Within(v.MountPoint, w.Path) {
			if !again {
				w.Dirs += int64(v.Counts.Dirs)
				w.Entries += int64(v.Counts.Entries)
				w.Bytes += v.Counts.Bytes
			}
			continue
		}
		c := sn.Cursor(rg.Lo, rg.Hi)
		for c.Next() {
			if _, chunk := c.Chunk(); !chunk {
				h := c.Record().Header()
				w.Dirs++
				w.Entries += int64(h.Agg.Count)
				w.Bytes += h.Agg.Bytes
			}
		}
	}
	return nil
}

// rootState returns the state of a root and the reason for it. degraded is why changes of
// the root cannot be written, "" if they can.
func (x *Indexer) rootState(r *root, degraded string) (state, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case degraded != "":
		return Degraded, degraded
	case r.gone != "":
		return Offline, r.gone
	case !r.stored.Complete:
		return Indexing, ""
	case r.busy == reconciling || r.again || x.VerifyPending():
		return Reconciling, ""
	case x.isLive(r):
		return Live, ""
	case x.cfg.SweepInterval > 0:
		return Swept, ""
	}
	return Unwatched, ""
}

// Stale returns which roots that an answer about dirs touches are stale: not yet listed,
// being reconciled, offline, or not swept on time; if the answer uses more than names and
// types, also those that are watched but were not listed since that began; and those with
// changes that may not have been written. No dirs stand for all roots. It is cheap, because
// every query calls it.
func (x *Indexer) Stale(dirs []string, metadata bool) (list []wire.Stale) {
	failing := x.writer.Failure() != ""
	every := x.cfg.SweepInterval
	for _, r := range x.allRoots() {
		if !touches(r.path, dirs) {
			continue
		}
		state, _ := x.rootState(r, "")
		rec := r.record()
		reason := ""
		switch {
		case state == Indexing:
			reason = wire.StaleNotListed
		case state == Reconciling:
			reason = wire.StalePending
		case state == Offline:
			reason = wire.StaleOffline
		case r.isShort() || failing && x.isUnwritten(r, dirs):
			reason = wire.StaleUnwritten
		case state == Swept && (time.Since(rec.Names) > 2*every || time.Since(rec.Metadata) > 2*verifyEvery*every):
			reason = wire.StaleOverdue
		case metadata && x.unsure(r):
			reason = wire.StaleMetadata
		default:
			continue
		}
		list = append(list, wire.Stale{Path: r.path, Reason: reason})
	}
	return list
}

// isUnwritten reports whether anything of a root, and of dirs (none: all of it), may have
// changed that is not in the index because nothing can be written.
func (x *Indexer) isUnwritten(r *root, dirs []string) bool {
	if r.unwritten.Load() > 0 {
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
