package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"indexd/store"
)

// verifyLines is how many problems are printed; where there are more it is said.
const verifyLines = 100

// verify checks a database that nobody has open, prints what is wrong and a
// verdict, and returns what to exit with.
func verify(file string, out *os.File) (status int, err error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return statusError, fmt.Errorf("%s: there is no database", file)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	c := newConsole(os.Stderr)
	show := c.keepDrawn()
	problems := 0
	stats, err := store.Verify(ctx, file, func(problem store.Problem) {
		if problems++; problems <= verifyLines {
			c.draw("") // the two may be one terminal
			fmt.Fprintln(out, oneLine(problem.String()))
		}
	}, show.set)
	show.stop()
	name := oneLine(file)
	if problems > verifyLines {
		fmt.Fprintf(out, "and %d more\n", problems-verifyLines)
	}
	switch {
	case ctx.Err() != nil:
		return statusInterrupted, fmt.Errorf("%s: interrupted; %d problems until then", file, problems)
	case errors.Is(err, store.ErrLocked):
		return statusError, fmt.Errorf("%s: a running indexd has this database open; stop it first", file)
	case errors.Is(err, store.ErrOlderSchema):
		_, err = fmt.Fprintf(out, "%s: its pages are in order; an older version wrote it, and indexd will bring it up to date\n", name)
		return statusDone, err
	case problems > 0:
		_, err = fmt.Fprintf(out, "%s: damaged, %d problems\n", name, problems)
		return statusError, err
	case err != nil:
		return statusError, err
	}
	_, err = fmt.Fprintf(out, "%s: in order, %s entries in %s directories\n", name, grouped(stats.Entries), grouped(stats.Dirs))
	return statusDone, err
}

// drawn is a line that is drawn again and again, of how far something is.
type drawn struct {
	c           *console
	what        atomic.Pointer[string]
	done, total atomic.Uint64
	quit, ended chan struct{}
}

// keepDrawn begins to draw such a line, where there is a terminal.
func (c *console) keepDrawn() *drawn {
	d := &drawn{c: c, quit: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(d.ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-d.quit:
				c.draw("")
				return
			case <-tick.C:
				if what := d.what.Load(); what != nil {
					c.draw(fmt.Sprintf("checking: %s of %s %s", grouped(d.done.Load()), grouped(d.total.Load()), *what))
				}
			}
		}
	}()
	return d
}

func (d *drawn) set(what string, done, total uint64) {
	d.done.Store(done)
	d.total.Store(total)
	d.what.Store(&what)
}

func (d *drawn) stop() {
	close(d.quit)
	<-d.ended
}
