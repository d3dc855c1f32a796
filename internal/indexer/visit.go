package indexer

import (
	"errors"
	"path"
	"slices"
	"syscall"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/internal/indexer/jobs"
	"indexd/internal/rules"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
	"indexd/walker"
)

// visit is called on a worker with what a directory holds. What is kept of it
// is encoded here, on every processor, and handed to the one writer; only then
// are its children given to the pool, so that a parent is always applied
// before its children.
func (t *task) visit(r *walker.Result) []string {
	x := t.x
	if r.Err != nil {
		t.visitError(r)
		return nil
	}
	if r.Last {
		defer x.flights.end(r.Dir)
	}
	key, err := x.keyOf(r.Dir, r.MountID)
	if err != nil {
		x.dirtyIn(t.epochNow(), path.Dir(r.Dir))
		return nil
	}
	s := &sight{
		task: t, alone: t.alone, trees: t.trees, dir: r.Dir,
		rules:  x.rules.Load(),
		mounts: x.places.Load().inside[r.Dir],
	}
	p := record.Encode(r.Listing, s.keep, s.descend)
	root := x.rootOf(r.Dir)
	it := commit.Item{Bytes: p.Size() + len(key) + 512, Held: root.counter()}
	var applied store.Applied
	it.Do = func(tx *store.Tx) (err error) {
		if applied, err = tx.Apply(key, p); err != nil {
			return err
		}
		return s.enter(tx)
	}
	it.Reserve = func() commit.Reserve { return commit.ReserveFor(&applied) }
	dir, stat := r.Dir, r.Listing.Dir
	top := key.Rel() == "" && r.Last && !x.isRoot(dir)
	it.Done = func(err error) {
		x.written(root, &applied, err)
		s.committed(&applied, err)
		if top {
			x.tellAbove(t.epochNow(), dir, &stat)
		}
	}
	files := len(r.Entries)
	if r.Dir == t.alone {
		t.aloneEntries += int64(files) // one part after another
	}
	put := x.writer.Put
	if len(s.children) > 0 && x.backfill.full.Load() {
		put = x.writer.PutAndWait // nothing is listed below a rejected listing
	}
	if put(x.ctx, it) != nil {
		return nil // it was rejected, or the daemon is stopping
	}
	x.progress.add(r.First, files)
	if r.Last {
		t.each(func(u jobs.User) { u.DirListed(r.Worker, r.Dir, files) })
	}
	return s.children
}

// tellAbove has the directory that a mount point lies in listed again, where that
// has another stat of the mount point than its own listing: in one volume the
// store sees to it.
func (x *Indexer) tellAbove(epoch uint64, dir string, now *listing.Stat) {
	var e listing.Entry
	var ok bool
	err := x.st.View(func(sn *store.Snap) (err error) {
		e, ok, err = x.entry(sn, dir)
		return err
	})
	if err == nil && ok && (e.Ino != now.Ino || e.Size != now.Size || e.Mtime != now.Mtime || e.Mode != now.Mode ||
		e.UID != now.UID || e.GID != now.GID) {
		x.dirtyIn(epoch, path.Dir(dir))
	}
}

// visitError records that a directory could not be listed: what was known of
// it stays, marked. Only where it is not there any more its parent is listed
// again, whose listing takes it out (an event or an error is never more than a
// hint).
func (t *task) visitError(r *walker.Result) {
	x := t.x
	defer x.flights.end(r.Dir)
	if errors.Is(r.Err, walker.ErrCancelled) {
		return
	}
	errno := syscall.EIO // a panic, a hung mount
	errors.As(r.Err, &errno)
	if key, err := x.keyOf(r.Dir, 0); err == nil {
		stamp, now := x.stamp(), time.Now()
		root := x.rootOf(r.Dir)
		_ = x.writer.Put(x.ctx, commit.Item{
			Bytes: 512, Held: root.counter(),
			Do: func(tx *store.Tx) error {
				_, err := tx.SetError(key, stamp, uint16(errno), now)
				return err
			},
			Reserve: func() commit.Reserve { return commit.Change },
			Done:    func(err error) { x.written(root, &store.Applied{}, err) },
		})
	}
	switch at := x.rootOf(r.Dir); {
	case gone(errno):
		x.unwatch(r.Dir)
	case errno != syscall.EACCES && at != nil:
		at.unwatched.Add(1) // perhaps
	}
	switch {
	case !gone(errno) || x.isRoot(r.Dir):
	case r.Dir == t.alone:
		t.climb(r.Job)
	default:
		x.dirtyIn(t.epochNow(), path.Dir(r.Dir))
	}
}

