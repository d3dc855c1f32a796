package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"indexd/internal/indexer"
	"indexd/internal/terminal"
)

// console writes log lines to stderr and, on a terminal, keeps one line below them that is
// redrawn to show progress.
type console struct {
	w        io.Writer
	terminal bool

	mu   sync.Mutex
	line string // on the screen; empty if there is none
}

func newConsole(f *os.File) *console {
	return &console{w: f, terminal: terminal.Is(f) && os.Getenv("TERM") != "dumb"}
}

const clearLine = "\r\x1b[K"

// Write implements io.Writer for whole lines.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == "" {
		return c.w.Write(p)
	}
	_, err := fmt.Fprint(c.w, clearLine, string(p), c.line)
	return len(p), err
}

// draw replaces the line. An empty line erases it.
func (c *console) draw(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.terminal && line != c.line {
		c.line = line
		fmt.Fprint(c.w, clearLine, line)
	}
}

// redraw draws what text returns ten times a second until ctx ends, and then erases it.
func (c *console) redraw(ctx context.Context, text func(now time.Time) string) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.draw("")
			return
		case now := <-tick.C:
			c.draw(text(now))
		}
	}
}

// watchFirstIndex shows the progress of the first index on a terminal and to systemd until
// the index is complete or ctx ends.
func watchFirstIndex(ctx context.Context, x *indexer.Indexer, c *console, n *notifier) {
	start := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	var ready error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		ready = x.WaitReady(ctx)
	})
	sent := start
	c.redraw(ctx, func(now time.Time) string {
		p := x.Progress()
		dirs, entries := grouped(p.Dirs), grouped(p.Entries)
		if now.Sub(sent) >= 2*time.Second {
			sent = now
			n.setStatus("Indexing: %s directories, %s entries.", dirs, entries)
		}
		rate := uint64(float64(p.Entries) / now.Sub(start).Seconds())
		return fmt.Sprintf("indexing: %s directories, %s entries, %s/s", dirs, entries, grouped(rate))
	})
	wg.Wait()
	if ready == nil {
		n.setStatus("Ready.")
	}
}

// grouped formats n with commas between thousands.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
