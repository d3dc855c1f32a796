package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/terminal"
	"indexd/store"
)

// verifyLines is the number of problems that are printed before the rest is only counted.
const verifyLines = 100

// verify checks a database that no daemon has open, prints its problems and a verdict, and
// returns the exit status.
func verify(file string, out *os.File) (status int, err error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return statusError, fmt.Errorf("%s: there is no database", file)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	c := newConsole(os.Stderr)
	type progress struct {
		what        string
		done, total uint64
	}
	var current atomic.Pointer[progress]
	drawing, stopDrawing := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		c.redraw(drawing, func(time.Time) string {
			if p := current.Load(); p != nil {
				return fmt.Sprintf("checking: %s of %s %s", grouped(p.done), grouped(p.total), p.what)
			}
			return ""
		})
	})
	problems := 0
	stats, err := store.VerifyFile(ctx, file, func(problem store.Problem) {
		if problems++; problems <= verifyLines {
			c.draw("") // stdout may be the same terminal
			fmt.Fprintln(out, terminal.Escape(problem.String()))
		}
	}, func(what string, done, total uint64) { current.Store(&progress{what, done, total}) })
	stopDrawing()
	wg.Wait()
	name := terminal.Escape(file)
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