// climb goes on with the directory above alone, which is gone: only that one's
// listing takes it out, and who waits for the task waits for this.
func (t *task) climb(walk *walker.Job) {
	if len(t.trees) > 0 {
		t.trees = []string{t.alone} // should it be there again
	}
	t.alone, t.aloneEntries = path.Dir(t.alone), 0
	_ = walk.Add(t.alone) // an error: cancelled, nobody waits
}

// gone reports whether errno says that there is no such directory.
func gone(errno syscall.Errno) bool {
	return errno == syscall.ENOENT || errno == syscall.ENOTDIR || errno == syscall.ELOOP
}

// sight decides, for one listing, what is kept of it and what is listed next.
type sight struct {
	task   *task
	alone  string   // the task's, as it was at the listing
	trees  []string // likewise
	dir    string
	rules  *rules.Set
	mounts []mounted // on children of dir

	children []string // to be listed next: names, valid as long as the listing
	entered  []string // of them, paths on which another volume is mounted
	unknown  []string // of those, the ones that were never listed
}

// keep reports whether an entry is in the index at all.
func (s *sight) keep(e *listing.Entry) bool {
	isDir := e.Type() == listing.Dir
	if s.task.x.isFleeting(s.dir, e.Name) {
		return false
	}
	if _, no := s.rules.Child(s.dir, e.Name, isDir); no {
		return false
	}
	if isDir && len(s.mounts) > 0 {
		m, ok := mountedAt(s.mounts, e.Name)
		return !ok || m.kind != pruned
	}
	return true
}

// descend reports whether a child directory that is kept is listed in the
// same volume, and notes those that this walk goes on to.
func (s *sight) descend(e *listing.Entry) bool {
	m, isMount := mountedAt(s.mounts, e.Name)
	if isMount && m.kind == alias {
		return false
	}
	if isMount {
		s.entered = append(s.entered, join(s.dir, e.Name))
	}
	if s.dir != s.alone || slices.Contains(s.trees, join(s.dir, e.Name)) {
		s.children = append(s.children, e.Name)
	}
	return !isMount
}

// enter makes pending the root of each volume that is mounted on a child, if
// it was never listed. In the transaction of the listing that shows it.
func (s *sight) enter(tx *store.Tx) error {
	s.unknown = s.unknown[:0]
	for _, dir := range s.entered {
		key, _, err := s.task.x.places.Load().key(dir)
		if err != nil {
			continue // unmounted meanwhile
		}
		_, ok, err := tx.Snap().Record(key)
		if err == nil && !ok {
			s.unknown = append(s.unknown, dir)
			err = tx.PutPending(key, store.Pending{Subtree: true})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// committed follows up what the store found: a child that is new and is not on
// this walk's way is walked by another, and what the store wants to know better
// is listed again.
func (s *sight) committed(a *store.Applied, err error) {
	if err != nil {
		return // said by the writer; the directory is still pending
	}
	x, epoch := s.task.x, s.task.epochNow()
	x.attract(epoch, s.dir, a)
	if a.Again != nil {
		if dir, ok := x.places.Load().pathOf(a.Again); ok {
			x.dirtyIn(epoch, dir)
		}
	}
	for _, name := range a.Relist {
		x.dirtyIn(epoch, join(s.dir, name))
	}
	if s.dir != s.alone {
		return
	}
	for _, name := range a.NewDirs {
		if child := join(s.dir, name); !slices.Contains(s.trees, child) {
			x.discoveredIn(epoch, child)
		}
	}
	for _, dir := range s.unknown {
		if !slices.Contains(s.trees, dir) {
			x.discoveredIn(epoch, dir)
		}
	}
}
