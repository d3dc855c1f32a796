package main

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"indexd/internal/config"
	"indexd/internal/indexer"
	"indexd/internal/query/run"
	"indexd/internal/watch"
	"indexd/ipc"
	"indexd/ipc/server"
	"indexd/store"
)

// daemon is server.Daemon made of the store, the indexer and the query runner:
// it turns their values into those of the wire and back, and decides nothing.
type daemon struct {
	st     *store.Store
	x      *indexer.Indexer
	runner *run.Runner
	src    *watch.Source  // nil: nothing is watched
	cfg    *config.Config // as it was at the start
	begun  time.Time

	askersMu sync.Mutex
	askers   map[uint64]uint32 // uid by job; not of those from before the start
}

var _ server.Daemon = (*daemon)(nil)

func newDaemon(st *store.Store, x *indexer.Indexer, src *watch.Source, cfg *config.Config, r *run.Runner) *daemon {
	return &daemon{st: st, x: x, src: src, cfg: cfg, runner: r, begun: time.Now(), askers: make(map[uint64]uint32)}
}

// allow says who is served: root, the daemon's own user and the members of the
// admin group. Nobody else yet: an answer shows every name in the index.
func allow(cfg *config.Config) func(server.Peer) bool {
	own := uint32(os.Geteuid())
	return func(p server.Peer) bool {
		return p.UID == 0 || p.UID == own || cfg.AdminGID >= 0 && p.In(uint32(cfg.AdminGID))
	}
}

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
	case errors.Is(err, indexer.ErrNotIndexed), errors.Is(err, indexer.ErrNoJob):
		return ipc.ErrNotFound.With("%s", err)
	case errors.Is(err, indexer.ErrStopping):
		return ipc.ErrStopping
	}
	return plain{err}
}

// plain is an error in words for people, who know no packages.
type plain struct{ error }

func (e plain) Error() string {
	return strings.ReplaceAll(strings.TrimPrefix(e.error.Error(), "store: "), ": store: ", ": ")
}

func (e plain) Unwrap() error { return e.error }

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
