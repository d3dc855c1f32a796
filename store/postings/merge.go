package postings

import (
	"context"
	"sync/atomic"

	"indexd/store/postings/trigram"
)

// Merger chooses what to merge next. Its zero value is that of a database just opened.
type Merger struct {
	quiet    atomic.Bool // only new unindexed docs can make a merge due
	begun    bool        // Next was called before
	wasBuild bool        // the last merge built a segment of unindexed docs
}

// Step is a part of a Merge that is done in a write transaction.
type Step struct {
	// Do does it. If the transaction is rolled back, it may be called again in another.
	Do    func(Writer) error
	Bytes int  // about how much is written
	Adds  bool // the database grows by it
	Wait  bool // the next step must not begin before this one is committed
}

// Merge is work on the postings that is due: building a segment of unindexed docs, merging
// segments into one, or deleting what is left of old ones.
//
// Everything large is built outside of the write transaction. A Merge that is given up, or cut
// off by the end of the process, leaves nothing wrong behind: the next ones clear it away and
// begin again.
type Merge struct {
	merger *Merger
	what   string
	adds   bool
	do     func(*merging) error
}

// String returns what the merge does, for logs.
func (m *Merge) String() string { return m.what }

// Adds reports whether the merge needs room in the file, which others clear.
func (m *Merge) Adds() bool { return m.adds }

// merging is a Merge under way.
type merging struct {
	db    DB
	ctx   context.Context
	apply func(Step) error
}

func (m *merging) stop() error { return context.Cause(m.ctx) }

// Run does the merge. It calls apply with one step after the other. The caller does them in
// write transactions, in order and any number in one; apply returns when the step is
// accepted or, if it has Wait set, committed. An error of apply, or ctx's, ends the merge and
// is returned.
func (m *Merge) Run(ctx context.Context, db DB, apply func(Step) error) error {
	m.merger.quiet.Store(false)
	return m.do(&merging{db, ctx, apply})
}

// Next returns the merge that is due next, nil if none is. unindexed is the number of
// unindexed docs. With bulk a first index is under way, so as many docs as a segment can have
// are left to gather. With idle nothing has been merged for a while, so even a few docs are
// merged. Next and the Merge that it returns are used by one goroutine, not within a
// transaction.
func (mg *Merger) Next(db DB, unindexed uint64, bulk, idle bool) (*Merge, error) {
	due := uint64(mergeUnindexed)
	switch {
	case bulk:
		due = trigram.MaxDocs
	case idle:
		due = 1
	}
	if unindexed < due && !idle && mg.quiet.Load() {
		return nil, nil
	}
	mg.quiet.Store(true)
	p := mergePlan{merger: mg}
	if err := db.View(func(r Reader) error { p.read(r); return nil }); err != nil {
		return nil, err
	}
	m := p.next(unindexed >= due, bulk)
	mg.begun = true
	return m, nil
}
