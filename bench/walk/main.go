// Command walk measures the walker alone: it lists trees with the results of statx for
// every entry, keeps nothing, and prints how many entries there were and how long it
// took.
//
//	go -C bench run ./walk [-workers N] [-xdev] [-runs N] DIR...
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"indexd/listing"
	"indexd/walker"
)

func main() {
	workers := flag.Int("workers", 0, "how many directories at once; 0: the walker's own default")
	xdev := flag.Bool("xdev", true, "stay on the file systems of the given trees")
	runs := flag.Int("runs", 1, "how often, in one process")
	flag.Parse()
	dirs := flag.Args()
	if len(dirs) == 0 {
		dirs = []string{"/usr"}
	}
	for i, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			fatal(err)
		}
		dirs[i] = abs
	}
	for range *runs {
		if err := walk(*workers, *xdev, dirs); err != nil {
			fatal(err)
		}
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "walk:", err)
	os.Exit(1)
}

// walk lists the trees once with a pool of its own.
func walk(workers int, xdev bool, dirs []string) error {
	begin := time.Now()
	p := walker.New(walker.Options{Workers: workers})
	var bytes atomic.Int64
	for _, dir := range dirs {
		// One job per tree, one after the other, since each has its own device.
		var dev atomic.Uint64
		dev.Store(^uint64(0))
		scratch := make([][]string, p.Stats().Workers)
		job, err := p.Submit(context.Background(), walker.Spec{
			Dirs: []string{dir}, Priority: walker.Asked,
			Visit: func(r *walker.Result) []string {
				if r.Err != nil {
					return nil
				}
				dev.CompareAndSwap(^uint64(0), r.Dev)
				if xdev && r.Dev != dev.Load() {
					return nil
				}
				sum, names := int64(0), scratch[r.Worker][:0]
				for i := range r.Entries {
					e := &r.Entries[i]
					sum += e.Size
					if e.Type() == listing.Dir {
						names = append(names, e.Name)
					}
				}
				bytes.Add(sum)
				scratch[r.Worker] = names
				return names
			},
		})
		if err != nil {
			return err
		}
		stats, err := job.Wait(context.Background())
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d directories, %d entries, %d bytes, %d errors, %d workers, %.3f s\n",
			dir, stats.Dirs, stats.Entries, bytes.Load(), stats.Errors, p.Stats().Workers, time.Since(begin).Seconds())
		for _, e := range stats.FirstErrors {
			fmt.Fprintln(os.Stderr, "walk:", e.Err)
		}
	}
	return p.Close()
}
