package indexer

import (
	"context"

	"indexd/internal/indexer/commit"
)

// A HealthCheck shows that a part without which the index does not follow the file system
// is alive: it answers, or it goes on with its work.
type HealthCheck struct {
	Name string
	// Ask returns when the part has answered, which it does between two pieces of work,
	// or with the reason why it has ended. If it returns the context's error, there was
	// no answer.
	Ask func(context.Context) error
	// Worked counts pieces of work. Any change is progress.
	Worked func() uint64
}

// HealthChecks returns the parts of a running Indexer: the readers of the kernel's events
// (if anything is watched), what acts on events, what schedules listings, and the writer.
// Checks are cheap and write nothing to the disk. It is called after Begun.
func (x *Indexer) HealthChecks() []HealthCheck {
	ask := func(h *commit.Heartbeat) func(context.Context) error {
		return func(ctx context.Context) error { return h.Ask(ctx, x.running.Done()) }
	}
	list := []HealthCheck{
		{"writer", ask(x.writer.Heartbeat), x.writer.Heartbeat.Ticks},
		{"indexer", ask(x.heartbeat), func() uint64 { return x.heartbeat.Ticks() + x.writerRetries() }},
	}
	if x.src == nil {
		return list
	}
	return append(list,
		HealthCheck{"events", func(ctx context.Context) error {
			_, err := x.src.Barrier(ctx)
			return err
		}, x.src.Drained},
		HealthCheck{"changes", ask(x.live.heartbeat), func() uint64 {
			n := x.live.heartbeat.Ticks() + x.writerRetries()
			if x.live.waiting.Load() {
				n += x.stamps.Load() // of the workers, whose listings it waits for
			}
			return n
		}})
}

// writerRetries changes while the writer retries because nothing can be written. All
// others wait for it then, and do not hang.
func (x *Indexer) writerRetries() uint64 {
	if x.writer.Failure() == "" {
		return 0
	}
	return x.writer.Heartbeat.Ticks()
}
