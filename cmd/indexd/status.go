package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"indexd/internal/indexer"
	"indexd/internal/watch"
	"indexd/ipc"
	"indexd/ipc/server"
	"indexd/listing"
	"indexd/store"
)

// Status is server.Daemon's.
func (d *daemon) Status(context.Context, server.Peer) (ipc.Status, error) {
	s, err := d.x.Status()
	if err != nil {
		return ipc.Status{}, problem(err)
	}
	var stats store.Stats
	err = d.st.View(func(sn *store.Snap) (err error) {
		stats, err = sn.Stats()
		return err
	})
	if err != nil {
		return ipc.Status{}, problem(err)
	}
	w := ipc.Status{
		Version: version, PID: os.Getpid(), Uptime: time.Since(d.begun).Seconds(),
		Ready: s.Ready, Pending: s.Pending, Clock: d.clock(stats.Clock), Workers: s.Workers,
		DB:     ipc.StatusDB{Path: d.st.Path(), Size: stats.Size, Free: stats.Free, Fresh: int64(d.st.FreshCount())},
		Watch:  d.watching(),
		Memory: memory(),
		Roots:  []ipc.Root{},
		Jobs:   d.jobs(func(j *indexer.JobInfo) bool { return j.Ended.IsZero() }),
	}
	for i := range s.Roots {
		r := d.wireRoot(&s.Roots[i])
		w.Entries += r.Entries
		w.Dirs += r.Dirs
		w.Watch.Needed += r.Dirs
		w.Roots = append(w.Roots, r)
	}
	if d.src != nil {
		w.Watch.Sysctl = fmt.Sprintf("%s=%d", watch.Sysctl, watch.Needed(int(w.Watch.Needed), d.cfg.WatchShare))
		if w.Watch.Needed <= w.Watch.Limit {
			w.Watch.Sysctl = ""
		}
	}
	return w, nil
}

// watching says what is watched; what would be needed is still to be counted.
func (d *daemon) watching() ipc.StatusWatch {
	if d.src == nil {
		return ipc.StatusWatch{Backend: "off"}
	}
	s := d.src.Status()
	return ipc.StatusWatch{Backend: "inotify", Watches: int64(s.Watches), Limit: int64(s.Budget), Overflows: int64(s.Overflows)}
}

func (d *daemon) wireRoot(r *indexer.RootStatus) ipc.Root {
	w := ipc.Root{
		Path: r.Path, State: string(r.State),
		Entries: int64(r.Entries), Dirs: int64(r.Dirs), Bytes: r.Bytes,
		NamesVerified: timePtr(r.Names), MetadataVerified: timePtr(r.Metadata),
	}
	w.LiveDirs = int64(r.LiveDirs)
	if d.cfg.SweepInterval > 0 {
		w.SweptDirs = w.Dirs - w.LiveDirs
	}
	if r.State == indexer.Offline {
		w.Offline = w.Dirs
	}
	return w
}

// memory is what the kernel says of this process, zero where it does not.
func memory() (m ipc.StatusMem) {
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
func (d *daemon) Explain(_ context.Context, _ server.Peer, path string) (ipc.Explanation, error) {
	e, err := d.x.Explain(path)
	if err != nil {
		return ipc.Explanation{}, problem(err)
	}
	w := ipc.Explanation{
		Path: e.Path, Indexed: e.Indexed, Reason: e.Reason, Root: e.Root,
		Pending: e.Pending, Listed: timePtr(e.Listed), Error: e.Err, Entries: int64(e.Entries),
	}
	if e.Indexed {
		if e.Type != listing.Unknown {
			w.Type = string(rune(e.Type.Letter()))
		}
		switch {
		case e.Watched:
			w.Coverage = "watched"
		case d.cfg.SweepInterval > 0:
			w.Coverage = "swept"
		default:
			w.Coverage = "none"
		}
		if !e.Verified.IsZero() {
			w.Notes = append(w.Notes, "names verified at "+e.Verified.Format(time.RFC3339))
		}
	}
	return w, nil
}

// Check is server.Daemon's.
func (d *daemon) Check(ctx context.Context, p server.Peer, req *ipc.CheckRequest, each func(*ipc.Difference) error, progress func(ipc.CheckResult) error) (sum ipc.CheckResult, err error) {
	paths := []string{req.Path}
	if req.Path == "" {
		s, err := d.x.Status()
		if err != nil {
			return sum, problem(err)
		}
		paths = paths[:0]
		for i := range s.Roots {
			paths = append(paths, s.Roots[i].Path)
		}
	}
	for _, path := range paths {
		before := sum
		r, err := d.x.Check(ctx, path, req.Repair, func(diff indexer.Difference) error {
			return each(&ipc.Difference{
				Path: diff.Path, Change: diff.Change, Fields: diff.Fields, Detail: diff.Detail, Repaired: req.Repair,
			})
		}, func(r indexer.CheckResult) error { return progress(checked(before, r)) })
		sum = checked(before, r)
		if err != nil {
			return sum, problem(err)
		}
	}
	return sum, nil
}

// checked adds what came of one tree to that of those before.
func checked(sum ipc.CheckResult, r indexer.CheckResult) ipc.CheckResult {
	sum.Dirs += int64(r.Dirs)
	sum.Entries += int64(r.Entries)
	sum.Differences += int64(r.Differences)
	sum.Repaired += int64(r.Repaired)
	sum.Errors += int64(r.Unreadable)
	return sum
}
