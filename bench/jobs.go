package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"indexd/ipc/wire"
)

// cancel measures the time from a cancel until the workers of the job make their last
// system call. The pool is considered idle when the daemon uses no more CPU time, because
// /proc/PID/io does not count its calls.
func (b *bench) cancel() error {
	const files = 1_000_000
	dir := filepath.Join(b.dir, "million")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range files {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			return err
		}
		f.Close()
	}
	defer os.RemoveAll(dir)
	d, err := b.start("cancel", dir)
	if err != nil {
		return err
	}
	defer d.stop()
	if err := d.ready(b.ctx); err != nil {
		return err
	}
	var took []time.Duration
	for range b.pairs {
		job, err := d.client.Rescan(b.ctx, &wire.RescanRequest{Paths: wire.ByteStrings{dir}}, nil)
		if err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond) // into the middle of it
		start := time.Now()
		ended, err := d.client.Cancel(b.ctx, job.ID)
		if err != nil {
			return err
		}
		if ended.State != wire.JobCancelled {
			return fmt.Errorf("the job was %s before it could be cancelled", ended.State)
		}
		// Idle: the total CPU time of all threads does not grow within a millisecond.
		last := start
		for cpu := d.cpu(); time.Since(last) < 20*time.Millisecond; time.Sleep(time.Millisecond) {
			if now := d.cpu(); now != cpu {
				cpu, last = now, time.Now()
			}
		}
		took = append(took, last.Sub(start))
	}
	fmt.Printf("| from the request until the daemon's CPU time stands still | |\n| --- | --- |\n| median | **%s** |\n", show(median(took)))
	return nil
}

// cpu returns the CPU time of the daemon's threads in nanoseconds.
func (d *daemon) cpu() (sum int64) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", d.cmd.Process.Pid))
	for _, t := range tasks {
		data, _ := os.ReadFile(t)
		if f := strings.Fields(string(data)); len(f) > 0 {
			n, _ := strconv.ParseInt(f[0], 10, 64)
			sum += n
		}
	}
	return sum
}

// burst requests 10,000 rescans at once and observes memory and threads.
func (b *bench) burst() error {
	const jobs, clients = 10_000, 200
	d, err := b.start("burst", b.tree)
	if err != nil {
		return err
	}
	defer d.stop()
	if err := d.ready(b.ctx); err != nil {
		return err
	}
	stopPeak := d.peak()
	start := time.Now()
	var wg sync.WaitGroup
	errs := make(chan error, clients)
	for c := range clients {
		wg.Go(func() {
			for i := c; i < jobs; i += clients {
				if _, err := d.client.Rescan(b.ctx, &wire.RescanRequest{Paths: wire.ByteStrings{b.tree}}, nil); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	asked := time.Since(start)
	if err := d.client.Wait(b.ctx, false); err != nil {
		return err
	}
	fmt.Printf("| %d rescans of %s by %d clients | |\n| --- | --- |\n", jobs, b.tree, clients)
	fmt.Printf("| asked after | %s |\n| all done after | %s |\n", show(asked), show(time.Since(start)))
	fmt.Printf("| anonymous memory at most | **%.1f MiB** |\n", stopPeak())
	close(errs)
	return <-errs
}
