package indexer

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/internal/logthrottle"
	"indexd/internal/rules"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
	"indexd/walker"
)

// A root is one configured root.
type root struct {
	path string

	// unwatched counts directories that could not be watched since the last pass over the
	// whole root began. partlyWatched says that there were some when it began.
	unwatched     atomic.Int64
	partlyWatched atomic.Bool

	unwritten atomic.Int64 // tasks and changes that are not written yet

	mu     sync.Mutex
	key    record.Key
	stored rootRecord
	busy   activity  // of the whole root
	lostAt time.Time // when events were lost last
	again  bool      // events were lost, and no reconcile has begun since
	gone   string    // why it could not be opened at the last attempt, "" if it could

	// rejected counts changes rejected at the size limit, covered those that passes over
	// the root have made up for, and backfilled those for which all that the passes found
	// is in the index.
	rejected, covered, backfilled uint64

	watchPass struct { // confined to live's goroutine
		at    time.Time     // of the last one for directories without a watch
		pause time.Duration // before the next one
	}

	logs struct{ compared, verified logthrottle.Logger }
}

// rootRecord is what the store keeps of a root.
type rootRecord struct {
	Path     []byte
	Complete bool // listed completely once
	// Former marks a former root with a root below it. The records that lead from it to that
	// root are kept, without other names; no answer shows them.
	Former bool      `json:",omitempty"`
	Rules  string    // the fingerprint of the rules it was listed by
	Begun  time.Time // when its first index began, in any run of the daemon
	// Names and Metadata: every change of a name, or of a size, time, owner or mode, that
	// was made before is in the index.
	Names, Metadata time.Time
}

// An activity concerns a whole root; there is one at a time. "" stands for none.
type activity string

const (
	indexing    activity = "index"     // its first listing
	reconciling activity = "reconcile" // finding changes that no event told of
	sweeping    activity = "sweep"     // the same, at a pace
)

// addUnwritten changes the number of unwritten things of a root, which may be nil.
func (r *root) addUnwritten(n int64) {
	if r != nil {
		r.unwritten.Add(n)
	}
}

// unwrittenCounter returns the counter of unwritten things of a root, which may be nil.
func (r *root) unwrittenCounter() *atomic.Int64 {
	if r == nil {
		return nil
	}
	return &r.unwritten
}

// flushLogs writes log lines that are held back.
func (r *root) flushLogs() {
	r.logs.compared.Stop()
	r.logs.verified.Stop()
}

func (r *root) record() rootRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored
}

func (r *root) storeKey() record.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.key
}

func (r *root) setRecord(key record.Key, rec rootRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.key, r.stored = key, rec
}

// doing returns the current activity.
func (r *root) doing() activity {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busy
}

func (r *root) setBusy(a activity) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = a
}

