package main

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"indexd/internal/access"
	"indexd/internal/indexer"
	"indexd/internal/query/exec"
	"indexd/ipc/server"
	"indexd/ipc/wire"
	"indexd/listing"
	"indexd/store/record"
)

// principal is the user that a request comes from, with what it may see and do. It is
// made for one answer.
type principal struct {
	d   *daemon
	uid uint32
	// all says that it may see everything: root and the daemon's own user.
	all bool
	// admin says that it may request anything and see totals: all, and members of the
	// admin group, who nevertheless see only what their permissions allow.
	admin bool

	view *access.View // nil if all
}

// principal returns the principal for a peer. If since is not zero, its rights are
// decided only by what was read from the file system after that moment.
func (d *daemon) principal(p server.Peer, since time.Time) *principal {
	pr := &principal{d: d, uid: p.UID, all: p.UID == 0 || p.UID == uint32(os.Geteuid())}
	pr.admin = pr.all || d.cfg.AdminGID >= 0 && p.In(uint32(d.cfg.AdminGID))
	if !pr.all {
		pr.view = d.stats.View(p.Credentials, since)
	}
	return pr
}

// lists reports whether the principal may list the directory that is at dir now.
func (pr *principal) lists(dir string) bool { return pr.all || pr.view.CanList(dir) }

// enters reports whether the principal may list dir or something below it.
func (pr *principal) enters(dir string) bool { return pr.all || pr.view.CanEnter(dir) }

// roots returns the roots that the principal may know of.
func (pr *principal) roots() []string {
	roots := pr.d.x.Roots()
	return slices.DeleteFunc(roots, func(r string) bool { return !pr.enters(r) })
}

// sees reports whether the principal could find out itself whether path p exists: it may
// list the parent directory or p itself. A root must only be reachable.
func (pr *principal) sees(p string) bool {
	return pr.lists(path.Dir(p)) || pr.lists(p) || slices.Contains(pr.d.x.Roots(), p) && pr.enters(p)
}

// visibility returns how much of a directory, as the index has it, the principal may
// see. A directory that has changed since it was listed is listed again first.
func (pr *principal) visibility(ctx context.Context, dir string) (access.Visibility, error) {
	if pr.all {
		return access.Full, nil
	}
	v := pr.viewer()
	for {
		s, err := pr.visibilityNow(dir)
		if err != nil {
			return s, err
		}
		if dirs, err := v.Again(ctx); err != nil || len(dirs) == 0 {
			return s, err
		}
	}
}

// visibilityNow is visibility without listing again.
func (pr *principal) visibilityNow(dir string) (access.Visibility, error) {
	h, volume, ok, err := pr.d.x.Stored(dir)
	if err != nil || !ok {
		return access.None, err
	}
	o := h.Origin()
	s := stored(&o, pr.d.x.MountIDs()[volume])
	return pr.view.PathChecker(nil).Visibility(dir, &s), nil
}

// relistWait is how long one answer waits in all for directories that have changed to
// be listed again.
const relistWait = time.Second

// viewer implements exec.Viewer for a principal that may not see everything. Only Look
// and the function that it returns may be called from other goroutines than the
// answer's.
type viewer struct {
	pr     *principal
	mounts map[record.Volume]uint64
	tried  map[string]bool // directories that were listed again for this answer
	waited time.Duration
	missed []wire.Stale // directories that may be listed and are not shown; a sample
}

var _ exec.Viewer = (*viewer)(nil)

func (pr *principal) viewer() *viewer {
	return &viewer{pr: pr, mounts: pr.d.x.MountIDs(), tried: make(map[string]bool)}
}

func stored(o *record.Origin, mount uint64) access.Stored {
	return access.Stored{Ino: o.Ino, Ctime: o.Ctime, Stamp: o.Stamp, Doc: o.Doc, Mount: mount, Failed: o.Failed, NoACL: o.NoACL}
}

// Look implements exec.Viewer.
func (v *viewer) Look(ahead exec.Ahead) func(dir string, key record.Key, o *record.Origin) access.Visibility {
	var (
		volume record.Volume // of the last directory
		mount  uint64
		next   access.Stored // reused
	)
	walk := v.pr.view.PathChecker(func(add func(string, *access.Stored) bool) {
		ahead(func(dir string, o *record.Origin) bool {
			next = stored(o, mount)
			return add(dir, &next)
		})
	})
	return func(dir string, key record.Key, o *record.Origin) access.Visibility {
		if k := key.Volume(); k != volume || mount == 0 {
			volume, mount = k, v.mounts[k]
		}
		s := stored(o, mount)
		return walk.Visibility(dir, &s)
	}
}

