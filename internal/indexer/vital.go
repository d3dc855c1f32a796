package indexer

import (
	"context"
	"sync/atomic"
)

// A Vital is one of the parts without which the index does not follow the file
// system. A watchdog holds it alive as long as it answers, or goes on with its
// work: either shows that it does not hang.
type Vital struct {
	Name string
	// Ask returns when the part has answered, which it does between two pieces of
	// work: nil, or why there is nothing to answer any more. The context's error
	// means that there was no answer.
	Ask func(context.Context) error
	// Worked counts the pieces of work done so far. Any change is progress.
	Worked func() uint64
}

// Vitals returns the parts of a running Indexer: what reads the events of the
// kernel, if anything is watched, what acts on them, what has directories
// listed, and what writes. Asking costs next to nothing and writes nothing to
// the disk. It is called after Begun.
func (x *Indexer) Vitals() []Vital {
	list := []Vital{
		{"writer", x.asks(&x.writer.pulse), x.writer.pulse.work.Load},
		{"indexer", x.asks(&x.pulse), func() uint64 { return x.pulse.work.Load() + x.writerWaits() }},
	}
	if x.src == nil {
		return list
	}
	return append(list,
		Vital{"events", func(ctx context.Context) error {
			_, err := x.src.Barrier(ctx)
			return err
		}, x.src.Drained},
		Vital{"changes", x.asks(&x.live.pulse), func() uint64 {
			n := x.live.pulse.work.Load() + x.writerWaits()
			if x.live.waiting.Load() {
				n += x.stamps.Load() // the workers', who list what is asked for first
			}
			return n
		}})
}

// writerWaits changes as the writer tries again, while the disk is full: all
// others wait for it then, and are not to blame.
func (x *Indexer) writerWaits() uint64 {
	if x.writer.trouble.now() == "" {
		return 0
	}
	return x.writer.pulse.work.Load()
}

// pulse is how a goroutine shows that it does not hang: it takes asks between
// two pieces of work, and counts them.
type pulse struct {
	asks chan struct{} // without a buffer: who can send one has been answered
	work atomic.Uint64
}

func newPulse() pulse { return pulse{asks: make(chan struct{})} }

func (p *pulse) beat() { p.work.Add(1) }

// asks is Vital.Ask for a goroutine that ends when Run does.
func (x *Indexer) asks(p *pulse) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case p.asks <- struct{}{}:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-x.running.Done():
			return ErrStopping
		}
	}
}
