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

// watchdog tells systemd that indexd is alive, as long as each of its vital
// parts is: it answers, or goes on with its work. When one does neither for the
// time that systemd gives (WatchdogSec=), systemd is told nothing any more and
// starts indexd anew; its log then has the stacks of all goroutines.
type watchdog struct {
	parts []indexer.HealthCheck
	every time.Duration // between two looks
	ping  func()
	log   *slog.Logger
}

// looks is how many times the parts are looked at within the time that systemd
// gives. A part is found out at the second look after it began to hang.
const looks = 4

// run looks at the parts until ctx ends.
func (w *watchdog) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	seen := make([]lookedAt, len(w.parts))
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	w.ping()
	for i := range seen {
		seen[i].asks = make(chan struct{}, 1)
		seen[i].asks <- struct{}{}
		wg.Go(func() { w.ask(ctx, w.parts[i], &seen[i]) })
	}
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var stuck []string
		for i := range seen {
			if !seen[i].alive(w.parts[i]) {
				stuck = append(stuck, w.parts[i].Name)
			}
		}
		names := strings.Join(stuck, ", ")
		if names == "" {
			w.ping()
		}
		if names != told {
			told = names
			if names == "" {
				w.log.Info("all parts go on")
			} else {
				w.log.Error("a part neither answers nor goes on; systemd is not told that all is well", "parts", names)
			}
		}
	}
}

// lookedAt is what is known of one part.
type lookedAt struct {
	asks     chan struct{} // capacity 1: it is to be asked
	answered atomic.Bool   // since the last look
	worked   uint64        // at the last look
}

// alive looks at a part and has it asked again, unless it is still being asked.
func (l *lookedAt) alive(part indexer.HealthCheck) bool {
	worked := part.Worked()
	alive := l.answered.Swap(false) || worked != l.worked
	l.worked = worked
	select {
	case l.asks <- struct{}{}:
	default:
	}
	return alive
}

// ask asks a part whenever that is wanted, until ctx ends.
func (w *watchdog) ask(ctx context.Context, part indexer.HealthCheck, l *lookedAt) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.asks:
		}
		if err := part.Ask(ctx); err != nil && !errors.Is(err, indexer.ErrStopping) && ctx.Err() == nil {
			w.log.Debug("the watchdog asked", "part", part.Name, "err", err)
		}
		l.answered.Store(true) // an error too is an answer
	}
}
