package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"indexd/internal/query"
	"indexd/internal/testutil/synth"
	"indexd/ipc/wire"
	"indexd/store"
	"indexd/store/record"
)

// growth measures how changes make the database grow, and how compaction affects
// concurrent requests.
func (b *bench) growth() error {
	if err := b.replaced(); err != nil {
		return err
	}
	return b.compacted()
}

// A tree for replaced: large enough for its database to consist mostly of entries.
const (
	stormDirs  = 1000
	stormFiles = 100
)

// fill creates the files of a round in a directory and removes those of the previous one.
func fill(dir string, round int) error {
	for i := range stormFiles {
		name := func(round int) string { return fmt.Sprintf("%s/%d-%d a name of a usual length.txt", dir, i, round) }
		if err := os.WriteFile(name(round), nil, 0o644); err != nil {
			return err
		}
		if round > 0 {
			if err := os.Remove(name(round - 1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// replaced replaces each entry of a watched tree three times, while a client requests
// everything and reads nothing. It then measures how long the database is more than 1.5
// times the size of a fresh one.
func (b *bench) replaced() error {
	root := filepath.Join(b.dir, "storm")
	dirs := make([]string, stormDirs)
	for d := range dirs {
		dirs[d] = fmt.Sprintf("%s/%03d/%d", root, d/50, d)
		if err := errors.Join(os.MkdirAll(dirs[d], 0o755), fill(dirs[d], 0)); err != nil {
			return err
		}
	}
	defer os.RemoveAll(root)
	d, err := b.start("storm", "--watch", "inotify", root)
	if err != nil {
		return err
	}
	defer func() { _ = d.stop() }()
	if err := d.merged(b.ctx); err != nil {
		return err
	}
	size := func(d *daemon) int64 {
		fi, err := os.Stat(d.db)
		if err != nil {
			return 0
		}
		return fi.Size()
	}
	stuck, err := net.Dial("unix", d.socket)
	if err != nil {
		return err
	}
	defer stuck.Close()
	if _, err := io.WriteString(stuck, "GET /v1/find HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	most := int64(0)
	for round := 1; round <= 3; round++ {
		for _, dir := range dirs {
			if err := fill(dir, round); err != nil {
				return err
			}
			most = max(most, size(d))
		}
	}
	ended := time.Now()
	// The size to compare with.
	fresh, err := b.start("storm-fresh", root)
	if err != nil {
		return err
	}
	if err := errors.Join(fresh.merged(b.ctx), fresh.stop()); err != nil {
		return err
	}
	want := size(fresh)
	within := time.Duration(-1)
	for time.Since(ended) < time.Minute {
		now := size(d)
		most = max(most, now)
		switch {
		case now*2 > want*3:
			within = -1
		case within < 0:
			within = time.Since(ended)
		}
		time.Sleep(100 * time.Millisecond)
	}
	// With --sync, so that the count includes everything.
	t, err := d.client.Find(b.ctx, &wire.FindRequest{Request: query.Request{Count: true}, Sync: wire.Duration(time.Minute)}, func(*wire.Row) error { return nil })
	if err != nil {
		return err
	}
	fmt.Printf("| %d entries, each replaced three times | |\n| --- | --- |\n", t.Count)
	fmt.Printf("| a fresh database | %.1f MB |\n| at most, during the storm | %.1f MB, %.2f of that |\n", mb(want), mb(most), float64(most)/float64(want))
	fmt.Printf("| a minute after it | %.1f MB, **%.2f** of that |\n", mb(size(d)), float64(size(d))/float64(want))
	fmt.Printf("| at most 1.5 of that from | %s after it on |\n", within.Round(time.Second/10))
	return nil
}

func mb(n int64) float64 { return float64(n) / 1e6 }

// compacted makes a hundred requests per second while the daemon compacts a large
// database with much free space, and for the same time while it does not.
func (b *bench) compacted() error {
	root, _, err := b.synthetic("compact", b.synth)
	if err != nil {
		return err
	}
	if err := b.hollow(filepath.Join(b.dir, "compact.db"), root); err != nil {
		return err
	}
	was, err := os.Stat(filepath.Join(b.dir, "compact.db"))
	if err != nil {
		return err
	}
	d, err := b.start("compact", append(quiet, root)...)
	if err != nil {
		return err
	}
	defer func() { _ = d.stop() }()
	if err := d.answers(b.ctx); err != nil {
		return err
	}
	done := func() bool { // another file has its name
		now, err := os.Stat(d.db)
		return err == nil && !os.SameFile(was, now)
	}
	begun := time.Now()
	during, err := b.askOften(d, func() bool { return done() || time.Since(begun) > 5*time.Minute })
	if err != nil {
		return err
	}
	if !done() {
		return errors.New("it was not compacted")
	}
	took := time.Since(begun)
	until := time.Now().Add(took)
	after, err := b.askOften(d, func() bool { return time.Now().After(until) })
	if err != nil {
		return err
	}
	status, err := d.client.Status(b.ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\n| %d entries: a hundred questions a second | p50 | p99 | at most |\n| --- | --- | --- | --- |\n", status.Entries)
	for _, row := range []struct {
		name  string
		times []time.Duration
	}{{fmt.Sprintf("while it is compacted, in %s", took.Round(time.Second/10)), during}, {"as long after it", after}} {
		slices.Sort(row.times)
		n := len(row.times)
		fmt.Printf("| %s | %s | %s | **%s** |\n", row.name, show(row.times[n/2]), show(row.times[n*99/100]), show(row.times[n-1]))
	}
	return nil
}

// hollow adds a tree to the database and removes it again, so that a third of the file is
// free.
func (b *bench) hollow(db, root string) error {
	s, err := store.Open(db, store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	v, err := synth.NewVolume(s, filepath.Join(root, "gone"))
	if err != nil {
		return err
	}
	if _, err := (synth.Tree{Seed: 2, Entries: b.synth / 2}).Load(s, v, synth.Options{Bulk: true}); err != nil {
		return err
	}
	for drop, more := true, true; more; drop = false {
		tx, err := s.Begin()
		if err != nil {
			return err
		}
		if drop {
			err = tx.Drop(record.MakeKey(v, ""), s.LastStamp()+1)
		}
		if err == nil {
			more, err = tx.PurgeTombstones(2000)
		}
		if err != nil {
			tx.Rollback()
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// askOften makes a hundred requests per second until done. It returns the latency of each
// from the time when it was due, regardless of how long the previous ones took.
func (b *bench) askOften(d *daemon, done func() bool) ([]time.Duration, error) {
	questions := []wire.FindRequest{
		{Request: query.Request{Terms: []string{rare}, Count: true}},
		{Request: query.Request{Terms: []string{rare}}},
		{Request: query.Request{Terms: []string{"readme"}, Limit: 20}},
		{Request: query.Request{Filters: []string{"size:>8G"}, Count: true}},
	}
	const every, most = 10 * time.Millisecond, 100 // under way at once
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // of the two below
		times []time.Duration
		first error
	)
	room := make(chan struct{}, most)
	begun := time.Now()
	for asked := 0; !done(); asked++ {
		due := begun.Add(time.Duration(asked) * every)
		time.Sleep(time.Until(due))
		room <- struct{}{}
		wg.Go(func() {
			q := questions[asked%len(questions)]
			_, err := d.client.Find(b.ctx, &q, func(*wire.Row) error { return nil })
			<-room
			mu.Lock()
			defer mu.Unlock()
			times = append(times, time.Since(due))
			first = cmp.Or(first, err)
		})
	}
	wg.Wait()
	return times, first
}
