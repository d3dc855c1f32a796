package indexer

import (
	"context"
	"errors"
	"sync"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/store"
)

const (
	// mergeIdle is how long a few unindexed docs wait for others.
	mergeIdle = 10 * time.Second
	// mergeAhead is how many steps of a merge may be in one transaction: about a
	// megabyte, which is written in a few milliseconds.
	mergeAhead = 16
	// mergeMost times mergeIdle is the longest pause of a merge for which there is no room.
	mergeMost = 64
)

// merger keeps the postings up to date, on a goroutine of its own. Its steps wait their
// turn behind listings.
type merger struct {
	*core
	committed chan struct{} // capacity 1
	idle      time.Duration // mergeIdle

	// After a merge for which there was no room; confined to its goroutine.
	pause time.Duration
	next  time.Time // no merge that needs room before
}

func newMerger(c *core) *merger {
	m := &merger{core: c, committed: make(chan struct{}, 1), idle: mergeIdle}
	if c.cfg.Eager {
		m.idle = 10 * time.Millisecond
	}
	return m
}

// run merges what is due until ctx ends.
func (m *merger) run(ctx context.Context) {
	timer := time.NewTimer(0) // for docs that the last run left unindexed
	defer timer.Stop()
	armed := true
	arm := func(d time.Duration) {
		armed = true
		timer.Reset(d)
	}
	for {
		idle := false
		select {
		case <-ctx.Done():
			return
		case <-m.committed:
			if !armed {
				arm(m.idle)
			}
		case <-timer.C:
			armed, idle = false, true
		}
		for more := true; more; {
			var err error
			more, err = m.mergeNext(ctx, idle)
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, store.ErrFull):
				m.pause = min(max(2*m.pause, m.idle), mergeMost*m.idle)
				m.next = time.Now().Add(m.pause)
				m.log.Debug("no room to update the postings", "retry", m.pause)
				arm(m.pause)
				more = true // which removes what the merge left behind
				continue
			case err != nil:
				m.log.Error("cannot update the postings", "err", err, "retry", m.idle)
				if !armed {
					arm(m.idle)
				}
			}
			idle = false
		}
	}
}

// mergeNext does one merge. It returns false if none is due.
func (m *merger) mergeNext(ctx context.Context, idle bool) (bool, error) {
	merge, err := m.st.NextMerge(m.writer.InBulk(), idle)
	if merge == nil || err != nil || merge.Adds() && time.Now().Before(m.next) {
		return false, err
	}
	begun := time.Now()
	s := mergeSteps{writer: m.writer, ctx: ctx}
	if err := merge.Run(ctx, s.apply); err != nil {
		return false, err
	}
	if merge.Adds() {
		m.pause = 0
	}
	m.log.Debug("merged postings", "what", merge, "took", time.Since(begun).Round(time.Millisecond), "unindexed", m.st.FreshCount())
	return true, nil
}

// mergeSteps hands the steps of one merge to the writer.
type mergeSteps struct {
	writer *commit.Writer
	ctx    context.Context
	steps  int // handed to the writer

	mu     sync.Mutex
	failed error // of a step: no later one may be done
}

// apply hands a step to the writer and returns once it is done. If the step says Wait, and
// after every mergeAhead steps, it returns once the step is committed.
func (s *mergeSteps) apply(step store.Step) error {
	ran, done := make(chan struct{}, 1), make(chan error, 1)
	it := commit.Item{
		Bytes: step.Bytes,
		Do: func(tx *store.Tx) error {
			err := s.err()
			switch {
			case err == nil:
				err = s.fail(step.Do(tx))
			case errors.Is(err, store.ErrFull):
				err = nil // do nothing; Done reports the error
			}
			signal(ran) // again if it is done again, in another transaction
			return err
		},
		Done: func(err error) {
			_ = s.fail(err)
			done <- s.err()
		},
	}
	if step.Adds {
		it.Reserve = func() commit.Reserve { return commit.Addition }
	}
	enough := ran
	switch s.steps++; {
	case s.steps%mergeAhead == 0:
		it.When, enough = commit.Now, nil
	case step.Wait:
		it.When, enough = commit.Steady, nil
	}
	if err := s.writer.Put(s.ctx, it); err != nil {
		return err
	}
	select {
	case <-enough:
		return s.err()
	case err := <-done:
		return err
	case <-s.writer.Ended():
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

// fail keeps the first error. It returns its argument.
func (s *mergeSteps) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	return err
}
