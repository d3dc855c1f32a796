package store

import (
	"context"
	"sync/atomic"

	"indexd/store/postings/trigram"
)

// merges is what the Store knows of merges.
type merges struct {
	quiet    atomic.Bool // nothing but new fresh docs can make one due
	begun    bool        // NextMerge was called since Open
	wasFresh bool        // the last merge was one of fresh docs
}

// Step is a part of a Merge that is done in the write transaction.
type Step struct {
	// Do does it. Where the transaction is rolled back it may be called again,
	// in another.
	Do func(*Tx) error
	// Bytes is about how much is written.
	Bytes int
	// Adds: the database grows by it.
	Adds bool
	// Wait: what follows may only be done when this is committed.
	Wait bool
}

// Merge is something that is to be done for the postings: fresh docs become a
// segment, segments become one, what is left of old ones is deleted.
//
// All that is large is built outside of the write transaction. A Merge that is
// given up, or cut off by the end of the process, leaves nothing wrong behind: the
// next ones clear it away and begin again.
type Merge struct {
	s    *Store
	what string
	adds bool
	do   func(*merging) error
}

// String says what the merge does, for logs.
func (m *Merge) String() string { return m.what }

// Adds reports whether it needs room in the file, which others clear.
func (m *Merge) Adds() bool { return m.adds }

// merging is a Merge under way.
type merging struct {
	s     *Store
	ctx   context.Context
	apply func(Step) error
}

func (m *merging) stop() error { return context.Cause(m.ctx) }

// Run does the merge. It calls apply with one step after another, which the
// caller does in write transactions of its own, in order, any number in one;
// apply returns when the step is taken over, or, if it says Wait, committed. An
// error of apply's, or ctx's, ends the merge and is returned.
func (m *Merge) Run(ctx context.Context, apply func(Step) error) error {
	m.s.merges.quiet.Store(false)
	return m.s.CatchCorruption(func() error { return m.do(&merging{m.s, ctx, apply}) })
}

// NextMerge returns what is due next for the postings; nil: nothing. bulk: a first
// index goes on, so let as many fresh docs gather as a segment can have. idle:
// nothing has been merged for a while, so merge the few that there are. NextMerge
// and what it returns are used by one goroutine, not within a transaction.
func (s *Store) NextMerge(bulk, idle bool) (*Merge, error) {
	st := s.state.Load()
	due := uint64(mergeFresh)
	switch {
	case bulk:
		due = trigram.MaxDocs
	case idle:
		due = 1
	}
	if st.fresh < due && !idle && s.merges.quiet.Load() {
		return nil, nil
	}
	s.merges.quiet.Store(true)
	var p mergePlan
	if err := s.View(func(sn *Snap) error { p.read(sn); return nil }); err != nil {
		return nil, err
	}
	m := p.next(s, st.fresh >= due, bulk)
	s.merges.begun = true
	return m, nil
}
