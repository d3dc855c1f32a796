package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"indexd/ipc"
	"indexd/store"
	"indexd/store/synth"
)

// store makes a synthetic database and asks a daemon over it.
func (b *bench) store() error {
	root := filepath.Join(b.dir, "synthetic")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	// The daemon enters its volume and its root in an empty database; the tree
	// is then laid below that root, and nobody looks whether it is there.
	quiet := []string{"--sweep-interval", "0", root}
	d, err := b.start("store", quiet...)
	if err != nil {
		return err
	}
	if err := d.ready(b.ctx); err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	took, err := b.load(d.db, root)
	if err != nil {
		return err
	}
	start := time.Now()
	if d, err = b.start("store", quiet...); err != nil {
		return err
	}
	defer d.stop()
	if err := d.answers(b.ctx); err != nil {
		return err
	}
	one := &ipc.FindRequest{Limit: 1}
	if _, err := d.client.Find(b.ctx, one, func(*ipc.Row) error { return nil }); err != nil {
		return err
	}
	first := time.Since(start)
	status, err := d.client.Status(b.ctx)
	if err != nil {
		return err
	}
	fmt.Printf("| %d entries, %d directories | |\n| --- | --- |\n", status.Entries, status.Dirs)
	fmt.Printf("| fed through Prepare and Apply in | %s |\n", took.Round(time.Millisecond))
	fmt.Printf("| database, bytes an entry | %.1f |\n", float64(status.DB.Size)/float64(status.Entries))
	fmt.Printf("| from exec to the first answer | **%s** |\n", show(first))
	for _, q := range []struct {
		name string
		req  ipc.FindRequest
	}{
		{"count of a substring, full scan", ipc.FindRequest{Terms: ipc.Texts{"read"}, Count: true}},
		{"count of a regex", ipc.FindRequest{Terms: ipc.Texts{`\.go$`}, Mode: "regex", Count: true}},
		{"size:>1G, count", ipc.FindRequest{Filters: ipc.Texts{"size:>1G"}, Count: true}},
		{"--sort size -n 20", ipc.FindRequest{Sort: "size", Limit: 20}},
	} {
		var times []time.Duration
		var count int64
		for range 2*b.pairs + 1 {
			start := time.Now()
			t, err := d.client.Find(b.ctx, &q.req, func(*ipc.Row) error { return nil })
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			times, count = append(times, time.Since(start)), t.Count
		}
		fmt.Printf("| %s (%d), a new connection, median | **%s** |\n", q.name, count, show(median(times[1:])))
	}
	fmt.Printf("| anonymous memory after it | **%.1f MiB** |\n", float64(d.proc("RssAnon"))/1024)
	return nil
}

// load feeds the synthetic tree to the store as a volume of its own, mounted at
// root when it was last seen.
func (b *bench) load(db, root string) (time.Duration, error) {
	s, err := store.Open(db, store.Options{})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	v, err := synth.NewVolume(s, root)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	_, err = synth.Tree{Seed: 1, Entries: b.synth}.Load(s, v, synth.Options{Bulk: true})
	return time.Since(start), err
}
