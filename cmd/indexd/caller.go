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

// caller is who asks, and what it may see and do, for one answer.
type caller struct {
	d   *daemon
	uid uint32
	// all: it may see everything. That are root and the daemon's own user.
	all bool
	// admin: it may have anything done, and see how much there is in all. That are
	// those who may see everything and the admin group, who may not for that.
	admin bool

	view *access.View // nil where all
}

// caller says what p may see. since, if not zero, is a moment before which nothing
// that decides may have been looked at.
func (d *daemon) caller(p server.Peer, since time.Time) *caller {
	c := &caller{d: d, uid: p.UID, all: p.UID == 0 || p.UID == uint32(os.Geteuid())}
	c.admin = c.all || d.cfg.AdminGID >= 0 && p.In(uint32(d.cfg.AdminGID))
	if !c.all {
		c.view = d.stats.View(p.Credentials, since)
	}
	return c
}

// lists reports whether the caller may list what is at dir now.
func (c *caller) lists(dir string) bool { return c.all || c.view.CanList(dir) }

// enters reports whether it may list that, or something in it.
func (c *caller) enters(dir string) bool { return c.all || c.view.CanEnter(dir) }

// roots are those that the caller may know of.
func (c *caller) roots() []string {
	roots := c.d.x.Roots()
	return slices.DeleteFunc(roots, func(r string) bool { return !c.enters(r) })
}

// sees reports whether the caller could find out itself whether there is anything
// at a path: it may list the directory that it is in, or, if it is a directory,
// itself; of a root it is enough to reach it.
func (c *caller) sees(p string) bool {
	return c.lists(path.Dir(p)) || c.lists(p) || slices.Contains(c.d.x.Roots(), p) && c.enters(p)
}

// sight is what the caller may be shown of what the index has of a directory. Where
// that is not what is there now it is listed again first.
func (c *caller) sight(ctx context.Context, dir string) (access.Visibility, error) {
	if c.all {
		return access.Full, nil
	}
	v := c.viewer()
	for {
		s, err := c.sightNow(dir)
		if err != nil {
			return s, err
		}
		if dirs, err := v.Again(ctx); err != nil || len(dirs) == 0 {
			return s, err
		}
	}
}

// sightNow is sight without listing again.
func (c *caller) sightNow(dir string) (access.Visibility, error) {
	h, volume, ok, err := c.d.x.Stored(dir)
	if err != nil || !ok {
		return access.None, err
	}
	o := h.Origin()
	s := stored(&o, c.d.x.MountIDs()[volume])
	return c.view.PathChecker(nil).Visibility(dir, &s), nil
}

// relistWait is how long an answer waits in all for directories to be listed again
// that changed since they were.
const relistWait = time.Second

// viewer is exec.Viewer for a caller who may not see all. But for Look and what it
// returns it is for the answer's goroutine.
type viewer struct {
	c      *caller
	mounts map[record.Volume]uint64
	tried  map[string]bool // directories that were listed again for it
	waited time.Duration
	missed []string // directories that the caller may list and that are not shown, a sample
}

var _ exec.Viewer = (*viewer)(nil)

func (c *caller) viewer() *viewer {
	return &viewer{c: c, mounts: c.d.x.MountIDs(), tried: make(map[string]bool)}
}

func stored(o *record.Origin, mount uint64) access.Stored {
	return access.Stored{Ino: o.Ino, Ctime: o.Ctime, Stamp: o.Stamp, Doc: o.Doc, Mount: mount, Failed: o.Failed, NoACL: o.NoACL}
}

// Look is exec.Viewer's.
func (v *viewer) Look(ahead exec.Ahead) func(dir string, key record.Key, o *record.Origin) access.Visibility {
	var (
		volume record.Volume // of the last directory
		mount  uint64
		next   access.Stored // its memory is used again
	)
	walk := v.c.view.PathChecker(func(add func(string, *access.Stored) bool) {
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

// Lists is exec.Viewer's.
func (v *viewer) Lists(dir string) bool { return v.c.lists(dir) }

// Again is exec.Viewer's. What the caller could list, and was not shown since it
// had changed, is listed again, once.
func (v *viewer) Again(ctx context.Context) ([]string, error) {
	dirs, more := v.c.view.Changed()
	slices.Sort(dirs)
	dirs = slices.DeleteFunc(dirs, func(dir string) bool {
		if v.tried[dir] || more || v.waited >= relistWait {
			if len(v.missed) < maxMissed && !slices.Contains(v.missed, dir) {
				v.missed = append(v.missed, dir)
			}
			return true
		}
		v.tried[dir] = true
		return false
	})
	if len(dirs) == 0 {
		return nil, nil
	}
	x, begun := v.c.d.x, time.Now()
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
	v.c.view.Relisted(dirs, stamp)
	v.mounts = x.MountIDs()
	v.waited += time.Since(begun)
	return dirs, nil
}

// maxMissed bounds viewer.missed.
const maxMissed = 4

// stale is what is to be said of what was missed.
func (v *viewer) stale() (list []wire.Stale) {
	for _, dir := range v.missed {
		list = append(list, wire.Stale{Path: dir, Reason: wire.StalePending})
	}
	return list
}

// explain is indexer.Explain as far as the caller may know it: of what it could not
// find out about itself it is told what it is told of what is not there.
func (c *caller) explain(ctx context.Context, p string) (e indexer.Explanation, hidden bool, err error) {
	if c.all {
		e, err = c.d.x.Explain(p)
		return e, false, err
	}
	none := indexer.Explanation{Path: p, Reason: wire.NotIndexed}
	up := path.Dir(p)
	isRoot := slices.Contains(c.d.x.Roots(), p)
	if !(isRoot && c.enters(p)) && !(p != "/" && c.lists(up)) {
		return none, false, nil
	}
	if c.d.x.Within(up) && p != up && !isRoot {
		// Of a directory that is not as it was listed nothing stored is told.
		_, _, known, err := c.d.x.Stored(up)
		if err != nil {
			return none, false, err
		}
		if known {
			switch s, err := c.sight(ctx, up); {
			case err != nil:
				return none, false, err
			case s != access.Full && s != access.List:
				none.Reason = up + " has changed since it was listed"
				return none, false, nil
			}
		}
	}
	if e, err = c.d.x.Explain(p); err != nil {
		return none, false, err
	}
	if e.Root == "" {
		e.Reason = outsideRoots(c.roots())
		return e, false, nil
	}
	if e.Offline != "" && e.Offline != p { // of that only who sees all is told
		return none, false, nil
	}
	if !c.enters(e.Root) {
		e.Root, e.Verified = "", time.Time{}
	}
	if e.SameAs != "" && !c.enters(e.SameAs) {
		e.Reason = strings.Replace(e.Reason, e.SameAs, "another", 1)
	}
	if !e.Indexed || e.Type != listing.Dir {
		return e, false, nil
	}
	switch s, err := c.sight(ctx, p); {
	case err != nil:
		return none, false, err
	case e.Offline != "": // the directory is there, what answers have of it is not for the caller
	case s == access.Full || s == access.List || e.Dir != p && c.lists(p):
		return e, false, nil
	}
	return indexer.Explanation{Path: p, Indexed: true, Root: e.Root, Type: e.Type, Verified: e.Verified}, true, nil
}

// outsideRoots says why a path is not in the index, to who may know of these roots.
func outsideRoots(roots []string) string {
	why := "outside every root"
	for i, r := range roots {
		if i == 0 {
			why += ":"
		} else {
			why += ","
		}
		why += " " + r
	}
	return why
}
