package commit

import (
	"context"
	"sync/atomic"
)

// A Heartbeat shows that a goroutine does not hang: between two pieces of work it receives
// from Asks, and it counts pieces of work with Tick.
type Heartbeat struct {
	asks  chan struct{} // unbuffered, so that whoever has sent knows that it was received
	ticks atomic.Uint64
}

// NewHeartbeat returns a Heartbeat.
func NewHeartbeat() *Heartbeat { return &Heartbeat{asks: make(chan struct{})} }

// Asks is what the goroutine receives from.
func (h *Heartbeat) Asks() <-chan struct{} { return h.asks }

// Tick counts a piece of work.
func (h *Heartbeat) Tick() { h.ticks.Add(1) }

// Ticks returns how many pieces of work were done.
func (h *Heartbeat) Ticks() uint64 { return h.ticks.Load() }

// Ask returns nil once the goroutine has answered, ErrStopping once ended is closed, or
// ctx's error.
func (h *Heartbeat) Ask(ctx context.Context, ended <-chan struct{}) error {
	select {
	case h.asks <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-ended:
		return ErrStopping
	}
}
