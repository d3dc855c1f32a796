package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"indexd/internal/indexer"
)

// watchdog pings systemd's watchdog as long as every health check passes: the part answers or
// has made progress. If one part does neither for the time that systemd allows
// (WatchdogSec=), there are no more pings, and systemd aborts and restarts indexd; the log
// then contains the stacks of all goroutines.
type watchdog struct {
	checks []indexer.HealthCheck
	every  time.Duration // between two rounds of checks
	ping   func()
	log    *slog.Logger
}

// pingsPerLimit is the number of rounds of checks within the time that systemd allows. A part
// that hangs fails the second check after it began to hang.
const pingsPerLimit = 4

// run checks all parts periodically until ctx ends.
func (w *watchdog) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	states := make([]checkState, len(w.checks))
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	w.ping()
	for i := range states {
		states[i].requests = make(chan struct{}, 1)
		states[i].requests <- struct{}{}
		wg.Go(func() { w.ask(ctx, w.checks[i], &states[i]) })
	}
	reported := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var stuck []string
		for i := range states {
			if !states[i].alive(w.checks[i]) {
				stuck = append(stuck, w.checks[i].Name)
			}
		}
		names := strings.Join(stuck, ", ")
		if names == "" {
			w.ping()
		}
		if names != reported {
			reported = names
			if names == "" {
				w.log.Info("all parts work again")
			} else {
				w.log.Error("a part hangs; the systemd watchdog is no longer pinged", "parts", names)
			}
		}
	}
}

// checkState is the state of one health check.
type checkState struct {
	requests chan struct{} // capacity 1; asks the part once
	answered atomic.Bool   // since the last round
	worked   uint64        // at the last round
}

// alive reports whether the part has answered or made progress since the last round, and
// asks it again unless a request is still unanswered.
func (s *checkState) alive(check indexer.HealthCheck) bool {
	worked := check.Worked()
	alive := s.answered.Swap(false) || worked != s.worked
	s.worked = worked
	select {
	case s.requests <- struct{}{}:
	default:
	}
	return alive
}

// ask asks a part once per request until ctx ends.
func (w *watchdog) ask(ctx context.Context, check indexer.HealthCheck, s *checkState) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.requests:
		}
		if err := check.Ask(ctx); err != nil && !errors.Is(err, indexer.ErrStopping) && ctx.Err() == nil {
			w.log.Debug("health check", "part", check.Name, "err", err)
		}
		s.answered.Store(true) // an error is an answer too
	}
}
