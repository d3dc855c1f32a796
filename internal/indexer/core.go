package indexer

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/internal/mounts"
	"indexd/internal/rules"
	"indexd/store"
	"indexd/store/record"
)

// core is shared by all parts of an Indexer: the store and its writer, roots, rules and
// mounts. The parts are layers, each of which embeds the one below:
//
//	core       maps paths to places in the store
//	watches    decides which directories are watched
//	scheduler  lists directories
//	passes     indexes and compares whole roots
//	barrier    waits until the index includes all changes so far
//	Indexer    runs the goroutines, and is the interface to the rest of the daemon
type core struct {
	cfg    Config // Roots, Inner and Rules are those at the start
	log    *slog.Logger
	st     *store.Store
	writer *commit.Writer
	born   time.Time // when New was called

	ctx    context.Context // ends when Run returns
	cancel context.CancelCauseFunc
	// running ends first. Goroutines in background use it and end with it.
	running    context.Context
	stop       context.CancelCauseFunc
	background sync.WaitGroup

	rules    atomic.Pointer[rules.Set]
	inner    atomic.Pointer[[]string]
	rootList atomic.Pointer[[]*root] // nil until Run has begun
	mounts   atomic.Pointer[mountMap]
	mountsMu sync.Mutex // held while the mount table is read anew

	stamps atomic.Uint64

	full      atomic.Bool            // changes rejected at the size limit are not in the index yet
	fileFault atomic.Pointer[string] // why the database's file is not in its place; nil: it is
}

// Stamp returns the next stamp. Stamps order observations of the file system: this one is
// later than that of every listing begun so far, and earlier than that of any begun later.
func (c *core) Stamp() uint64 { return c.stamps.Add(1) }

func (c *core) allRoots() []*root {
	if list := c.rootList.Load(); list != nil {
		return *list
	}
	return nil
}

// Roots returns the paths of the roots, sorted.
func (c *core) Roots() []string { return c.Touched(nil) }

// Touched returns the roots that an answer about dirs touches; no dirs stand for all.
func (c *core) Touched(dirs []string) (list []string) {
	for _, r := range c.allRoots() {
		if touches(r.path, dirs) {
			list = append(list, r.path)
		}
	}
	return list
}

// touches reports whether a root lies in, contains or is one of dirs; no dirs stand for
// all.
func touches(root string, dirs []string) bool {
	for _, d := range dirs {
		if mounts.Within(d, root) || mounts.Within(root, d) {
			return true
		}
	}
	return len(dirs) == 0
}

// rootOf returns the root that p is or lies in, nil if there is none.
func (c *core) rootOf(p string) *root {
	for _, r := range c.allRoots() {
		if mounts.Within(p, r.path) {
			return r
		}
	}
	return nil
}

// Within reports whether p is a root or lies in one.
func (c *core) Within(p string) bool { return c.rootOf(p) != nil }

// rootAt returns the root at exactly this path, nil if there is none.
func (c *core) rootAt(dir string) *root {
	if r := c.rootOf(dir); r != nil && r.path == dir {
		return r
	}
	return nil
}

func (c *core) isRoot(dir string) bool { return c.rootAt(dir) != nil }

func (c *core) allComplete() bool {
	list := c.rootList.Load()
	return list != nil && !slices.ContainsFunc(*list, func(r *root) bool { return !r.record().Complete })
}

// isExcluded reports whether a rule excludes a directory, or it lies in no root.
func (c *core) isExcluded(dir string) bool {
	r := c.rootOf(dir)
	if r == nil {
		return true
	}
	_, excluded := c.rules.Load().Below(r.path, dir)
	return excluded
}

// tooLarge is the reason of degraded at the size limit.
const tooLarge = "the database is as large as it may become (max-size)"

// degraded says what is wrong with the database, "" for nothing.
func (c *core) degraded() string {
	why := c.writer.Failure()
	if why == "" && c.full.Load() {
		why = tooLarge
	}
	if fault := c.fileFault.Load(); fault != nil {
		why = cmp.Or(why, *fault)
	}
	return why
}

// reportDegraded calls Config.Degraded. It is called after each change of degraded.
func (c *core) reportDegraded() {
	if c.cfg.Degraded != nil {
		c.cfg.Degraded(c.degraded())
	}
}

// Stored returns the header of a directory as it stands in the index, and its volume. ok is
// false if the index has none.
func (c *core) Stored(dir string) (h record.Header, v record.Volume, ok bool, err error) {
	key, m, err := c.mounts.Load().key(dir)
	if err != nil {
		return h, v, false, nil
	}
	err = c.st.View(func(sn *store.Snap) error {
		rec, found, err := sn.Record(key)
		if ok = found && err == nil; ok {
			h = *rec.Header()
		}
		return err
	})
	return h, m.volume, ok, err
}

// MountIDs returns, by their numbers in /proc/self/mountinfo, on which mounts the
// directories of each volume are found now.
func (c *core) MountIDs() map[record.Volume]uint64 {
	ids := make(map[record.Volume]uint64)
	for _, m := range c.mounts.Load().byLen {
		ids[m.volume] = uint64(m.mount.ID)
	}
	return ids
}
