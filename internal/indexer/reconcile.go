package indexer

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/watch"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
	"indexd/walker"
)

// reconcilePage is how many directories are read from the store at once.
const reconcilePage = 1024

// reconcile finds out what changed in a root while nobody looked: a directory
// whose mtime and ctime are those of its last full listing has the same names
// as then, every other one is listed again. This says nothing of the sizes and
// times of files; verifying does. Called on Run's goroutine.
//
// Placing watches takes longer than all the rest, so that comes behind: once all
// is compared, what is not watched yet is, and compared once more, for what
// changed meanwhile. Only then is the reconcile done.
func (x *Indexer) reconcile(r *root) {
	x.look(r, reconciling, func(begun passStart) error {
		changed, err := x.namesPass(r, walker.Resume, nil, compareAll)
		if err != nil {
			return err
		}
		x.namesVerified(r, begun)
		took := time.Since(begun.at)
		if x.cfg.compared != nil {
			x.cfg.compared()
		}
		more := 0
		if x.src != nil {
			more, err = x.namesPass(r, walker.Resume, nil, watchRest)
		}
		if err == nil {
			all := time.Since(begun.at)
			r.lines.compared.Log(func(times int) {
				x.log.Info("looked for changes that nobody saw", "root", r.path, "changed", changed+more,
					"took", took.Round(time.Millisecond), "and watched all", (all - took).Round(time.Millisecond), "times", times)
			})
		}
		return err
	})
}

// look has pass look at a whole root, on a goroutine of its own, unless
// something is being done for it already. Who waits for the indexer to be idle
// waits for a reconcile, and for no other kind.
func (x *Indexer) look(r *root, kind activity, pass func(passStart) error) {
	if !x.begins(r, kind) {
		return
	}
	epoch := uint64(0)
	if kind == reconciling {
		x.active.add(1)
		epoch = x.epochs.begin()
	}
	failures := r.unwatched.Swap(0)
	r.partly.Store(r.partly.Load() || failures > 0)
	x.goes.Go(func() {
		if kind == reconciling {
			defer x.active.add(-1)
			defer x.epochs.done(epoch)
		}
		var err error
		begun := x.startPass(r)
		if x.there(r) {
			err = pass(begun)
		}
		r.mu.Lock()
		r.busy = ""
		r.mu.Unlock()
		if err == nil && r.unwatched.Load() == 0 {
			r.partly.Store(false)
		}
		x.active.poke()
		x.later(func() {
			x.backfill.took = time.Since(begun.at)
			x.lookAgain(r)
			if kind == reconciling && err == nil && r.lost() {
				x.verify(r) // sizes, whose changes were lost as well
			}
		})
		if err != nil && !errors.Is(err, errNamesFirst) && x.running.Err() == nil {
			x.log.Error("cannot look for changes", "root", r.path, "err", err)
		}
	})
}

// passKind is what a pass over names does with each directory. In every case one
// is watched before it is compared, or before it is listed: what changes later
// raises an event. So one that is watched needs no look but for what changed
// before, or where an event may have been lost.
type passKind uint8

const (
	compareAll  passKind = iota // and watch what is listed again
	watchRest                   // what is not watched yet: watch it, then compare
	compareBoth                 // compare all, what is not watched once it is
)

