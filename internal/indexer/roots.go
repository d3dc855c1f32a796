package indexer

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/internal/logthrottle"
	"indexd/internal/mounts"
	"indexd/internal/rules"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
	"indexd/walker"
)

// root is one configured root.
type root struct {
	path string

	// unwatched counts directories that could not be watched since the last pass
	// over all of the root began; partly: there were some when that began.
	unwatched atomic.Int64
	partly    atomic.Bool

	// held counts what is known or being found out of it and not yet written.
	held atomic.Int64

	mu     sync.Mutex
	key    record.Key
	stored rootRecord
	busy   activity  // what is being done for the whole of it, "" for nothing
	lostAt time.Time // when events were lost last
	again  bool      // they were, and nothing was done about it yet
	gone   string    // why it could not be opened at the last attempt, "" if it could

	// Changes rejected at the size limit, how many of them passes over the root have
	// covered since, and for how many everything found then is in the index.
	rejected, covered, backfilled uint64

	watchRest struct { // confined to live's goroutine
		at    time.Time     // of its last pass
		pause time.Duration // to the next one
	}

	lines struct{ compared, verified logthrottle.Logger }
}

// rootRecord is what the store keeps of a root.
type rootRecord struct {
	Path     []byte
	Complete bool // listed completely once
	// Former: it is a root no more. Its record and those that lead from it to a
	// root below it are left, naming nothing else; no answer shows them.
	Former bool      `json:",omitempty"`
	Rules  string    // the fingerprint of the rules it was listed by
	Begun  time.Time // when its first index began, in whichever run of the daemon
	// Names and Metadata: every change of a name, or of a size, time, owner or
	// mode, that was made before is in the index.
	Names, Metadata time.Time
}

// An activity is what is being done for the whole of a root, "" for nothing.
type activity string

const (
	indexing    activity = "index"     // its first listing
	reconciling activity = "reconcile" // finding changes that no event told of
	sweeping    activity = "sweep"     // the same, at a pace
)

// hold counts in or out n things of a root, which may be nil.
func (r *root) hold(n int64) {
	if r != nil {
		r.held.Add(n)
	}
}

// counter counts what is not written of a root, which may be nil.
func (r *root) counter() *atomic.Int64 {
	if r == nil {
		return nil
	}
	return &r.held
}

// hush says what the log is still to be told of the root.
func (r *root) hush() {
	r.lines.compared.Stop()
	r.lines.verified.Stop()
}

func (r *root) record() rootRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored
}

// doing is what is being done for the whole of the root.
func (r *root) doing() activity {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busy
}

func (r *root) set(key record.Key, rec rootRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.key, r.stored = key, rec
}

func (r *root) place() record.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.key
}

func (x *Indexer) allRoots() []*root {
	if list := x.rootList.Load(); list != nil {
		return *list
	}
	return nil
}

// Roots returns the paths of the roots, sorted.
func (x *Indexer) Roots() []string {
	var list []string
	for _, r := range x.allRoots() {
		list = append(list, r.path)
	}
	return list
}

// rootOf returns the root in which p lies, nil for none.
func (x *Indexer) rootOf(p string) *root {
	for _, r := range x.allRoots() {
		if mounts.Within(p, r.path) {
			return r
		}
	}
	return nil
}

// Within reports whether p is a root or lies in one.
func (x *Indexer) Within(p string) bool { return x.rootOf(p) != nil }

// rootAt returns the root at exactly this path, nil for none.
func (x *Indexer) rootAt(dir string) *root {
	if r := x.rootOf(dir); r != nil && r.path == dir {
		return r
	}
	return nil
}

func (x *Indexer) isRoot(dir string) bool { return x.rootAt(dir) != nil }

func (x *Indexer) allComplete() bool {
	list := x.rootList.Load()
	if list == nil {
		return false
	}
	return !slices.ContainsFunc(*list, func(r *root) bool { return !r.record().Complete })
}

