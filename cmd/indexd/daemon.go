package main

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"indexd/internal/access"
	"indexd/internal/config"
	"indexd/internal/indexer"
	"indexd/internal/indexer/jobs"
	"indexd/internal/query/exec"
	"indexd/internal/watch"
	"indexd/ipc/server"
	"indexd/ipc/wire"
	"indexd/store"
)

// daemon implements server.Daemon with the store, the indexer and the query runner. It
// decides only who may see and do what; see principal.
type daemon struct {
	st     *store.Store
	x      *indexer.Indexer
	runner *exec.Runner
	src    *watch.Source  // nil if nothing is watched
	cfg    *config.Config // as it was at the start
	begun  time.Time

	unwatched string // why nothing is watched although it should be; set before use
	stats     *access.Stats
}

var _ server.Daemon = (*daemon)(nil)

// newDaemon returns a daemon whose goroutines end with close. Close must not be called
// before all requests have ended.
func newDaemon(st *store.Store, x *indexer.Indexer, src *watch.Source, cfg *config.Config, r *exec.Runner) *daemon {
	return &daemon{st: st, x: x, src: src, cfg: cfg, runner: r, begun: time.Now(), stats: access.NewStats()}
}

func (d *daemon) close() { d.stats.Close() }

// clock returns the opaque form of the store's clock, which clients get.
func (d *daemon) clock(n uint64) string {
	id := d.st.ID()
	return hex.EncodeToString(id[:8]) + "-" + strconv.FormatUint(n, 10)
}

// problem turns errors of the indexer and the store into those that a client gets.
func problem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, indexer.ErrNotIndexed), errors.Is(err, jobs.ErrNoJob):
		return wire.ErrNotFound.With("%s", err)
	case errors.Is(err, indexer.ErrStopping):
		return wire.ErrStopping
	case errors.Is(err, exec.ErrToken):
		return wire.ErrBadRequest.With("%s", err)
	}
	return userError{err}
}

// userError is an error whose text does not contain the names of packages.
type userError struct{ error }

func (e userError) Error() string {
	return strings.ReplaceAll(strings.TrimPrefix(e.error.Error(), "store: "), ": store: ", ": ")
}

func (e userError) Unwrap() error { return e.error }

// Wait implements server.Daemon.
func (d *daemon) Wait(ctx context.Context, _ server.Peer, ready bool) error {
	if ready {
		return problem(d.x.WaitReady(ctx))
	}
	return problem(d.x.WaitIdle(ctx))
}

// timePtr returns nil for the zero time.
func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
