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

// Status implements server.Daemon. Totals are for admins. Roots and jobs are for those
// who may know of them. Values that change with every event are for those who see
// everything.
func (d *daemon) Status(ctx context.Context, p server.Peer) (wire.Status, error) {
	pr := d.principal(p, time.Time{})
	s, err := d.x.Status()
	if err != nil {
		return wire.Status{}, problem(err)
	}
	running, err := pr.jobs(ctx, func(j *jobs.Info) bool { return j.Ended.IsZero() })
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
	for _, r := range s.Roots {
		w.Entries += r.Entries
		w.Dirs += r.Dirs
		w.Watch.Needed += r.Dirs
		if !pr.enters(r.Path) {
			continue
		}
		if !pr.admin {
			r = wire.Root{Path: r.Path, State: r.State, NamesVerified: r.NamesVerified, MetadataVerified: r.MetadataVerified}
		}
		w.Roots = append(w.Roots, r)
	}
	if !pr.admin {
		w.Restricted = true
		if w.Degraded != "" {
			w.Degraded = "the database cannot be written, or its file was moved"
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
	if q := quarantineOf(d.st); q != nil && pr.sees(string(q.Kept)) {
		w.DB.Aside = &wire.StatusAside{Path: string(q.Kept), At: q.At, Why: q.Why}
	}
	if pr.all {
		w.Clock = d.clock(stats.Clock)
	} else if !pr.sees(w.DB.Path) {
		w.DB.Path = ""
	}
	return w, nil
}

// watching returns the state of watching, without Needed.
func (d *daemon) watching() wire.StatusWatch {
	if d.src == nil {
		return wire.StatusWatch{Backend: "off", Reason: d.unwatched}
	}
	s := d.src.Status()
	return wire.StatusWatch{Backend: "inotify", Watches: int64(s.Watches), Limit: int64(s.Budget), Overflows: int64(s.Overflows)}
}

// memory returns the memory of this process; zero where the kernel does not tell.
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

// Explain implements server.Daemon.
func (d *daemon) Explain(ctx context.Context, p server.Peer, path string) (wire.Explanation, error) {
	e, hidden, err := d.principal(p, time.Time{}).explain(ctx, path)
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
			w.Notes = append(w.Notes, "the file system of "+e.Offline+" is not mounted; the index shows its last state")
		case hidden:
			w.Notes = append(w.Notes, "you may not see its contents")
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

// Check implements server.Daemon. Everyone may compare what they see; only admins may
// repair.
func (d *daemon) Check(ctx context.Context, p server.Peer, req *wire.CheckRequest, each func(*wire.Difference) error, progress func(wire.CheckResult) error) (sum wire.CheckResult, err error) {
	pr := d.principal(p, time.Now())
	if req.Repair && !pr.admin {
		return sum, wire.ErrForbidden.With("to repair the index needs root, indexd's own user or a member of its --admin-group")
	}
	paths := []string{req.Path}
	if req.Path == "" {
		paths = pr.roots()
	} else if !pr.sees(req.Path) {
		return sum, problem(indexer.ErrNotIndexed)
	}
	if !pr.all {
		each, progress = pr.checkSeen(&sum, each), func(wire.CheckResult) error { return nil }
	}
	for _, path := range paths {
		before := sum
		r, err := d.x.Check(ctx, path, req.Repair, func(diff *wire.Difference) error {
			if !pr.all && indexer.IsInternal(diff) {
				return nil
			}
			return each(diff)
		}, func(r wire.CheckResult) error { return progress(checked(before, r)) })
		if pr.all {
			sum = checked(before, r)
		} else if err == nil && pr.lists(path) {
			var dirs, entries int64
			dirs, entries, err = pr.count(ctx, path)
			sum.Dirs += dirs
			sum.Entries += entries
		}
		if err != nil {
			return sum, problem(err)
		}
	}
	return sum, nil
}

// checkSeen passes on and counts the differences that the principal may know of: what it
// sees on disk now, and what of the index a query would show it.
func (pr *principal) checkSeen(sum *wire.CheckResult, each func(*wire.Difference) error) func(*wire.Difference) error {
	return func(diff *wire.Difference) error {
		dir := filepath.Dir(diff.Path)
		if diff.Change == wire.DiffCreated {
			if !pr.lists(dir) {
				return nil
			}
		} else if visible, err := pr.visibilityNow(dir); err != nil {
			return err
		} else if visible != access.Full && (visible != access.List || diff.Change != wire.DiffRemoved) {
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