// begin finds the roots' places in the store, drops what is no root any more,
// and starts what each root needs: its first index, the rest of one that was
// interrupted, or a look at what changed since.
func (x *Indexer) begin(ctx context.Context) error {
	if err := x.setRoots(ctx, x.cfg.Roots, x.cfg.Inner, x.cfg.Rules); err != nil {
		return err
	}
	return x.resumeJobs()
}

// Reload makes roots, inner and rules those of the indexer, see Config. What stays
// valid keeps answering meanwhile; a root is listed again where the rules for it
// changed. Where the limit on watches was raised, it is made use of.
func (x *Indexer) Reload(ctx context.Context, roots, inner []string, set *rules.Set) error {
	if err := x.setRoots(ctx, roots, inner, set); err != nil {
		return err
	}
	x.relimit()
	return nil
}

// relimit has what is not watched watched, as far as the kernel's limits, which may
// have been raised, allow now.
func (x *Indexer) relimit() {
	if x.src == nil {
		return
	}
	more, err := x.src.ReloadLimits()
	if err != nil {
		x.log.Warn("cannot read how many watches there may be", "err", err)
	}
	if !more {
		return
	}
	for _, r := range x.allRoots() {
		if r.record().Complete && !x.isLive(r) {
			x.sweepNames(r)
		}
	}
}

