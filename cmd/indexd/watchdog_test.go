package main

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"indexd/internal/indexer"
)

// part is a part of the daemon that behaves as a test says.
type part struct {
	stuck  atomic.Bool // it does not answer until free is closed
	free   chan struct{}
	worked atomic.Uint64
}

func (p *part) check(name string) indexer.HealthCheck {
	p.free = make(chan struct{})
	return indexer.HealthCheck{
		Name: name,
		Ask: func(ctx context.Context) error {
			if p.stuck.Load() {
				select {
				case <-p.free:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		},
		Worked: p.worked.Load,
	}
}

// TestWatchdog checks that the pings stop in time when any one part hangs, and not before.
func TestWatchdog(t *testing.T) {
	const limit = 2 * time.Minute
	names := []string{"events", "changes", "indexer", "writer"}
	for i, name := range append(slices.Clone(names), "none") {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var parts [4]part
				var last atomic.Int64
				began := time.Now()
				w := &watchdog{every: limit / pingsPerLimit, log: slog.New(slog.DiscardHandler), ping: func() { last.Store(int64(time.Since(began))) }}
				for i := range parts {
					w.checks = append(w.checks, parts[i].check(names[i]))
				}
				quiet := func() time.Duration { // since the last ping
					synctest.Wait()
					return time.Since(began) - time.Duration(last.Load())
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); w.run(ctx) }()
				defer func() { cancel(); <-ended }()

				for range 100 {
					time.Sleep(limit / pingsPerLimit)
					if quiet() > limit/2 {
						t.Fatalf("all parts are idle, but the last ping was %v ago", quiet())
					}
				}
				if i == len(parts) {
					return
				}
				stuck := &parts[i]
				stuck.stuck.Store(true)
				for range 100 { // long pieces of work, one after the other
					stuck.worked.Add(1)
					time.Sleep(limit / pingsPerLimit)
					if quiet() > limit/2 {
						t.Fatalf("all parts make progress, but the last ping was %v ago", quiet())
					}
				}
				time.Sleep(limit / 2) // and one that takes half of the time
				stuck.worked.Add(1)
				time.Sleep(limit / 4)
				if quiet() >= limit {
					t.Fatalf("a long piece of work ended, but the last ping was %v ago", quiet())
				}
				for n := range parts { // progress of the other parts does not count
					if n != i {
						parts[n].worked.Add(1)
					}
				}
				time.Sleep(limit + limit/2)
				if quiet() < limit {
					t.Fatalf("%s hangs, but there was a ping %v ago", name, quiet())
				}
				stuck.stuck.Store(false)
				close(stuck.free)
				time.Sleep(limit / pingsPerLimit)
				if quiet() > limit/pingsPerLimit {
					t.Errorf("%s works again, but the last ping was %v ago", name, quiet())
				}
			})
		})
	}
}
