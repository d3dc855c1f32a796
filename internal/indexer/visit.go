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

// visit is called on a worker with the entries of a directory. What is kept of them is
// encoded here, on every processor, and handed to the one writer. Only then does the pool
// get the children, so that a parent is always applied before its children.
func (t *task) visit(r *walker.Result) []string {
	s := t.s
	if r.Err != nil {
		t.visitError(r)
		return nil
	}
	if r.Last {
		defer s.inflight.end(r.Dir)
	}
	key, err := s.keyOf(r.Dir, r.MountID)
	if err != nil {
		s.relist(t.currentEpoch(), path.Dir(r.Dir))
		return nil
	}
	plan := t.plan(r.Dir)
	plan.alone, plan.trees = t.alone, t.trees
	encoded := record.Encode(r.Listing, plan.keep, plan.descend)
	root, dir, stat := s.rootOf(r.Dir), r.Dir, r.Listing.Dir
	mountPoint := key.Rel() == "" && r.Last && !s.isRoot(dir)
	var applied store.Applied
	it := commit.Item{
		Bytes: encoded.Size() + len(key) + 512, Held: root.unwrittenCounter(),
		Do: func(tx *store.Tx) (err error) {
			if applied, err = tx.Apply(key, encoded); err != nil {
				return err
			}
			return plan.enter(tx)
		},
		Reserve: func() commit.Reserve { return commit.ReserveFor(&applied) },
		Done: func(err error) {
			s.written(root, &applied, err)
			plan.committed(&applied, err)
			if mountPoint {
				s.updateMountParent(t.currentEpoch(), dir, &stat)
			}
		},
	}
	entries := len(r.Entries)
	if r.Dir == t.alone {
		t.aloneEntries += int64(entries) // one part after another
	}
	put := s.writer.Put
	if len(plan.children) > 0 && s.full.Load() {
		put = s.writer.PutAndWait // nothing is listed below a rejected listing
	}
	if put(s.ctx, it) != nil {
		return nil // it was rejected, or the daemon is stopping
	}
	if r.First {
		s.progress.dirs.Add(1)
	}
	s.progress.entries.Add(uint64(entries))
	if r.Last {
		t.eachUser(func(u jobs.User) { u.DirListed(r.Worker, r.Dir, entries) })
	}
	return plan.children
}

// updateMountParent lists the directory that a mount point lies in again, if its listing
// has another stat of the mount point than the mounted directory's own listing. Within one
// volume the store does this.
func (s *scheduler) updateMountParent(epoch uint64, dir string, now *listing.Stat) {
	var e listing.Entry
	var ok bool
	err := s.st.View(func(sn *store.Snap) (err error) {
		e, ok, err = s.entry(sn, dir)
		return err
	})
	if err == nil && ok && (e.Ino != now.Ino || e.Size != now.Size || e.Mtime != now.Mtime || e.Mode != now.Mode ||
		e.UID != now.UID || e.GID != now.GID) {
		s.relist(epoch, path.Dir(dir))
	}
}

// visitError records that a directory could not be listed: its last listing stays, marked.
// If the directory does not exist, its parent is listed again, whose listing removes it (an
// event or an error is never more than a hint).
func (t *task) visitError(r *walker.Result) {
	s := t.s
	defer s.inflight.end(r.Dir)
	if errors.Is(r.Err, walker.ErrCancelled) {
		return
	}
	errno := syscall.EIO // a panic, a stuck mount
	errors.As(r.Err, &errno)
	root := s.rootOf(r.Dir)
	if key, err := s.keyOf(r.Dir, 0); err == nil {
		s.putError(root, key, errno)
	}
	gone := errno == syscall.ENOENT || errno == syscall.ENOTDIR || errno == syscall.ELOOP
	switch {
	case gone:
		s.unwatch(r.Dir)
	case errno != syscall.EACCES && root != nil:
		root.unwatched.Add(1) // perhaps
	}
	switch {
	case !gone || s.isRoot(r.Dir):
	case r.Dir == t.alone:
		t.climb(r.Job)
	default:
		s.relist(t.currentEpoch(), path.Dir(r.Dir))
	}
}