func (x *Indexer) setRoots(ctx context.Context, paths, inner []string, set *rules.Set) error {
	paths = slices.Sorted(slices.Values(paths))
	old, oldInner, oldRules := x.rootList.Load(), x.inner.Load(), x.rules.Load()
	list := make([]*root, len(paths))
	for i, p := range paths {
		if list[i] = x.rootAt(p); list[i] == nil {
			list[i] = &root{path: p}
		}
	}
	var gone []*root
	for _, r := range x.allRoots() {
		if !slices.Contains(list, r) {
			x.unwatch(r.path)
			gone = append(gone, r)
		}
	}
	x.rootList.Store(&list)
	x.inner.Store(&inner)
	x.rules.Store(set)
	if err := x.refreshPlaces(nil); err != nil {
		if old != nil {
			x.rootList.Store(old)
			x.inner.Store(oldInner)
			x.rules.Store(oldRules)
		}
		return err
	}
	where := x.places.Load()
	err := x.writer.Update(ctx, func(tx *store.Tx) error {
		known := make(map[string]rootRecord)
		for key, value := range tx.Snap().Values(store.Roots) {
			var rec rootRecord // a damaged one is as none: it is listed anew
			_ = json.Unmarshal(value, &rec)
			known[string(key)] = rec
		}
		for _, r := range list {
			key, _, err := where.key(r.path)
			if err != nil {
				return err
			}
			rec, ok := known[string(key)]
			if !ok {
				if at, was, away := where.awayRoot(known, r.path); away {
					key, rec, ok = at, was, true
				}
			}
			delete(known, string(key))
			if rec.Former {
				rec, ok = rootRecord{}, false
			}
			if !ok || string(rec.Path) != r.path {
				rec.Path = []byte(r.path)
				if rec.Begun.IsZero() { // pending, so that nothing pending means complete
					rec.Begun, rec.Rules = time.Now(), set.Fingerprint()
					if err := tx.PutPending(key, store.Pending{Subtree: true}); err != nil {
						return err
					}
				}
				if err := tx.PutValue(store.Roots, key, rec); err != nil {
					return err
				}
			}
			r.set(key, rec)
		}
		for key := range known {
			if err := x.dropRoot(tx, record.Key(key), list); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range gone {
		r.hush()
	}
	for _, r := range list {
		x.rootMounted(r)
		x.startRoot(r)
	}
	x.spaceFreed()
	x.active.poke()
	return nil
}

// dropRoot takes out of the store what was indexed only for the root at key.
func (x *Indexer) dropRoot(tx *store.Tx, key record.Key, keep []*root) error {
	above := slices.ContainsFunc(keep, func(r *root) bool { return key.Within(r.place()) })
	below := slices.ContainsFunc(keep, func(r *root) bool { return r.place().Within(key) })
	if !above {
		if err := x.dropBut(tx, key, keep); err != nil {
			return err
		}
	}
	if below && !above {
		return tx.PutValue(store.Roots, key, rootRecord{Former: true})
	}
	return tx.DeleteValue(store.Roots, key)
}

// dropBut drops the subtree at key, but for the roots in keep. The directories
// that lead to one of these are left with a listing that names nothing else; no
// answer shows them, since no root has them.
func (x *Indexer) dropBut(tx *store.Tx, key record.Key, keep []*root) error {
	var below []*root
	for _, r := range keep {
		if r.place().Equal(key) {
			return nil
		}
		if r.place().Within(key) {
			below = append(below, r)
		}
	}
	if len(below) == 0 {
		return tx.Drop(key, x.stamp())
	}
	rec, ok, err := tx.Snap().Record(key)
	if err != nil || !ok {
		return err
	}
	l := listing.Listing{Stamp: x.stamp(), Dir: rec.Header().Dir, First: true, Last: true}
	stored := readEntries(tx.Snap(), key, "")
	for e := stored.next(); e != nil; e = stored.next() {
		child := key.Child(e.Name)
		if slices.ContainsFunc(below, func(r *root) bool { return r.place().Within(child) }) {
			l.Entries = append(l.Entries, *e)
		}
	}
	if stored.err != nil {
		return stored.err
	}
	for _, e := range l.Entries {
		if err := x.dropBut(tx, key.Child(e.Name), below); err != nil {
			return err
		}
	}
	_, err = tx.Apply(key, record.Encode(&l, nil, nil))
	return err
}

// startRoot starts what a root needs after a start or a reload.
func (x *Indexer) startRoot(r *root) {
	x.watchAbove(r)
	rec := r.record()
	switch {
	case !rec.Complete && (rec.Rules == x.rules.Load().Fingerprint() || !r.short()):
		x.index(r, 0)
	case rec.Rules != x.rules.Load().Fingerprint():
		x.relist(r)
	case x.cfg.SweepInterval > 0 || x.src != nil:
		x.reconcile(r)
	}
}

// resumeDirs is how many pending directories one task begins with; a walk in
// LIFO order leaves under a thousand behind.
const resumeDirs = 8192

// index lists a root for the first time, or goes on where that was interrupted.
func (x *Indexer) index(r *root, round int) {
	if x.away(r) {
		return // what is pending cannot be seen; rootMounted begins again
	}
	pending, err := x.pendingIn(r, resumeDirs)
	if err != nil {
		x.log.Error("cannot read what is pending", "root", r.path, "err", err)
		pending = []pendingDir{{dir: r.path}}
	}
	if len(pending) == 0 { // the last run ended between the last listing and its note
		x.indexed(r)
		return
	}
	if r.record().Begun.Before(x.born) {
		x.log.Info("going on with the first index", "root", r.path, "pending", len(pending))
	}
	dirs := make([]string, len(pending))
	for i := range pending {
		dirs[i] = pending[i].dir
	}
	begun := x.startPass(r)
	end := x.writer.Bulk()
	begins := x.whole(r, indexing, walker.Resume, dirs, func(stats walker.JobStats, err error) {
		end()
		if err != nil {
			return // stopped or cancelled: it stays pending
		}
		if !r.covers(begun) {
			return // there is no room for the rest
		}
		// What could not be reached stays pending: a file system that is gone.
		if left, _ := x.pendingIn(r, 1); len(left) > 0 && round < 3 {
			x.later(func() { x.index(r, round+1) })
			return
		}
		x.log.Info("first index is complete", "root", r.path, "dirs", stats.Dirs, "entries", stats.Entries,
			"unreadable", stats.Errors, "took", time.Since(begun.at).Round(time.Millisecond))
		x.indexed(r)
	})
	if !begins {
		end()
	}
}

// indexed notes that the first index of a root is complete. What an earlier run
// of the daemon had listed may have changed before this one.
func (x *Indexer) indexed(r *root) {
	x.saveRoot(r, func(rec *rootRecord) {
		rec.Complete, rec.Names, rec.Metadata = true, rec.Begun, rec.Begun
	})
	if r.record().Begun.Before(x.born) {
		x.later(func() { x.startRoot(r) })
	}
}

// relist lists all of a root again.
func (x *Indexer) relist(r *root) {
	begun := x.startPass(r)
	x.whole(r, reconciling, walker.Resume, []string{r.path}, func(_ walker.JobStats, err error) {
		if err == nil {
			x.verified(r, begun)
		}
	})
}

// verified notes that all of a root was listed since begun, unless the last
// look found no root, or there was no room for all.
func (x *Indexer) verified(r *root, begun passStart) {
	r.mu.Lock()
	gone := r.gone != ""
	r.mu.Unlock()
	if gone || !r.covers(begun) {
		return
	}
	left, _ := x.pendingIn(r, 1)
	x.saveRoot(r, func(rec *rootRecord) {
		rec.Complete = rec.Complete || len(left) == 0
		rec.Names, rec.Metadata, rec.Rules = begun.at, begun.at, begun.rules
	})
}

// begins makes kind what is being done for the whole of a root. false: something
// is already, or the root is away.
func (x *Indexer) begins(r *root, kind activity) bool {
	away := x.away(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy != "" || away {
		return false
	}
	r.busy = kind
	return true
}

// whole runs a job of the indexer's own over a root. false: it did not begin,
// and ended will not be called.
func (x *Indexer) whole(r *root, kind activity, priority walker.Priority, dirs []string, ended func(walker.JobStats, error)) bool {
	if !x.begins(r, kind) {
		return false
	}
	t := &task{x: x, priority: priority, trees: dirs, solo: true, urgent: true}
	t.ended = func(stats walker.JobStats, err error) {
		r.mu.Lock()
		r.busy = ""
		r.mu.Unlock()
		r.looked(stats)
		ended(stats, err)
		x.later(func() { x.lookAgain(r) })
		x.active.poke()
	}
	if err := x.queue.submit(t, nil, nil); err != nil {
		r.mu.Lock()
		r.busy = ""
		r.mu.Unlock()
		return false
	}
	return true
}

// looked takes note of whether a walk over the root could list the root itself.
func (r *root) looked(stats walker.JobStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = ""
	for _, f := range stats.FirstErrors {
		if f.Dir == r.path {
			r.gone = f.Err.Error()
		}
	}
}

// saveRoot changes what the store keeps of a root. It does not wait.
func (x *Indexer) saveRoot(r *root, change func(*rootRecord)) {
	r.mu.Lock()
	change(&r.stored)
	rec := r.stored
	r.mu.Unlock()
	x.later(func() {
		_ = x.writer.Put(x.ctx, commit.Item{When: commit.Soon, Do: func(tx *store.Tx) error { return tx.PutValue(store.Roots, r.place(), rec) }})
	})
}

// pendingDir is a directory that is still to be listed, by itself or with all below.
type pendingDir struct {
	dir     string
	subtree bool
}

// pendingIn returns at most max directories of a root that are still to be
// listed and can be reached.
func (x *Indexer) pendingIn(r *root, max int) ([]pendingDir, error) {
	list, _, err := x.pendingFrom(r, nil, nil, max)
	return list, err
}

// pendingFrom is pendingIn for those in dirs (none: all) or above, from a key on:
// where there may be more it returns the key that they begin at.
func (x *Indexer) pendingFrom(r *root, dirs []string, from record.Key, max int) (list []pendingDir, next record.Key, err error) {
	where := x.places.Load()
	err = x.st.View(func(sn *store.Snap) error {
		for key, p := range sn.Pending(from, nil) {
			if len(list) == max {
				next = bytes.Clone(key)
				break
			}
			if dir, ok := where.pathOf(key); ok && mounts.Within(dir, r.path) && touches(dir, dirs) {
				list = append(list, pendingDir{dir, p.Subtree})
			}
		}
		return nil
	})
	return list, next, err
}

// listPending has them listed, as work of an epoch.
func (x *Indexer) listPending(epoch uint64, list []pendingDir) {
	for _, p := range list {
		if p.subtree {
			x.discoveredIn(epoch, p.dir)
		} else {
			x.dirtyIn(epoch, p.dir)
		}
	}
}
