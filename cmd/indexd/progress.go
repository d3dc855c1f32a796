package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/indexer"
)

// console is stderr: log lines, and on a terminal one line below them that is
// drawn anew as things go on.
type console struct {
	w        io.Writer
	terminal bool

	mu   sync.Mutex
	line string // as drawn; "" for none
}

func newConsole(f *os.File) *console {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return &console{w: f, terminal: err == nil && os.Getenv("TERM") != "dumb"}
}

const clearLine = "\r\x1b[K"

// Write is io.Writer's, for whole lines.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == "" {
		return c.w.Write(p)
	}
	_, err := fmt.Fprint(c.w, clearLine, string(p), c.line)
	return len(p), err
}

// draw replaces the line; "" takes it away.
func (c *console) draw(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.terminal && line != c.line {
		c.line = line
		fmt.Fprint(c.w, clearLine, line)
	}
}

// watchFirstIndex shows how the first index goes on, on a terminal and to
// systemd, until it is complete or ctx ends.
func watchFirstIndex(ctx context.Context, x *indexer.Indexer, c *console, n *notifier) {
	begun := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	var ready error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		ready = x.WaitReady(ctx)
	})
	const redraw, tell = 100 * time.Millisecond, 2 * time.Second
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	told := begun
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-tick.C:
			p := x.Progress()
			if now.Sub(told) >= tell {
				told = now
				n.say("Indexing: %s directories, %s entries.", grouped(p.Dirs), grouped(p.Entries))
			}
			rate := uint64(float64(p.Entries) / now.Sub(begun).Seconds())
			c.draw(fmt.Sprintf("indexing: %s directories, %s entries, %s/s", grouped(p.Dirs), grouped(p.Entries), grouped(rate)))
		}
	}
	wg.Wait()
	c.draw("")
	if ready == nil {
		n.say("Ready.")
	}
}

// grouped writes n with commas between thousands.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