// putError stores that a directory of a root, which may be nil, could not be listed.
func (s *scheduler) putError(r *root, key record.Key, errno syscall.Errno) {
	stamp, now := s.Stamp(), time.Now()
	_ = s.writer.Put(s.ctx, commit.Item{
		Bytes: 512, Held: r.unwrittenCounter(),
		Do: func(tx *store.Tx) error {
			_, err := tx.SetError(key, stamp, uint16(errno), now)
			return err
		},
		Reserve: func() commit.Reserve { return commit.Change },
		Done:    func(err error) { s.written(r, &store.Applied{}, err) },
	})
}

// climb continues with the directory above alone, which does not exist any more: only the
// listing of that directory removes it, and whoever waits for the task waits for this.
func (t *task) climb(walk *walker.Job) {
	if len(t.trees) > 0 {
		t.trees = []string{t.alone} // in case it exists again
	}
	t.alone, t.aloneEntries = path.Dir(t.alone), 0
	_ = walk.Add(t.alone) // it fails if the walk was cancelled: nobody waits then
}

// A listingPlan decides what becomes of the entries of one listing.
type listingPlan struct {
	task   *task
	alone  string   // the task's, at the time
	trees  []string // likewise
	dir    string
	rules  *rules.Set
	mounts []childMount // on children of dir

	children []string // to be listed next: names, valid as long as the listing
	entered  []string // paths of children on which another volume is mounted
	unknown  []string // those of entered that were never listed
}

// plan returns a plan for a listing of dir alone.
func (t *task) plan(dir string) *listingPlan {
	return &listingPlan{task: t, alone: dir, dir: dir, rules: t.s.rules.Load(), mounts: t.s.mounts.Load().children[dir]}
}

// keep reports whether an entry is indexed at all.
func (p *listingPlan) keep(e *listing.Entry) bool {
	isDir := e.Type() == listing.Dir
	if p.task.s.isTemporary(p.dir, e.Name) {
		return false
	}
	if _, excluded := p.rules.Child(p.dir, e.Name, isDir); excluded {
		return false
	}
	if isDir && len(p.mounts) > 0 {
		m, ok := childMountAt(p.mounts, e.Name)
		return !ok || m.kind != pruned
	}
	return true
}

// descend reports whether a child directory that is kept is listed in the same volume. It
// notes which children the walk lists next.
func (p *listingPlan) descend(e *listing.Entry) bool {
	m, isMount := childMountAt(p.mounts, e.Name)
	if isMount && m.kind == alias {
		return false
	}
	if isMount {
		p.entered = append(p.entered, join(p.dir, e.Name))
	}
	if p.dir != p.alone || slices.Contains(p.trees, join(p.dir, e.Name)) {
		p.children = append(p.children, e.Name)
	}
	return !isMount
}

// enter marks the root of each volume mounted on a child as pending, if it was never
// listed, in the transaction of the listing that shows it.
func (p *listingPlan) enter(tx *store.Tx) error {
	p.unknown = p.unknown[:0]
	for _, dir := range p.entered {
		key, _, err := p.task.s.mounts.Load().key(dir)
		if err != nil {
			continue // unmounted meanwhile
		}
		_, ok, err := tx.Snap().Record(key)
		if err == nil && !ok {
			p.unknown = append(p.unknown, dir)
			err = tx.PutPending(key, store.Pending{Subtree: true})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// committed follows up what the store found: new children that this walk does not list are
// listed by another one, and directories that the store has doubts about are listed again.
func (p *listingPlan) committed(a *store.Applied, err error) {
	if err != nil {
		return // the writer logs it; the directory is still pending
	}
	s, epoch := p.task.s, p.task.currentEpoch()
	s.claimWatch(epoch, p.dir, a)
	if a.Again != nil {
		if dir, ok := s.mounts.Load().pathOf(a.Again); ok {
			s.relist(epoch, dir)
		}
	}
	for _, name := range a.Relist {
		s.relist(epoch, join(p.dir, name))
	}
	if p.dir != p.alone {
		return
	}
	for _, name := range a.NewDirs {
		if child := join(p.dir, name); !slices.Contains(p.trees, child) {
			s.discover(epoch, child)
		}
	}
	for _, dir := range p.unknown {
		if !slices.Contains(p.trees, dir) {
			s.discover(epoch, dir)
		}
	}
}
