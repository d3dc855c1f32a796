package indexer

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/indexer/jobs"
	"indexd/walker"
)

// passes indexes whole roots: it lists them for the first time and again, and compares their
// directories with the file system.
type passes struct {
	*scheduler
	pace  pace
	stuck stuckDevices
	took  time.Duration // by the last pass of a root; confined to Run's goroutine
}

// A passStart is the moment at which a pass over a whole root begins.
type passStart struct {
	at       time.Time
	rules    string // fingerprint
	rejected uint64 // changes rejected so far
}

func (p *passes) startPass(r *root) passStart {
	r.mu.Lock()
	defer r.mu.Unlock()
	return passStart{time.Now(), p.rules.Load().Fingerprint(), r.rejected}
}

// covers reports whether a pass over the whole root that began at s, and has ended, missed
// nothing; then it has made up for changes rejected before. It has missed something if a
// change was rejected meanwhile.
func (r *root) covers(s passStart) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rejected != s.rejected {
		return false
	}
	r.covered = s.rejected
	return true
}

// startRoot starts what a root needs after a start or a reload.
func (p *passes) startRoot(r *root) {
	p.watchAbove(r)
	rec := r.record()
	switch {
	case !rec.Complete && (rec.Rules == p.rules.Load().Fingerprint() || !r.isShort()):
		p.index(r, 0)
	case rec.Rules != p.rules.Load().Fingerprint():
		p.relistRoot(r)
	case p.cfg.SweepInterval > 0 || p.src != nil:
		p.reconcile(r)
	}
}

