package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"indexd/internal/query"
	"indexd/internal/testutil/synth"
	"indexd/ipc/wire"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// quiet keeps a daemon from checking whether a synthetic tree exists.
var quiet = []string{"--sweep-interval", "0"}

// synthetic creates a database of about n entries below root, with which a daemon may be
// started.
func (b *bench) synthetic(name string, n int) (root string, took time.Duration, err error) {
	root = filepath.Join(b.dir, name+".tree")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", 0, err
	}
	// The daemon adds its volume and root to an empty database; the tree is then added
	// below that root.
	d, err := b.start(name, append(quiet, root)...)
	if err != nil {
		return "", 0, err
	}
	if err := errors.Join(d.ready(b.ctx), d.stop()); err != nil {
		return "", 0, err
	}
	took, err = b.load(d.db, root, n)
	return root, took, err
}

// store creates a synthetic database and queries a daemon over it.
func (b *bench) store() error {
	root, took, err := b.synthetic("store", b.synth)
	if err != nil {
		return err
	}
	start := time.Now()
	d, err := b.start("store", append(quiet, root)...)
	if err != nil {
		return err
	}
	defer d.stop()
	if err := d.answers(b.ctx); err != nil {
		return err
	}
	one := &wire.FindRequest{Request: query.Request{Limit: 1}}
	if _, err := d.client.Find(b.ctx, one, func(*wire.Row) error { return nil }); err != nil {
		return err
	}
	first := time.Since(start)
	status, err := d.client.Status(b.ctx)
	if err != nil {
		return err
	}
	fmt.Printf("| %d entries, %d directories | |\n| --- | --- |\n", status.Entries, status.Dirs)
	fmt.Printf("| fed through Encode and Apply in | %s |\n", took.Round(time.Millisecond))
	fmt.Printf("| database, bytes an entry | %.1f |\n", float64(status.DB.Size)/float64(status.Entries))
	fmt.Printf("| from exec to the first answer | **%s** |\n", show(first))
	for _, q := range []struct {
		name string
		req  wire.FindRequest
	}{
		{"count of a substring, full scan", wire.FindRequest{Request: query.Request{Terms: []string{"read"}, Count: true}}},
		{"count of a regex", wire.FindRequest{Request: query.Request{Terms: []string{`\.go$`}, Mode: "regex", Count: true}}},
		{"size:>1G, count", wire.FindRequest{Request: query.Request{Filters: []string{"size:>1G"}, Count: true}}},
		{"--sort size -n 20", wire.FindRequest{Request: query.Request{Sort: "size", Limit: 20}}},
	} {
		var times []time.Duration
		var count int64
		for range 2*b.pairs + 1 {
			start := time.Now()
			t, err := d.client.Find(b.ctx, &q.req, func(*wire.Row) error { return nil })
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

// rare is part of no synthetic name.
const rare = "quetzalcoatl"

// load adds the synthetic tree to the store as a volume of its own, mounted at root when
// it was last seen, along with a file with a rare name, and builds the postings.
func (b *bench) load(db, root string, n int) (took time.Duration, err error) {
	s, err := store.Open(db, store.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	start := time.Now()
	v, err := synth.NewVolume(s, root)
	if err == nil {
		_, err = synth.Tree{Seed: 1, Entries: n}.Load(s, v, synth.Options{Bulk: true})
	}
	if err == nil {
		err = errors.Join(b.loadRare(s, root, 1), b.merge(s))
	}
	return time.Since(start), err
}

// loadRare adds n directories with one file each; that of the last has a rare name.
func (b *bench) loadRare(s *store.Store, root string, n int) error {
	v, err := synth.NewVolume(s, filepath.Join(root, fmt.Sprint("rare", n)))
	if err != nil {
		return err
	}
	tx, err := s.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	stamp := s.LastStamp()
	for rel, l := range rareListings(n) {
		stamp++
		l.Stamp = stamp
		a, err := tx.Apply(record.MakeKey(v, rel), record.Encode(l, nil, nil))
		if err != nil {
			return err
		}
		if a.Stale || a.ParentMissing {
			return fmt.Errorf("%q was refused: %+v", rel, a)
		}
	}
	return tx.Commit()
}

// rareListings returns the listings of the n directories and of their parent, with their
// paths.
func rareListings(n int) iter.Seq2[string, *listing.Listing] {
	return func(yield func(string, *listing.Listing) bool) {
		l := &listing.Listing{First: true, Last: true}
		for i := range n {
			l.Entries = append(l.Entries, listing.Entry{Name: fmt.Sprintf("%06d", i), Stat: listing.Stat{Ino: uint64(i) + 2, Mode: 0o40755}})
		}
		if !yield("", l) {
			return
		}
		for i := range n {
			name := fmt.Sprintf("file%d.txt", i)
			if i == n-1 {
				name = rare + name
			}
			l.Dir = listing.Stat{Ino: uint64(i) + 2, Mode: 0o40755}
			l.Entries = []listing.Entry{{Name: name, Stat: listing.Stat{Ino: uint64(n+i) + 2, Mode: 0o100644}}}
			if !yield(fmt.Sprintf("%06d", i), l) {
				return
			}
		}
	}
}

// merge performs all due merges of postings.
func (b *bench) merge(s *store.Store) error {
	for {
		done, err := synth.Merge(s, true, func() error { return context.Cause(b.ctx) })
		if err != nil || done.Merges == 0 {
			return err
		}
	}
}
