package exec

import (
	"context"
	"slices"
	"time"

	"indexd/internal/query"
	"indexd/listing"
	"indexd/store"
)

// answer is the state of one Find. It is used by Find's goroutine.
type answer struct {
	r    *Runner
	q    *Query
	ctx  context.Context
	sink Sink

	begun   bool
	scopes  []scope
	seeds   []seed      // of the plan
	looked  bool        // for candidates
	cand    *candidates // of the snapshot of sum.LastClock; nil means everything
	sum     Summary
	damage  error // the first
	waiting bool  // rows were given since the last Flush
	slow    bool  // the reader was, lately
	wanted  int   // rows that a round need not go beyond; negative: no bound

	tasks   []*task  // the rest, in path order
	cut     bool     // tasks need not be split further
	later   []string // if not nil, only these directories are read
	workers []*worker

	after *position // rows up to it are left out; nil if none is
	last  *position // the last row that was given, once the limit is reached
	more  bool      // there may be rows after it
}

func (a *answer) run() error {
	switch q := a.q; {
	case q.Count:
		return a.count()
	case q.Sort == query.SortDefault && !q.Reverse:
		return a.list()
	case q.Sort == query.SortPath && !q.Reverse:
		return a.listByPath()
	}
	return a.sort()
}

// view calls fn with the keyspace of a new snapshot.
func (a *answer) view(fn func(*keyspace) error) error {
	if err := context.Cause(a.ctx); err != nil {
		return err
	}
	err := a.r.st.View(func(sn *store.Snap) error {
		first := !a.begun
		if first {
			a.begun = true
			a.scopes = scopesOf(sn, a.q.Plan)
			a.seeds = a.r.lookup.seeds(a.q.Plan)
			if a.after == nil || a.sum.FirstClock == 0 {
				a.sum.FirstClock = sn.Clock()
			}
		}
		ks, err := newKeyspace(sn, a.scopes)
		if err != nil {
			return err
		}
		if first {
			a.survey(ks)
		}
		if ks.cand = a.only(ks); ks.cand == nil {
			ks.cand = a.candidates(ks)
		}
		a.sum.LastClock = sn.Clock()
		return fn(ks)
	})
	if cause := context.Cause(a.ctx); cause != nil {
		return cause
	}
	return err
}

// give gives one row to the sink. No transaction is held.
func (a *answer) give(dir []byte, e *listing.Entry, noMeta bool) error {
	if err := a.sink.Row(dir, e, noMeta); err != nil {
		return err
	}
	a.sum.Rows++
	a.sum.Count++
	a.waiting = true
	if a.sink.Full() {
		return a.flush()
	}
	return nil
}

// flush returns errSlow if drain must be called.
func (a *answer) flush() error {
	slow, err := a.sink.Flush(a.ctx)
	if slow && err == nil {
		return errSlow
	}
	a.slow = a.slow && !a.waiting
	a.waiting = false
	return err
}

// enough reports whether a round with n rows need not go on. One row more than are wanted shows
// that there is another page; it is not looked for long.
func (a *answer) enough(n int, b *budget) bool {
	if n == a.wanted {
		b.shorten(a.r.tune.probe)
	}
	return a.wanted >= 0 && n > a.wanted
}

// left returns how many more rows are wanted, or a negative number for all.
func (a *answer) left() int {
	if a.q.Limit <= 0 {
		return -1
	}
	return a.q.Limit - int(a.sum.Rows)
}

// count counts all matches in one snapshot.
func (a *answer) count() error {
	total := tally{limit: int64(max(a.q.Limit, 0))}
	newCounter := func() collector { return &counter{total: &total} }
	err := a.round(0, newCounter)
	for more := true; err == nil && more; {
		more, err = a.again(func() {
			a.workers = nil
			total.n.Store(0)
		})
		if more {
			err = a.round(0, newCounter)
		}
	}
	for _, w := range a.workers {
		a.sum.Count += w.collector.(*counter).n
	}
	if total.limit > 0 {
		a.sum.Count = min(a.sum.Count, total.limit)
	}
	return err
}

// list gives the matches in the order in which the index has them.
func (a *answer) list() error {
	if p := a.after; p != nil {
		a.tasks[0].from = pos{dir: p.dir, name: p.name}
	}
	for {
		a.wanted = a.left()
		before := a.marks()
		if err := a.round(a.r.opt.Round, func() collector { return lister{a} }); err != nil {
			return err
		}
		if again, err := a.changed(); err != nil {
			return err
		} else if again {
			a.backTo(before)
			continue
		}
		for len(a.tasks) > 0 {
			t := a.tasks[0]
			err := a.giveRows(&t.rows)
			if err == errSlow {
				a.unlist()
				err = a.drain()
			}
			if err != nil {
				return err
			}
			if a.left() == 0 {
				a.more = a.more || slices.ContainsFunc(a.tasks, func(t *task) bool { return !t.done || t.rows.n > 0 })
				return nil
			}
			t.full = false
			if !t.done {
				break
			}
			a.tasks = a.tasks[1:]
		}
		if len(a.tasks) == 0 {
			return nil
		}
		if err := a.flushAll(); err != nil {
			return err
		}
	}
}

// flushAll is flush for a caller that holds nothing to release.
func (a *answer) flushAll() error {
	err := a.flush()
	if err == errSlow {
		err = a.drain()
	}
	return err
}

// giveRows gives the rows in r, up to the limit, and empties r.
func (a *answer) giveRows(r *rows) error {
	err := r.each(func(dir []byte, e *listing.Entry, noMeta bool) error {
		if a.left() == 0 {
			a.more = true
			return nil
		}
		err := a.give(dir, e, noMeta)
		if a.left() == 0 {
			p := r.given()
			a.last = &position{dir: p.dir, name: p.name}
		}
		return err
	})
	if err == nil {
		r.reset()
	}
	return err
}

// since returns the time d from now; zero if d is 0.
func since(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
