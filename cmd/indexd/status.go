package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"indexd/internal/access"
	"indexd/internal/indexer"
	"indexd/internal/indexer/jobs"
	"indexd/internal/version"
	"indexd/internal/watch"
	"indexd/ipc/server"
	"indexd/ipc/wire"
	"indexd/listing"
	"indexd/store"
)

// Status is server.Daemon's. Numbers of what there is in all are for admins, the
// roots and jobs for who may know of them, and what moves with every change for who
// sees all.
func (d *daemon) Status(ctx context.Context, p server.Peer) (wire.Status, error) {
	c := d.caller(p, time.Time{})
	s, err := d.x.Status()
	if err != nil {
		return wire.Status{}, problem(err)
	}
	running, err := c.jobs(ctx, func(j *jobs.Info) bool { return j.Ended.IsZero() })
	if err != nil {
		return wire.Status{}, problem(err)
	}
	w := wire.Status{
		Version: version.Version, PID: os.Getpid(), Uptime: time.Since(d.begun).Seconds(),
		Ready: s.Ready, Degraded: s.Degraded, Pending: s.Pending, Workers: s.Workers,
		Watch: d.watching(),
		Roots: []wire.Root{},
		Jobs:  running,
	}
	for i := range s.Roots {
		r := d.wireRoot(&s.Roots[i])
		w.Entries += r.Entries
		w.Dirs += r.Dirs
		w.Watch.Needed += r.Dirs
		if !c.enters(r.Path) {
			continue
		}
		if !c.admin {
			r = wire.Root{Path: r.Path, State: r.State, NamesVerified: r.NamesVerified, MetadataVerified: r.MetadataVerified}
		}
		w.Roots = append(w.Roots, r)
	}
	if !c.admin {
		w.Restricted = true
		if w.Degraded != "" {
			w.Degraded = "the database cannot be written, or its file is not in its place"
		}
		w.Pending, w.Entries, w.Dirs = min(w.Pending, 1), 0, 0
		w.Watch = wire.StatusWatch{Backend: w.Watch.Backend}
		return w, nil
	}
	if d.src != nil {
		w.Watch.Sysctl = fmt.Sprintf("%s=%d", watch.Sysctl, watch.Needed(int(w.Watch.Needed), d.cfg.WatchShare))
		if w.Watch.Needed <= w.Watch.Limit {
			w.Watch.Sysctl = ""
		}
	}
	var stats store.Stats
	err = d.st.View(func(sn *store.Snap) (err error) {
		stats, err = sn.Stats()
		return err
	})
	if err != nil {
		return wire.Status{}, problem(err)
	}
	w.Memory = memory()
	w.DB = wire.StatusDB{Path: d.st.Path(), Size: stats.Size, Free: stats.Free, Fresh: int64(d.st.FreshCount())}
	w.DB.Max = int64(d.cfg.MaxSize)
	if s.NoRoom != nil {
		w.DB.Needs = s.NoRoom.Need
	}
	if a := asideOf(d.st); a != nil && c.sees(string(a.Kept)) {
		w.DB.Aside = &wire.StatusAside{Path: string(a.Kept), At: a.At, Why: a.Why}
	}
	if c.all {
		w.Clock = d.clock(stats.Clock)
	} else if !c.sees(w.DB.Path) {
		w.DB.Path = ""
	}
	return w, nil
}

// watching says what is watched; what would be needed is still to be counted.
func (d *daemon) watching() wire.StatusWatch {
	if d.src == nil {
		return wire.StatusWatch{Backend: "off", Reason: d.unwatched}
	}
	s := d.src.Status()
	return wire.StatusWatch{Backend: "inotify", Watches: int64(s.Watches), Limit: int64(s.Budget), Overflows: int64(s.Overflows)}
}

func (d *daemon) wireRoot(r *indexer.RootStatus) wire.Root {
	w := wire.Root{
		Path: r.Path, State: string(r.State), Reason: r.Reason,
		Entries: int64(r.Entries), Dirs: int64(r.Dirs), Bytes: r.Bytes,
		NamesVerified: timePtr(r.Names), MetadataVerified: timePtr(r.Metadata),
	}
	w.LiveDirs, w.Unreadable = int64(r.LiveDirs), int64(r.Unreadable)
	if d.cfg.SweepInterval > 0 {
		w.SweptDirs = max(w.Dirs-w.LiveDirs-int64(r.OfflineDirs), 0)
	}
	w.Offline = int64(r.OfflineDirs)
	if r.State == indexer.Offline {
		w.Offline = w.Dirs
	}
	return w
}

