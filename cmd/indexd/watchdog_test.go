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

// part is one that does as a test says.
type part struct {
	stuck  atomic.Bool   // it answers nobody, until it is freed
	free   chan struct{} // closed when it is no more
	worked atomic.Uint64
}

func (p *part) vital(name string) indexer.HealthCheck {
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

// TestWatchdog: systemd hears of it when any one part hangs, by not being told
// anything in time, and not before.
func TestWatchdog(t *testing.T) {
	const limit = 2 * time.Minute
	names := []string{"events", "changes", "indexer", "writer"}
	for i, name := range append(slices.Clone(names), "none") {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var parts [4]part
				var last atomic.Int64
				began := time.Now()
				w := &watchdog{every: limit / looks, log: slog.New(slog.DiscardHandler), ping: func() { last.Store(int64(time.Since(began))) }}
				for i := range parts {
					w.parts = append(w.parts, parts[i].vital(names[i]))
				}
				quiet := func() time.Duration { // since a ping
					synctest.Wait()
					return time.Since(began) - time.Duration(last.Load())
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); w.run(ctx) }()
				defer func() { cancel(); <-ended }()

				for range 100 {
					time.Sleep(limit / looks)
					if quiet() > limit/2 {
						t.Fatalf("all are idle, but nothing was said for %v", quiet())
					}
				}
				if i == len(parts) {
					return
				}
				stuck := &parts[i]
				stuck.stuck.Store(true)
				for range 100 { // one long piece of work after the other
					stuck.worked.Add(1)
					time.Sleep(limit / looks)
					if quiet() > limit/2 {
						t.Fatalf("all go on, but nothing was said for %v", quiet())
					}
				}
				time.Sleep(limit / 2) // and one that takes half of the time
				stuck.worked.Add(1)
				time.Sleep(limit / 4)
				if quiet() >= limit {
					t.Fatalf("a long piece of work ended, but nothing was said for %v", quiet())
				}
				for n := range parts { // that the others go on is no excuse
					if n != i {
						parts[n].worked.Add(1)
					}
				}
				time.Sleep(limit + limit/2)
				if quiet() < limit {
					t.Fatalf("%s hangs, but %v ago all was said to be well", name, quiet())
				}
				stuck.stuck.Store(false)
				close(stuck.free)
				time.Sleep(limit / looks)
				if quiet() > limit/looks {
					t.Errorf("%s goes on, but nothing was said for %v", name, quiet())
				}
			})
		})
	}
}
