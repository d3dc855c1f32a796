package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// index compares a first index with updatedb over the same tree, both into new files.
// indexd's time ends when every root is complete and committed, and is measured again
// when the trigram index is complete.
func (b *bench) index() error {
	ours := func(until func(*daemon, context.Context) error) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			os.Remove(filepath.Join(b.dir, "index.db"))
			start := time.Now()
			d, err := b.start("index", b.tree)
			if err != nil {
				return 0, err
			}
			err = until(d, b.ctx)
			took := time.Since(start)
			if stopErr := d.stop(); err == nil {
				err = stopErr
			}
			return took, err
		}
	}
	var peers []side
	if updatedb, ok := b.updatedb("plocate.db"); ok {
		peer := b.command("updatedb.plocate", updatedb...)
		run := peer.run
		peer.run = func() (time.Duration, error) {
			os.Remove(filepath.Join(b.dir, "plocate.db")) // else it reuses what has not changed
			return run()
		}
		peers = append(peers, peer)
	}
	if err := b.compare(side{"indexd, first index", ours((*daemon).ready)}, peers...); err != nil {
		return err
	}
	fmt.Println()
	return b.compare(side{"indexd, with the index of trigrams whole", ours((*daemon).merged)}, peers...)
}

// walk compares the walker alone with programs that stat everything, and with one that
// does not.
func (b *bench) walk() error {
	var peers []side
	if bfs, ok := installed("bfs"); ok {
		peers = append(peers, b.command("bfs -printf '%s %T@'", bfs, b.tree, "-xdev", "-printf", "%s %T@\n"))
	}
	if fd, ok := installed("fdfind", "fd"); ok {
		peers = append(peers, b.command("fdfind -HI (names alone)", fd, "-HI", "--one-file-system", ".", b.tree))
	}
	return b.compare(b.command("walker with statx", b.bin("walk"), "-xdev", b.tree), peers...)
}

// list compares printing every path.
func (b *bench) list() error {
	d, err := b.start("list", b.tree)
	if err != nil {
		return err
	}
	defer d.stop()
	if err := d.ready(b.ctx); err != nil {
		return err
	}
	var peers []side
	if fd, ok := installed("fdfind", "fd"); ok {
		peers = append(peers, b.command("fdfind -HI", fd, "-HI", "--one-file-system", ".", b.tree))
	}
	if find, ok := installed("find"); ok {
		peers = append(peers, b.command("find -xdev", find, b.tree, "-xdev"))
	}
	return b.compare(b.command("indexctl find", b.bin("indexctl"), "--socket", d.socket, "find"), peers...)
}

// size reports bytes per entry and memory after a first index, and after every entry was
// replaced several times.
func (b *bench) size() error {
	d, err := b.start("size", b.tree)
	if err != nil {
		return err
	}
	defer d.stop()
	stopPeak := d.peak()
	if err := d.ready(b.ctx); err != nil {
		return err
	}
	most := stopPeak()
	if err := d.merged(b.ctx); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // for the memory at rest: the runtime gives back what it does not use
	status, err := d.client.Status(b.ctx)
	if err != nil {
		return err
	}
	fmt.Printf("| %d entries, %d directories | |\n| --- | --- |\n", status.Entries, status.Dirs)
	fmt.Printf("| database, bytes an entry (file) | **%.1f** |\n", float64(status.DB.Size)/float64(status.Entries))
	fmt.Printf("| of it in use | %.1f |\n", float64(status.DB.Size-status.DB.Free)/float64(status.Entries))
	fmt.Printf("| anonymous memory, at most during the first index | **%.1f MiB** |\n", most)
	fmt.Printf("| at rest | %.1f MiB |\n", float64(d.proc("RssAnon"))/1024)
	return nil
}

// cold reports the gain of several workers when every directory is read from disk.
func (b *bench) cold() error {
	if os.Geteuid() != 0 {
		fmt.Println("left out: dropping caches needs root")
		return nil
	}
	dropped := func(s side) side {
		run := s.run
		s.run = func() (time.Duration, error) {
			if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
				return 0, err
			}
			return run()
		}
		return s
	}
	return b.compare(
		dropped(b.command("default workers", b.bin("walk"), "-xdev", b.tree)),
		dropped(b.command("one worker", b.bin("walk"), "-xdev", "-workers", "1", b.tree)))
}