// Lists implements exec.Viewer.
func (v *viewer) Lists(dir string) bool { return v.pr.lists(dir) }

// Again implements exec.Viewer. Directories that the principal may list, but that were
// not shown because they have changed, are listed again once.
func (v *viewer) Again(ctx context.Context) ([]string, error) {
	dirs, more := v.pr.view.Changed()
	slices.Sort(dirs)
	dirs = slices.DeleteFunc(dirs, func(dir string) bool {
		if v.tried[dir] || more || v.waited >= relistWait {
			s := wire.Stale{Path: dir, Reason: wire.StalePending}
			if len(v.missed) < maxMissed && !slices.Contains(v.missed, s) {
				v.missed = append(v.missed, s)
			}
			return true
		}
		v.tried[dir] = true
		return false
	})
	if len(dirs) == 0 {
		return nil, nil
	}
	x, begun := v.pr.d.x, time.Now()
	resume := server.Waiting(ctx)
	tooLate := errors.New("listing again takes too long")
	wait, cancel := context.WithTimeoutCause(ctx, relistWait-v.waited, tooLate)
	defer cancel()
	stamp := x.Stamp()
	err := x.Relist(wait, dirs)
	if err != nil && !errors.Is(err, tooLate) {
		return nil, err
	}
	if err := resume(); err != nil {
		return nil, err
	}
	v.pr.view.Relisted(dirs, stamp)
	v.mounts = x.MountIDs()
	v.waited += time.Since(begun)
	return dirs, nil
}

// maxMissed bounds viewer.missed.
const maxMissed = 4

// explain returns what the principal may know of indexer.Explain's result. For a path
// that it could not examine itself, the answer is the same as for a path that does not
// exist. hidden says that p is a directory whose contents it may not see.
func (pr *principal) explain(ctx context.Context, p string) (e indexer.Explanation, hidden bool, err error) {
	if pr.all {
		e, err = pr.d.x.Explain(p)
		return e, false, err
	}
	none := indexer.Explanation{Path: p, Reason: wire.NotIndexed}
	up := path.Dir(p)
	isRoot := slices.Contains(pr.d.x.Roots(), p)
	if !(isRoot && pr.enters(p)) && !(p != "/" && pr.lists(up)) {
		return none, false, nil
	}
	if pr.d.x.Within(up) && p != up && !isRoot {
		// Nothing stored is shown of a directory that has changed since it was listed.
		_, _, known, err := pr.d.x.Stored(up)
		if err != nil {
			return none, false, err
		}
		if known {
			switch s, err := pr.visibility(ctx, up); {
			case err != nil:
				return none, false, err
			case s != access.Full && s != access.List:
				none.Reason = up + " has changed since it was listed"
				return none, false, nil
			}
		}
	}
	if e, err = pr.d.x.Explain(p); err != nil {
		return none, false, err
	}
	if e.Root == "" {
		e.Reason = outsideRoots(pr.roots())
		return e, false, nil
	}
	if e.Offline != "" && e.Offline != p { // only principals that see everything know of that
		return none, false, nil
	}
	if !pr.enters(e.Root) {
		e.Root, e.Verified = "", time.Time{}
	}
	if e.SameAs != "" && !pr.enters(e.SameAs) {
		e.Reason = strings.Replace(e.Reason, e.SameAs, "another", 1)
	}
	if !e.Indexed || e.Type != listing.Dir {
		return e, false, nil
	}
	switch s, err := pr.visibility(ctx, p); {
	case err != nil:
		return none, false, err
	case e.Offline != "": // the directory exists, but its stored contents are hidden
	case s == access.Full || s == access.List || e.Dir != p && pr.lists(p):
		return e, false, nil
	}
	return indexer.Explanation{Path: p, Indexed: true, Root: e.Root, Type: e.Type, Verified: e.Verified}, true, nil
}

// outsideRoots explains why a path is not in the index to a principal that may know of
// these roots.
func outsideRoots(roots []string) string {
	if len(roots) == 0 {
		return "outside every root"
	}
	return "outside every root: " + strings.Join(roots, ", ")
}