// namesPass has each directory listed that changed, and returns when all of
// them are committed. It rests between pages where a pace is given, and ends early
// where one without is wanted.
func (x *Indexer) namesPass(r *root, priority walker.Priority, p *pace, kind passKind) (changed int, err error) {
	again := newCrew(x, priority, crewSize)
	err = x.eachPage(r, func(page []suspect) error {
		if p != nil && x.wanted(r) {
			return errNamesFirst
		}
		begun := time.Now()
		dirty, err := x.compare(page, p != nil, kind)
		if err != nil {
			r.unwatched.Add(1) // at least
			return err
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

// compare returns which of the directories, all of one volume, may hold other
// names than are stored. errHung: the volume does not answer.
func (x *Indexer) compare(page []suspect, idly bool, kind passKind) ([]int, error) {
	var at atomic.Int64
	stat := func(from, to int) (dirty []int) {
		for i := from; i < to; i++ {
			at.Store(int64(i))
			if x.differs(&page[i], kind) {
				dirty = append(dirty, i)
			}
		}
		return dirty
	}
	volume := page[0].volume
	if x.hung.has(volume) {
		return nil, errHung
	}
	dirty, late := patiently(x.running, x.cfg.patience, func() []int {
		if idly {
			return walker.AtIdlePriority(func() []int { return stat(0, len(page)) })
		}
		parts := make([][]int, runtime.GOMAXPROCS(0))
		var wg sync.WaitGroup
		for k := range parts {
			wg.Go(func() { parts[k] = stat(k*len(page)/len(parts), (k+1)*len(page)/len(parts)) })
		}
		wg.Wait()
		return slices.Concat(parts...)
	})
	if late == nil {
		return dirty, nil
	}
	if x.running.Err() != nil {
		return nil, context.Cause(x.running)
	}
	x.hung.add(volume, 1)
	go func() { // as long as what was left behind
		<-late
		if x.hung.add(volume, -1) == 0 {
			x.answersAgain()
		}
	}()
	x.unanswered(volume, page[at.Load()].dir)
	return nil, errHung
}

// differs reports whether a directory may hold other names than are stored.
func (x *Indexer) differs(s *suspect, kind passKind) bool {
	unwatched := kind != compareAll && x.src != nil && !x.src.Watched(s.dir)
	if kind == watchRest && !unwatched {
		return false
	}
	st, err := watch.Lstat(s.dir)
	if err != nil {
		// Gone, no directory, or a path too long for one call, which is no news.
		return true
	}
	if unwatched {
		if watched, ok := x.watchDir(s.dir, st.Ident, timeOf(st.Mtime)); ok {
			st = watched
		}
	}
	return !s.trust || st.Ino != s.stat.Ino || timeOf(st.Mtime) != s.stat.Mtime || timeOf(st.Ctime) != s.stat.Ctime
}

// namesVerified notes that all names of a root were compared, and what differed
// listed, since begun, unless there was no room for it.
func (x *Indexer) namesVerified(r *root, begun passStart) {
	if r.covers(begun) {
		x.saveRoot(r, func(rec *rootRecord) { rec.Names = begun.at })
	}
}

// there finds out whether a root is a directory now, notes it and, where that is
// news, says so.
func (x *Indexer) there(r *root) bool {
	err, late := patiently(x.running, x.cfg.patience, func() error {
		fd, err := unix.Openat2(unix.AT_FDCWD, r.path, &unix.OpenHow{
			Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS,
		})
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	})
	if late != nil {
		err = errHung
	}
	if walker.Shortage(err) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.gone == "" // as far as is known
	}
	if x.running.Err() != nil {
		return false
	}
	why := ""
	if err != nil && !errors.Is(err, unix.ENOSYS) {
		why = err.Error()
	}
	r.mu.Lock()
	was := r.gone
	r.gone = why
	r.mu.Unlock()
	switch {
	case why != "" && was == "":
		x.log.Warn("a root cannot be opened; its entries are kept as they were", "root", r.path, "err", why)
	case why == "" && was != "":
		x.log.Info("a root is back", "root", r.path)
	}
	return why == ""
}

// eachPage gives do the directories of a root, in the order of keys, a page of one
// volume at a time, until one returns an error. errHung leaves out what is left of
// the volume alone.
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
			if err == nil && len(page) > 0 {
				err = do(page)
			}
			if errors.Is(err, errHung) {
				from, err = nil, nil
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
func suspects(sn *store.Snap, where *places, from, hi record.Key) (page []suspect, next record.Key) {
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
			page = append(page, suspect{c.Dir().Volume(), dir, h.Dir, h.TrustTimes && h.Errno == 0})
		}
	}
	return page, nil
}

// A suspect is a directory as the store has it.
type suspect struct {
	volume record.Volume
	dir    string
	stat   listing.Stat
	trust  bool
}

func timeOf(t unix.StatxTimestamp) listing.Time { return listing.Time{Sec: t.Sec, Nsec: t.Nsec} }
