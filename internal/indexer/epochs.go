package indexer

import (
	"context"
	"sync"
)

// epochs tell work that somebody waits for from what was begun later. What an
// event asks for is of the epoch of the moment, and what is found while it is
// done inherits that, however late it is found; who wants all changes so far to
// be in the index waits for the end of all epochs so far. The zero epoch is of
// work that no such barrier waits for.
type epochs struct {
	mu      sync.Mutex
	now     uint64
	left    map[uint64]int
	changed chan struct{} // closed and made anew when an epoch has no work left
}

func newEpochs() epochs {
	return epochs{now: 1, left: make(map[uint64]int), changed: make(chan struct{})}
}

// begin begins a piece of work in the epoch of the moment. It is ended with
// done.
func (e *epochs) begin() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.left[e.now]++
	return e.now
}

// add begins one more piece of an epoch's work, by whoever has one in hand.
func (e *epochs) add(epoch uint64) {
	if epoch == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.left[epoch]++
}

func (e *epochs) done(epoch uint64) {
	if epoch == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left[epoch]--; e.left[epoch] == 0 {
		delete(e.left, epoch)
		close(e.changed)
		e.changed = make(chan struct{})
	}
}

// wait returns when the work of all epochs so far is done, or with ctx's error.
func (e *epochs) wait(ctx context.Context) error {
	e.mu.Lock()
	last := e.now
	e.now++
	e.mu.Unlock()
	for {
		e.mu.Lock()
		met := true
		for epoch := range e.left {
			met = met && epoch > last
		}
		changed := e.changed
		e.mu.Unlock()
		if met {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