// noteWalk notes whether a walk over the root could list the root itself.
func (r *root) noteWalk(stats walker.JobStats) {
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
func (s *scheduler) saveRoot(r *root, change func(*rootRecord)) {
	r.mu.Lock()
	change(&r.stored)
	rec := r.stored
	r.mu.Unlock()
	s.deferCall(func() {
		_ = s.writer.Put(s.ctx, commit.Item{
			When: commit.Soon,
			Do:   func(tx *store.Tx) error { return tx.PutValue(store.Roots, r.storeKey(), rec) },
		})
	})
}

// Reload changes the roots, the inner paths (see Config) and the rules. What remains valid
// is in answers meanwhile; a root is listed again if its rules changed. If the limit on
// watches was raised, more directories are watched.
func (x *Indexer) Reload(ctx context.Context, roots, inner []string, set *rules.Set) error {
	if err := x.setRoots(ctx, roots, inner, set); err != nil {
		return err
	}
	if x.src == nil {
		return nil
	}
	more, err := x.src.ReloadLimits()
	if err != nil {
		x.log.Warn("cannot read the limits on watches", "err", err)
	}
	for _, r := range x.allRoots() {
		if more && r.record().Complete && !x.isLive(r) {
			x.sweepNames(r)
		}
	}
	return nil
}

// setRoots finds the places of roots in the store, removes former roots, and starts what each
// root needs: its first index, the rest of one that was interrupted, or a search for changes.
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
	if err := x.refreshMounts(nil); err != nil {
		if old != nil {
			x.rootList.Store(old)
			x.inner.Store(oldInner)
			x.rules.Store(oldRules)
		}
		return err
	}
	m := x.mounts.Load()
	err := x.writer.Update(ctx, func(tx *store.Tx) error {
		known := make(map[string]rootRecord)
		for key, value := range tx.Snap().Values(store.Roots) {
			var rec rootRecord // remains zero if the value is damaged: the root is listed anew
			_ = json.Unmarshal(value, &rec)
			known[string(key)] = rec
		}
		for _, r := range list {
			if err := x.loadRoot(tx, r, m, known); err != nil {
				return err
			}
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
		r.flushLogs()
	}
	for _, r := range list {
		x.checkMounted(r)
		x.startRoot(r)
	}
	x.spaceFreed()
	x.active.notify()
	return nil
}

// loadRoot sets the key and the record of a root, which it stores if it is new, and removes
// it from known.
func (x *Indexer) loadRoot(tx *store.Tx, r *root, m *mountMap, known map[string]rootRecord) error {
	key, _, err := m.key(r.path)
	if err != nil {
		return err
	}
	rec, ok := known[string(key)]
	if !ok {
		if at, was, away := m.awayRoot(known, r.path); away {
			key, rec, ok = at, was, true
		}
	}
	delete(known, string(key))
	if rec.Former {
		rec, ok = rootRecord{}, false
	}
	r.setRecord(key, rec)
	if ok && string(rec.Path) == r.path {
		return nil
	}
	rec.Path = []byte(r.path)
	if rec.Begun.IsZero() {
		rec.Begun, rec.Rules = time.Now(), x.rules.Load().Fingerprint()
		// Pending, so that nothing pending means complete.
		if err := tx.PutPending(key, store.Pending{Subtree: true}); err != nil {
			return err
		}
	}
	r.setRecord(key, rec)
	return tx.PutValue(store.Roots, key, rec)
}

// dropRoot removes the former root at key from the store, except for other roots.
func (x *Indexer) dropRoot(tx *store.Tx, key record.Key, keep []*root) error {
	above := slices.ContainsFunc(keep, func(r *root) bool { return key.Within(r.storeKey()) })
	below := slices.ContainsFunc(keep, func(r *root) bool { return r.storeKey().Within(key) })
	if !above {
		if err := x.dropExcept(tx, key, keep); err != nil {
			return err
		}
	}
	if below && !above {
		return tx.PutValue(store.Roots, key, rootRecord{Former: true})
	}
	return tx.DeleteValue(store.Roots, key)
}

// dropExcept drops the subtree at key except the roots in keep. The directories that lead
// to one of these are left with a listing that has no other names.
func (x *Indexer) dropExcept(tx *store.Tx, key record.Key, keep []*root) error {
	var below []*root
	for _, r := range keep {
		if r.storeKey().Equal(key) {
			return nil
		}
		if r.storeKey().Within(key) {
			below = append(below, r)
		}
	}
	if len(below) == 0 {
		return tx.Drop(key, x.Stamp())
	}
	rec, ok, err := tx.Snap().Record(key)
	if err != nil || !ok {
		return err
	}
	l := listing.Listing{Stamp: x.Stamp(), Dir: rec.Header().Dir, First: true, Last: true}
	stored := readEntries(tx.Snap(), key, "")
	for e := stored.next(); e != nil; e = stored.next() {
		child := key.Child(e.Name)
		if slices.ContainsFunc(below, func(r *root) bool { return r.storeKey().Within(child) }) {
			l.Entries = append(l.Entries, *e)
		}
	}
	if stored.err != nil {
		return stored.err
	}
	for _, e := range l.Entries {
		if err := x.dropExcept(tx, key.Child(e.Name), below); err != nil {
			return err
		}
	}
	_, err = tx.Apply(key, record.Encode(&l, nil, nil))
	return err
}
