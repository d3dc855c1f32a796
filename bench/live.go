package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"indexd/internal/query"
	"indexd/ipc/wire"
)

// live measures the cost of watching and the delay until changes are visible, over the
// tree, in which it creates a directory.
func (b *bench) live() (err error) {
	if err := b.watching(); err != nil {
		return err
	}
	d, err := b.start("live", "--watch", "auto", b.tree)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.merged(b.ctx); err != nil {
		return err
	}
	status, err := d.client.Status(b.ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Join(b.tree, "var"), "indexd-bench-")
	if err != nil {
		dir, err = os.MkdirTemp(b.tree, "indexd-bench-")
	}
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("\n| %d directories watched | p50 | p99 |\n| --- | --- | --- |\n", status.Watch.Watches)
	if err := b.changes(d, dir); err != nil {
		return err
	}
	return b.atRest(d, dir)
}

// watching compares first indexes, and starts with an existing index, with watches and
// without.
func (b *bench) watching() error {
	first := func(name, watch string) side {
		return side{name, func() (time.Duration, error) {
			db := filepath.Join(b.dir, "watching-"+watch+".db")
			if err := os.Remove(db); err != nil && !errors.Is(err, os.ErrNotExist) {
				return 0, err
			}
			begun := time.Now()
			d, err := b.start("watching-"+watch, "--watch", watch, b.tree)
			if err != nil {
				return 0, err
			}
			err = d.ready(b.ctx)
			took := time.Since(begun)
			return took, errors.Join(err, d.stop())
		}}
	}
	again := func(name string, done func(*wire.Status, time.Time) bool) side {
		return side{name, func() (time.Duration, error) {
			begun := time.Now()
			d, err := b.start("watching-auto", "--watch", "auto", b.tree)
			if err != nil {
				return 0, err
			}
			err = d.ready(b.ctx)
			for err == nil {
				var status wire.Status
				if status, err = d.client.Status(b.ctx); err == nil && done(&status, begun) {
					break
				}
				time.Sleep(2 * time.Millisecond)
			}
			took := time.Since(begun)
			return took, errors.Join(err, d.stop())
		}}
	}
	with, without := first("first index with watches", "auto"), first("first index without watches", "off")
	if err := b.compare(with, without); err != nil {
		return err
	}
	fmt.Println()
	return b.compare(
		again("a start with nothing changed, to names verified", func(s *wire.Status, begun time.Time) bool {
			return s.Roots[0].NamesVerified.After(begun)
		}),
		again("the same, to all watched", func(s *wire.Status, _ time.Time) bool { return s.Roots[0].State == "live" }),
		with)
}

// changes measures the time until answers show a change, by repeating the request and by
// --sync.
func (b *bench) changes(d *daemon, dir string) error {
	const times = 200
	var plain, synced, seen, fsync []time.Duration
	ask := func(name string, sync time.Duration) (found bool, took time.Duration, err error) {
		begun := time.Now()
		req := &wire.FindRequest{Request: query.Request{Terms: []string{name}, In: []string{dir}, Count: true}, Sync: wire.Duration(sync)}
		trailer, err := d.client.Find(b.ctx, req, nil)
		return trailer.Count > 0, time.Since(begun), err
	}
	first := &wire.FindRequest{Request: query.Request{In: []string{filepath.Dir(dir)}, Limit: 1}, Sync: wire.Duration(time.Minute)}
	if _, err := d.client.Find(b.ctx, first, func(*wire.Row) error { return nil }); err != nil {
		return err
	}
	for i := range times {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		name := "change-" + strconv.Itoa(i)
		_, took, err := ask("plain-"+name, 0)
		if err != nil {
			return err
		}
		plain = append(plain, took)

		begun := time.Now()
		f, err := os.Create(filepath.Join(b.dir, "fsync"))
		if err != nil {
			return err
		}
		_, _ = f.WriteString(name)
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		fsync = append(fsync, time.Since(begun))
		time.Sleep(30 * time.Millisecond) // the machine is idle before each

		begun = time.Now()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			return err
		}
		for found := false; !found; {
			if found, _, err = ask(name, 0); err != nil {
				return err
			}
			if time.Since(begun) > 10*time.Second {
				return fmt.Errorf("%s does not show", name)
			}
		}
		seen = append(seen, time.Since(begun))
		time.Sleep(30 * time.Millisecond)

		if err := os.WriteFile(filepath.Join(dir, "synced-"+name), nil, 0o600); err != nil {
			return err
		}
		found, took, err := ask("synced-"+name, time.Minute)
		if err == nil && !found {
			err = fmt.Errorf("%s does not show after a barrier", name)
		}
		if err != nil {
			return err
		}
		synced = append(synced, took)
		time.Sleep(30 * time.Millisecond)
	}
	for _, r := range []struct {
		name string
		list []time.Duration
	}{
		{"a plain query", plain},
		{"a write and fsync of a small file", fsync},
		{"from a change until a query shows it", seen},
		{"a `--sync` query after a change", synced},
	} {
		s := slices.Sorted(slices.Values(r.list))
		fmt.Printf("| %s | **%s** | %s |\n", r.name, show(s[len(s)/2]), show(s[len(s)*99/100]))
	}
	return nil
}

// atRest measures what the daemon does while little or nothing happens.
func (b *bench) atRest(d *daemon, dir string) error {
	const rest, busy = 30 * time.Second, 60 * time.Second
	wait := func(t time.Duration) error {
		select {
		case <-time.After(t):
			return nil
		case <-b.ctx.Done():
			return b.ctx.Err()
		}
	}
	if err := wait(5 * time.Second); err != nil {
		return err
	}
	cpu := d.cpu()
	if err := wait(rest); err != nil {
		return err
	}
	share := float64(d.cpu()-cpu) / float64(rest)
	fmt.Printf("\n| at rest | |\n| --- | --- |\n| share of a processor, over %s | **%.3f %%** |\n", rest, 100*share)

	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- writeLogs(dir, stop) }()
	written := d.io("write_bytes")
	err := wait(busy)
	close(stop)
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	perHour := float64(d.io("write_bytes")-written) * float64(time.Hour/busy) / 1e6
	fmt.Printf("| written in an hour beside three busy logs, by %s of it | **%.1f MB** |\n", busy, perHour)
	return nil
}

// writeLogs appends to three files, 20 lines a second each.
func writeLogs(dir string, stop <-chan struct{}) error {
	var files [3]*os.File
	for i := range files {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("busy-%d.log", i)))
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = f
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-tick.C:
			for _, f := range files {
				if _, err := f.WriteString("a line as long as most lines of a log are, or about that\n"); err != nil {
					return err
				}
			}
		}
	}
}

// io returns a number from the daemon's /proc/PID/io.
func (d *daemon) io(field string) int64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", d.cmd.Process.Pid))
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, field+": "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}