// claim begins an activity for a whole root. It reports false if another one is in progress,
// or the root is away.
func (p *passes) claim(r *root, a activity) bool {
	away := p.away(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy != "" || away {
		return false
	}
	r.busy = a
	return true
}

const (
	// resumeDirs is how many pending directories one task begins with; a walk in LIFO
	// order leaves fewer than a thousand behind.
	resumeDirs = 8192
	// indexRounds is how often a first index goes on with what remains pending.
	indexRounds = 4
)

// index lists a root for the first time, or continues where that was interrupted.
func (p *passes) index(r *root, round int) {
	if p.away(r) {
		return // nothing can be listed; checkMounted calls index again
	}
	pending, err := p.pendingIn(r, resumeDirs)
	if err != nil {
		p.log.Error("cannot read what is pending", "root", r.path, "err", err)
		pending = []pendingDir{{dir: r.path}}
	}
	if len(pending) == 0 { // the last run ended between the last listing and saveRoot
		p.indexed(r)
		return
	}
	if r.record().Begun.Before(p.born) {
		p.log.Info("resuming the first index", "root", r.path, "pending", len(pending))
	}
	dirs := make([]string, len(pending))
	for i := range pending {
		dirs[i] = pending[i].dir
	}
	start, endBulk := p.startPass(r), p.writer.Bulk()
	started := p.walkRoot(r, indexing, dirs, func(stats walker.JobStats, err error) {
		endBulk()
		if err != nil {
			return // stopped: it stays pending
		}
		if !r.covers(start) {
			return // there is no room for the rest
		}
		// Unreachable directories stay pending, for instance on an unmounted file system.
		if left, _ := p.pendingIn(r, 1); len(left) > 0 && round < indexRounds-1 {
			p.deferCall(func() { p.index(r, round+1) })
			return
		}
		p.log.Info("first index is complete", "root", r.path, "dirs", stats.Dirs, "entries", stats.Entries,
			"unreadable", stats.Errors, "took", time.Since(start.at).Round(time.Millisecond))
		p.indexed(r)
	})
	if !started {
		endBulk()
	}
}

// indexed notes that the first index of a root is complete. What an earlier run of the
// daemon listed may have changed since.
func (p *passes) indexed(r *root) {
	p.saveRoot(r, func(rec *rootRecord) {
		rec.Complete, rec.Names, rec.Metadata = true, rec.Begun, rec.Begun
	})
	if r.record().Begun.Before(p.born) {
		p.deferCall(func() { p.startRoot(r) })
	}
}

// relistRoot lists all of a root again.
func (p *passes) relistRoot(r *root) {
	start := p.startPass(r)
	p.walkRoot(r, reconciling, []string{r.path}, func(_ walker.JobStats, err error) {
		if err == nil {
			p.verified(r, start)
		}
	})
}

// walkRoot walks directories of a root as a. If it returns false, the walk did not start,
// and ended is not called.
func (p *passes) walkRoot(r *root, a activity, dirs []string, ended func(walker.JobStats, error)) bool {
	if !p.claim(r, a) {
		return false
	}
	t := &task{s: p.scheduler, priority: walker.Resume, trees: dirs, solo: true, urgent: true}
	t.ended = func(stats walker.JobStats, err error) {
		r.setBusy("")
		r.noteWalk(stats)
		ended(stats, err)
		p.deferCall(func() { p.startDue(r) })
		p.active.notify()
	}
	if p.tasks.submit(t, nil, nil) != nil {
		r.setBusy("")
		return false
	}
	return true
}

// startJob gives each path of a job its task, except those that are refused.
func (p *passes) startJob(j *jobs.Job, priority walker.Priority, refused map[int]error) {
	for i, path := range j.Paths() {
		alone, tree, err := "", "", refused[i]
		if err == nil {
			alone, tree, err = p.planRescan(path)
		}
		if err != nil {
			j.Refuse(i, err)
			continue
		}
		t := &task{s: p.scheduler, priority: priority, alone: alone, trees: []string{tree}}
		if r := p.rootAt(tree); r != nil {
			start := p.startPass(r)
			t.ended = func(stats walker.JobStats, err error) {
				if err == nil {
					r.noteWalk(stats)
					p.verified(r, start)
				}
			}
		}
		if err := p.tasks.submit(t, j, func(t *task) { j.Attach(i, t) }); err != nil {
			j.TaskEnded(t, walker.JobStats{}, err)
		}
	}
	j.Attached()
}

// verified notes that all of a root was listed since start, unless the root could not be
// opened, or there was no room for all of it.
func (p *passes) verified(r *root, start passStart) {
	r.mu.Lock()
	gone := r.gone != ""
	r.mu.Unlock()
	if gone || !r.covers(start) {
		return
	}
	left, _ := p.pendingIn(r, 1)
	p.saveRoot(r, func(rec *rootRecord) {
		rec.Complete = rec.Complete || len(left) == 0
		rec.Names, rec.Metadata, rec.Rules = start.at, start.at, start.rules
	})
}

// namesVerified notes that all names of a root were compared since start, and what differed
// was listed, unless there was no room for all of it.
func (p *passes) namesVerified(r *root, start passStart) {
	if r.covers(start) {
		p.saveRoot(r, func(rec *rootRecord) { rec.Names = start.at })
	}
}

// pass runs fn for a whole root, on a goroutine of its own, unless something is being done
// for the root. WaitIdle waits for a reconcile, and for no other activity.
func (p *passes) pass(r *root, a activity, fn func(start passStart) error) {
	if !p.claim(r, a) {
		return
	}
	epoch := uint64(0)
	if a == reconciling {
		p.active.add(1)
		epoch = p.epochs.begin()
	}
	failures := r.unwatched.Swap(0)
	r.partlyWatched.Store(r.partlyWatched.Load() || failures > 0)
	p.background.Go(func() {
		if a == reconciling {
			defer p.active.add(-1)
			defer p.epochs.done(epoch)
		}
		start := p.startPass(r)
		var err error
		if p.checkRoot(r) {
			err = fn(start)
		}
		r.setBusy("")
		if err == nil && r.unwatched.Load() == 0 {
			r.partlyWatched.Store(false)
		}
		p.active.notify()
		p.deferCall(func() {
			p.took = time.Since(start.at)
			p.startDue(r)
			if a == reconciling && err == nil && r.lostEvents() {
				p.verify(r) // sizes, whose changes were lost as well
			}
		})
		if err != nil && !errors.Is(err, errNamesFirst) && p.running.Err() == nil {
			p.log.Error("cannot look for changes", "root", r.path, "err", err)
		}
	})
}

// startDue starts what became due for a root during another activity: listing it again by new
// rules, a reconcile after lost events, or else the verification of sizes and times.
func (p *passes) startDue(r *root) {
	ruled := p.ruled(r)
	r.mu.Lock()
	idle := r.busy == "" && r.stored.Complete
	again := idle && ruled && r.again
	if again {
		r.again = false
	}
	r.mu.Unlock()
	switch {
	case idle && !ruled:
		p.relistRoot(r)
	case again:
		p.reconcile(r)
	case idle && p.unsure(r):
		p.verify(r)
	}
}

// ruled reports whether a root was listed by the current rules, as far as that is possible
// now.
func (p *passes) ruled(r *root) bool {
	rules := p.rules.Load().Fingerprint()
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.stored.Complete || r.stored.Rules == rules || r.gone != "" || r.rejected != r.covered
}

// urgent reports whether work that is not paced waits for the current activity of a root to
// end.
func (p *passes) urgent(r *root) bool {
	r.mu.Lock()
	again := r.again
	r.mu.Unlock()
	return again || !p.ruled(r)
}

// unsure reports whether sizes, times and owners in a root that is watched may have changed
// unseen: before this process began, or when events were lost.
func (p *passes) unsure(r *root) bool {
	if p.src == nil {
		return false // it is not more certain at any other time
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.lostAt
	if since.IsZero() {
		since = p.born
	}
	return r.gone == "" && r.stored.Metadata.Before(since)
}

// lostEvents reports whether events were lost since all of a root was listed.
func (r *root) lostEvents() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored.Metadata.Before(r.lostAt)
}

// eventsLost starts a search for changes in all roots: first names, by the times of their
// directories, and then the rest at a pace, or as soon as a barrier needs it.
func (p *passes) eventsLost() {
	now := time.Now()
	for _, r := range p.allRoots() {
		r.mu.Lock()
		r.lostAt = now
		r.mu.Unlock()
		p.reconcileSoon(r)
	}
}

// reconcileSoon reconciles a root as soon as nothing else is being done for it, in the
// current epoch.
func (p *passes) reconcileSoon(r *root) {
	r.mu.Lock()
	r.again = true
	r.mu.Unlock()
	epoch := p.epochs.begin()
	p.deferCall(func() {
		p.startDue(r)
		p.epochs.done(epoch)
	})
}

// checkRoot finds out whether a root is a directory now. Changes are logged.
func (p *passes) checkRoot(r *root) bool {
	err, late := patiently(p.running, p.cfg.Timing.StuckAfter, func() error {
		fd, err := unix.Openat2(unix.AT_FDCWD, r.path, &unix.OpenHow{
			Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS,
		})
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	})
	if late != nil {
		err = errStuck
	}
	if walker.Shortage(err) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.gone == "" // as far as is known
	}
	if p.running.Err() != nil {
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
		p.log.Warn("a root cannot be opened; its entries are kept as they were", "root", r.path, "err", why)
	case why == "" && was != "":
		p.log.Info("a root is back", "root", r.path)
	}
	return why == ""
}
