package indexer

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
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

// reconcile finds out what changed in a root while no events told of it. A directory with
// the mtime and ctime of its last full listing has the same names as then; every other one
// is listed again. This does not show changes of the sizes and times of files; verify does.
// Called on Run's goroutine.
//
// Placing watches takes longer than all the rest and comes second: once all directories are
// compared, each one without a watch gets one and is compared again, for what changed
// meanwhile. Only then is the reconcile done.
func (p *passes) reconcile(r *root) {
	p.pass(r, reconciling, func(start passStart) error {
		changed, err := p.passNames(r, walker.Resume, nil, compareAll)
		if err != nil {
			return err
		}
		p.namesVerified(r, start)
		took := time.Since(start.at)
		p.log.Debug("compared all directories", "root", r.path, "changed", changed, "took", took.Round(time.Millisecond))
		more := 0
		if p.src != nil {
			more, err = p.passNames(r, walker.Resume, nil, watchRest)
		}
		if err == nil {
			all := time.Since(start.at)
			r.logs.compared.Log(func(times int) {
				p.log.Info("looked for changes without events", "root", r.path, "changed", changed+more,
					"took", took.Round(time.Millisecond), "and watched all", (all - took).Round(time.Millisecond), "times", times)
			})
		}
		return err
	})
}

// A nameCheck is what a pass over names does with each directory. In every case a directory
// is watched before it is compared or listed, so that later changes raise events. So one
// that is watched need be compared only for what changed before, or if events may have been
// lost.
type nameCheck uint8

const (
	compareAll  nameCheck = iota // and watch those that are listed again
	watchRest                    // watch those that are not watched, then compare them
	compareBoth                  // compare all, those that are not watched once they are
)

// passNames lists each directory of a root whose names changed, and returns once all of
// them are committed. With a pace, it rests between pages, and ends with errNamesFirst when
// something urgent waits for it.
func (p *passes) passNames(r *root, priority walker.Priority, pace *pace, check nameCheck) (changed int, err error) {
	group := newRelistGroup(p.scheduler, priority)
	err = p.eachPage(r, func(page []storedDir) error {
		if pace != nil && p.urgent(r) {
			return errNamesFirst
		}
		begun := time.Now()
		dirs, err := p.changedDirs(page, pace != nil, check)
		if err != nil {
			r.unwatched.Add(1) // at least
			return err
		}
		changed += len(dirs)
		for _, dir := range dirs {
			if err := group.relist(p.running, dir); err != nil {
				return err
			}
		}
		if pace == nil {
			return nil
		}
		return pace.rest(p.running, time.Since(begun))
	})
	return changed, errors.Join(err, group.wait(p.running))
}

// changedDirs returns which directories of a page may have other names than are stored. It
// returns errStuck if their volume does not answer.
func (p *passes) changedDirs(page []storedDir, idly bool, check nameCheck) ([]string, error) {
	var at atomic.Int64
	compare := func(from, to int) (dirs []string) {
		for i := from; i < to; i++ {
			at.Store(int64(i))
			if p.mayHaveChanged(&page[i], check) {
				dirs = append(dirs, page[i].dir)
			}
		}
		return dirs
	}
	volume := page[0].volume
	if p.stuck.has(volume) {
		return nil, errStuck
	}
	dirs, late := patiently(p.running, p.cfg.Timing.StuckAfter, func() []string {
		if idly {
			return walker.AtIdlePriority(func() []string { return compare(0, len(page)) })
		}
		parts := make([][]string, runtime.GOMAXPROCS(0))
		var wg sync.WaitGroup
		for k := range parts {
			wg.Go(func() { parts[k] = compare(k*len(page)/len(parts), (k+1)*len(page)/len(parts)) })
		}
		wg.Wait()
		return slices.Concat(parts...)
	})
	if late == nil {
		return dirs, nil
	}
	if p.running.Err() != nil {
		return nil, context.Cause(p.running)
	}
	p.stuck.add(volume, 1)
	go func() { // lives as long as the system call that is stuck
		<-late
		if p.stuck.add(volume, -1) == 0 {
			for _, r := range p.allRoots() {
				p.reconcileSoon(r)
			}
		}
	}()
	p.log.Warn("a file system does not answer; going on without it", "dir", page[at.Load()].dir)
	p.putError(nil, record.MakeKey(volume, ""), syscall.EIO)
	return nil, errStuck
}

// mayHaveChanged reports whether a directory may have other names than are stored.
func (p *passes) mayHaveChanged(d *storedDir, check nameCheck) bool {
	unwatched := check != compareAll && p.src != nil && !p.src.Watched(d.dir)
	if check == watchRest && !unwatched {
		return false
	}
	st, err := watch.Lstat(d.dir)
	if err != nil {
		// It is gone, no directory, or its path is too long for one call.
		return true
	}
	if unwatched {
		if watched, ok := p.watchDir(d.dir, st.Ident, timeOf(st.Mtime)); ok {
			st = watched
		}
	}
	return !d.trust || st.Ino != d.stat.Ino || timeOf(st.Mtime) != d.stat.Mtime || timeOf(st.Ctime) != d.stat.Ctime
}

// eachPage calls do with the directories of a root in the order of keys, a page of one
// volume at a time, until it returns an error. After errStuck, only the rest of the volume
// is skipped.
func (p *passes) eachPage(r *root, do func([]storedDir) error) error {
	var ranges []store.KeyRange
	err := p.st.View(func(sn *store.Snap) (err error) {
		ranges, err = sn.KeyRanges(r.path)
		return err
	})
	for _, rg := range ranges {
		for from := rg.Lo; from != nil && err == nil; {
			var page []storedDir
			err = p.st.View(func(sn *store.Snap) error {
				page, from = readPage(sn, p.mounts.Load(), from, rg.Hi)
				return nil
			})
			if err == nil && len(page) > 0 {
				err = do(page)
			}
			if errors.Is(err, errStuck) {
				from, err = nil, nil
			}
			if p.running.Err() != nil {
				return context.Cause(p.running)
			}
		}
	}
	return err
}

// A storedDir is a directory as the store has it.
type storedDir struct {
	volume record.Volume
	dir    string
	stat   listing.Stat
	trust  bool // its times are those of a full listing without error
}

// readPage reads up to a page of directories in [from, hi) and returns where to continue,
// nil at the end. It skips damaged records, which other checks find.
func readPage(sn *store.Snap, m *mountMap, from, hi record.Key) (page []storedDir, next record.Key) {
	c := sn.Cursor(from, hi)
	for c.Next() {
		if len(page) == reconcilePage {
			return page, slices.Clone(c.Dir())
		}
		if _, chunk := c.Chunk(); chunk {
			continue
		}
		if dir, ok := m.pathOf(c.Dir()); ok {
			h := c.Record().Header()
			page = append(page, storedDir{c.Dir().Volume(), dir, h.Dir, h.TrustTimes && h.Errno == 0})
		}
	}
	return page, nil
}

func timeOf(t unix.StatxTimestamp) listing.Time { return listing.Time{Sec: t.Sec, Nsec: t.Nsec} }
