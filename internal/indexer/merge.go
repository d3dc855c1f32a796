package indexer

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"indexd/internal/indexer/commit"
	"indexd/store"
)

const (
	// mergeIdle is how long a few fresh docs are left for company.
	mergeIdle = 10 * time.Second
	// mergeAhead is how many steps of a merge may be in one transaction: about a
	// megabyte, which is written in a few milliseconds.
	mergeAhead = 16
	// mergeMost times mergeIdle is the longest that a merge waits for room.
	mergeMost = 64
)

// merger keeps the postings up to date, on a goroutine of its own that Run owns.
// What it writes waits its turn behind what was listed, a step at a time.
type merger struct {
	wake chan struct{} // capacity 1: something was committed
	idle time.Duration // mergeIdle

	// After one for which there was no room; confined to its goroutine.
	pause time.Duration
	next  time.Time // none that needs room before
}

func newMerger(eager bool) merger {
	m := merger{wake: make(chan struct{}, 1), idle: mergeIdle}
	if eager {
		m.idle = 10 * time.Millisecond
	}
	return m
}

// putOff has what there is no room for wait, twice as long as the last time.
func (m *merger) putOff() time.Duration {
	m.pause = min(max(2*m.pause, m.idle), mergeMost*m.idle)
	m.next = time.Now().Add(m.pause)
	return m.pause
}

// changed says that something was committed.
func (m *merger) changed() { signal(m.wake) }

// merge does what is due for the postings until ctx ends.
func (x *Indexer) merge(ctx context.Context) {
	timer := time.NewTimer(0) // what was left when the daemon ended
	defer timer.Stop()
	armed := true
	for {
		idle := false
		select {
		case <-ctx.Done():
			return
		case <-x.merger.wake:
			if !armed {
				armed = true
				timer.Reset(x.merger.idle)
			}
		case <-timer.C:
			armed, idle = false, true
		}
		for {
			more, err := x.mergeNext(ctx, idle)
			if ctx.Err() != nil {
				return
			}
			if errors.Is(err, store.ErrFull) {
				x.log.Debug("no room to bring the postings up to date", "again in", x.merger.putOff())
				armed = true
				timer.Reset(x.merger.pause)
				continue // with clearing away what it left behind
			}
			if err != nil {
				// What it left behind is cleared away when it is tried again.
				x.log.Error("cannot bring the postings up to date", "err", err, "again in", x.merger.idle)
				if !armed {
					armed = true
					timer.Reset(x.merger.idle)
				}
			}
			if err != nil || !more {
				break
			}
			idle = false
		}
	}
}

// mergeNext does one merge; false: none is due.
func (x *Indexer) mergeNext(ctx context.Context, idle bool) (bool, error) {
	m, err := x.st.NextMerge(x.writer.InBulk(), idle)
	if m == nil || err != nil || m.Adds() && time.Now().Before(x.merger.next) {
		return false, err
	}
	begun := time.Now()
	s := mergeSteps{x: x, ctx: ctx, room: semaphore.NewWeighted(mergeAhead)}
	if err := m.Run(ctx, s.apply); err != nil {
		return false, err
	}
	if m.Adds() {
		x.merger.pause = 0
	}
	x.log.Debug("merged postings", "what", m, "took", time.Since(begun).Round(time.Millisecond), "fresh", x.st.FreshCount())
	return true, nil
}

// mergeSteps hands the steps of one merge to the writer.
type mergeSteps struct {
	x    *Indexer
	ctx  context.Context
	room *semaphore.Weighted // steps that are not committed

	steps int // handed in

	mu     sync.Mutex
	failed error // of a step: none after it may be done
}

// apply hands in a step and returns when the writer has done it, or, where the
// step says Wait, committed it.
func (s *mergeSteps) apply(step store.Step) error {
	if err := s.room.Acquire(s.ctx, 1); err != nil {
		return context.Cause(s.ctx)
	}
	ran, done := make(chan struct{}, 1), make(chan error, 1)
	it := commit.Item{
		Bytes: step.Bytes, When: commit.Batched,
		Do: func(tx *store.Tx) error {
			err := s.err()
			switch {
			case err == nil:
				err = s.fail(step.Do(tx))
			case errors.Is(err, store.ErrFull):
				err = nil // nothing is done, and done tells
			}
			signal(ran) // once more where it is done again, in another transaction
			return err
		},
		Done: func(err error) {
			s.room.Release(1)
			s.fail(err)
			done <- s.err()
		},
	}
	if step.Adds {
		it.Reserve = func() commit.Reserve { return commit.Addition }
	}
	switch s.steps++; {
	case s.steps%mergeAhead == 0:
		it.When = commit.Now // the next one waits for it
	case step.Wait:
		it.When = commit.Steady
	}
	if err := s.x.writer.Put(s.ctx, it); err != nil {
		return err
	}
	enough := ran
	if step.Wait {
		enough = nil
	}
	select {
	case <-enough:
		return s.err()
	case err := <-done:
		return err
	case <-s.x.writer.Ended():
		return ErrStopping
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

func (s *mergeSteps) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// fail keeps the first error, and returns its own.
func (s *mergeSteps) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	return err
}
