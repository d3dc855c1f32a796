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

// daemon is server.Daemon made of the store, the indexer and the query runner:
// it turns their values into those of the wire and back, and decides nothing but
// what of them is for whom: see caller.
type daemon struct {
	st     *store.Store
	x      *indexer.Indexer
	runner *exec.Runner
	src    *watch.Source  // nil: nothing is watched
	cfg    *config.Config // as it was at the start
	begun  time.Time

	unwatched string // why nothing is watched though it was wanted; set before use
	stats     *access.Stats
}

var _ server.Daemon = (*daemon)(nil)

// newDaemon's goroutines end with close, which is for when nobody asks any more.
func newDaemon(st *store.Store, x *indexer.Indexer, src *watch.Source, cfg *config.Config, r *exec.Runner) *daemon {
	return &daemon{st: st, x: x, src: src, cfg: cfg, runner: r, begun: time.Now(), stats: access.NewStats()}
}

func (d *daemon) close() { d.stats.Close() }

// clock is the wire's form of a moment in this database's life.
func (d *daemon) clock(n uint64) string {
	id := d.st.ID()
	return hex.EncodeToString(id[:8]) + "-" + strconv.FormatUint(n, 10)
}

// problem makes the indexer's and the store's errors those of the wire.
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

// Wait is server.Daemon's.
func (d *daemon) Wait(ctx context.Context, _ server.Peer, ready bool) error {
	if ready {
		return problem(d.x.WaitReady(ctx))
	}
	return problem(d.x.WaitIdle(ctx))
}

// timePtr is nil for a time that is not known.
func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