// memory is what the kernel says of this process, zero where it does not.
func memory() (m wire.StatusMem) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return m
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		var kib int64
		switch name {
		case "VmRSS", "RssAnon":
			if _, err := fmt.Sscan(value, &kib); err != nil {
				continue
			}
		}
		switch name {
		case "VmRSS":
			m.RSS = kib << 10
		case "RssAnon":
			m.Anonymous = kib << 10
		}
	}
	return m
}

// Explain is server.Daemon's.
func (d *daemon) Explain(ctx context.Context, p server.Peer, path string) (wire.Explanation, error) {
	e, hidden, err := d.caller(p, time.Time{}).explain(ctx, path)
	if err != nil {
		return wire.Explanation{}, problem(err)
	}
	w := wire.Explanation{
		Path: e.Path, Indexed: e.Indexed, Reason: e.Reason, Root: e.Root,
		Pending: e.Pending, Listed: timePtr(e.Listed), Error: e.Err, Entries: int64(e.Entries),
	}
	if e.Indexed {
		if e.Type != listing.Unknown {
			w.Type = string(rune(e.Type.Letter()))
		}
		switch {
		case e.Offline != "":
			w.Coverage = "none"
			w.Notes = append(w.Notes, "the file system of "+e.Offline+" is not mounted; it is as it was")
		case hidden:
			w.Notes = append(w.Notes, "what is in it is not for you to see")
		case e.Watched:
			w.Coverage = "watched"
		case d.cfg.SweepInterval > 0:
			w.Coverage = "swept"
		default:
			w.Coverage = "none"
		}
		if !e.Verified.IsZero() && e.Offline == "" {
			w.Notes = append(w.Notes, "names verified at "+e.Verified.Format(time.RFC3339))
		}
	}
	return w, nil
}

// Check is server.Daemon's. To compare is for all, each of what it sees; to repair
// for admins.
func (d *daemon) Check(ctx context.Context, p server.Peer, req *wire.CheckRequest, each func(*wire.Difference) error, progress func(wire.CheckResult) error) (sum wire.CheckResult, err error) {
	c := d.caller(p, time.Now())
	if req.Repair && !c.admin {
		return sum, wire.ErrForbidden.With("to repair the index needs root, indexd's own user or a member of its --admin-group")
	}
	paths := []string{req.Path}
	if req.Path == "" {
		paths = c.roots()
	} else if !c.sees(req.Path) {
		return sum, problem(indexer.ErrNotIndexed)
	}
	if !c.all {
		each, progress = c.checkSeen(&sum, each), func(wire.CheckResult) error { return nil }
	}
	for _, path := range paths {
		before := sum
		r, err := d.x.Check(ctx, path, req.Repair, func(diff *wire.Difference) error {
			if !c.all && indexer.IsInternal(diff) {
				return nil
			}
			return each(diff)
		}, func(r wire.CheckResult) error { return progress(checked(before, r)) })
		if c.all {
			sum = checked(before, r)
		} else if err == nil && c.lists(path) {
			var dirs, entries int64
			dirs, entries, err = c.count(ctx, path)
			sum.Dirs += dirs
			sum.Entries += entries
		}
		if err != nil {
			return sum, problem(err)
		}
	}
	return sum, nil
}

// checkSeen passes on the differences that the caller may know of, and counts them:
// of what is on disk those that it sees now, of what is stored those that it would
// find.
func (c *caller) checkSeen(sum *wire.CheckResult, each func(*wire.Difference) error) func(*wire.Difference) error {
	return func(diff *wire.Difference) error {
		dir := filepath.Dir(diff.Path)
		if diff.Change == wire.DiffCreated {
			if !c.lists(dir) {
				return nil
			}
		} else if sight, err := c.sightNow(dir); err != nil {
			return err
		} else if sight != access.Full && (sight != access.List || diff.Change != wire.DiffRemoved) {
			return nil
		}
		sum.Differences++
		return each(diff)
	}
}

// checked adds what came of one tree to that of those before.
func checked(sum, r wire.CheckResult) wire.CheckResult {
	sum.Dirs += r.Dirs
	sum.Entries += r.Entries
	sum.Differences += r.Differences
	sum.Repaired += r.Repaired
	sum.Errors += r.Errors
	return sum
}
