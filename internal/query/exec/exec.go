// Package exec executes a query's Plan on the store: it reads the listings that
// the plan's scope covers, has their entries judged, and gives those that match
// to a Sink, in order.
//
//	scopes ── keyspace ──▶ tasks ── worker: walk, judge ──▶ rows, a count, or a sorter ──▶ Sink
//	In, roots  segments   ranges   one goroutine each       in a read transaction         outside of it
//
// In a scope only those records are read that are candidates by the indexes of
// trigrams and of sizes and times, see candidates.
//
// A listing is read in rounds. A round is one read transaction of a few dozen milliseconds, in
// which several goroutines scan ranges of the index side by side and copy what they find. Between
// rounds no transaction is held; the rows go to the Sink, which may block, and the next round
// continues after the last row. Rows of one round are of one instant. An entry whose path exists
// throughout is given exactly once, whatever else changes meanwhile.
//
// A count is one round however long it takes, except for directories that a Viewer has read
// again. So is each pass of a sorted answer, which gathers the next rows of the order that fit in
// memory; an answer that fits is of one instant. If matches change between two passes, an entry
// may be missing or come twice; Summary.Changed says how many did.
//
// Memory is bounded whatever the index holds: rows wait in buffers of fixed size, and sorted rows
// in Options.SortMemory. An answer whose reader is slow keeps next to nothing that others need.
package exec

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"indexd/internal/access"
	"indexd/internal/query"
	"indexd/internal/query/plan"
	"indexd/ipc/wire"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// Options of a Runner. The zero value of each means its default.
type Options struct {
	// Procs is the number of goroutines that may scan at once in all queries
	// together, not counting one that every query has: its own; GOMAXPROCS-1.
	// Negative: none.
	Procs int
	// SortMemory is the memory in bytes that all sorts together may take beyond
	// a MiB each for every goroutine that scans; 32 MiB.
	SortMemory int64
	// Round is the time after which a read transaction of a listing ends; 50 ms.
	Round time.Duration
	// Buffer is the size in bytes of the rows that are copied in one round
	// before they go to the sink, for each of a few ranges; 128 KiB.
	Buffer int
}

func (o *Options) defaults() {
	if o.Procs == 0 {
		o.Procs = runtime.GOMAXPROCS(0) - 1
	}
	o.Procs = max(o.Procs, 0)
	if o.SortMemory == 0 {
		o.SortMemory = 32 << 20
	}
	if o.Round == 0 {
		o.Round = 50 * time.Millisecond
	}
	if o.Buffer == 0 {
		o.Buffer = 128 << 10
	}
}

// Runner executes queries on one store. It may be used by any number of
// goroutines, which share its processors and memory.
type Runner struct {
	st     *store.Store
	opt    Options
	procs  atomic.Int64 // helpers that may still be started
	memory *memory
	tune   tuning
	lookup lookup
}

// New returns a Runner for st.
func New(st *store.Store, o Options) *Runner {
	o.defaults()
	r := &Runner{st: st, opt: o, lookup: trigrams()}
	r.retune(defaults())
	r.procs.Store(int64(o.Procs))
	return r
}

// tuning is what nobody sets but a test.
type tuning struct {
	// probe is how long an answer scans alone before it cuts what is left into tasks for
	// several goroutines, since most are done by then, and how long it looks for a row beyond
	// its limit.
	probe time.Duration
	// units is the work after which a budget looks up: some 16 KiB of names, a
	// few hundred matches or a thousand headers, each well under 2 ms.
	units int
	// splitDirs is how many directories a volume must have to be cut at all.
	splitDirs uint64
	// What a sorter's block holds at most: bytes, and rows.
	blockSize, blockRows int
	// few is how many candidates, of that many records, are gone to one by one,
	// and many with how many more than that a scan looks for them.
	few, many func(all uint64) uint64
	// fewest is how many are gone to so at once.
	fewest uint64
}

func defaults() tuning {
	const size = 256 << 10
	return tuning{probe: time.Millisecond, units: 1024, splitDirs: 1024, blockSize: size, blockRows: size / refSize, few: fewOf, many: manyOf, fewest: 64}
}

func (r *Runner) retune(t tuning) {
	r.tune = t
	r.memory = &memory{max: r.opt.SortMemory, size: t.blockSize, rows: t.blockRows}
}

// Query is one question to a Runner.
type Query struct {
	Plan *plan.Plan
	// Sort, Reverse, Limit and Count are as in query.Request. Reverse turns
	// the whole order about, ties included.
	Sort    query.Sort
	Reverse bool
	Limit   int
	// Count: no rows, only Summary.Count; with Limit it stops there, and 1 is
	// what asks whether there is any.
	Count bool
	// NamesOnly: the sink needs nothing of an entry but its name. Where the
	// plan does not either, nothing else is decoded.
	NamesOnly bool
	// Viewer, if not nil, decides what may be shown. Nothing then is shown of what
	// is offline, nor is that said.
	Viewer Viewer

	// After is Summary.Next of the answer to the same query of which this is the next page;
	// empty for the first page. It cannot be combined with Count.
	After string
}

// Viewer says what an answer may show.
type Viewer interface {
	// Look returns a function for one goroutine, which is asked once a directory,
	// or a few times, what may be shown of it. It is called within a read
	// transaction, so it must not wait for anyone for long. dir is absolute; dir,
	// key and o are valid during the call. What comes next it may ask ahead for,
	// during its calls.
	Look(ahead Ahead) func(dir string, key record.Key, o *record.Origin) access.Visibility
	// Lists says whether what is at dir now may be listed, stored or not: whether
	// it may be said that the index does not know it well. It is called as Look's
	// function is.
	Lists(dir string) bool
	// Again is asked after a round, outside of its transaction, for directories of
	// which Look said access.Traverse or access.None and may say more now, since they have
	// been listed again. They are looked at once more. It may wait. An error ends
	// the answer.
	Again(ctx context.Context) (dirs []string, err error)
}

// Ahead calls add with some directories that are probably asked for next, in the
// order of paths, until it returns false. They are on the volume of the directory
// that is asked for. dir is absolute; dir and o are valid during the call.
type Ahead = func(add func(dir string, o *record.Origin) bool)

// Sink takes the rows of an answer. It is used by one goroutine, which holds no
// transaction.
type Sink interface {
	// Row is given one row. dir is the directory's absolute path; dir and e,
	// with its name, are valid during the call. noMeta: only the name and the
	// type in e.Mode are known or may be shown; with Query.NamesOnly only the
	// name is there anyway. An error ends the answer and is returned by Find.
	Row(dir []byte, e *listing.Entry, noMeta bool) error
	// Full says that Flush is to be called before more rows.
	Full() bool
	// Flush is called where Full says so, and now and then; not at the end. It
	// may block, but not for a reader that is slow: then Drain is called
	// before more rows. With no rows since the last it lets others go first.
	Flush(ctx context.Context) (slow bool, err error)
	// Drain waits until the reader has taken what it was given.
	Drain(ctx context.Context) error
}

// Summary is what is to be said about an answer besides its rows.
type Summary struct {
	Rows  int64 // given to the sink
	Count int64 // matches: Rows, or with Query.Count the count
	// The store's clock at the first and the last moment that was looked at.
	FirstClock, LastClock uint64
	// Missing are the plan's In directories of which the index knows nothing.
	Missing []string
	// Stale is a bounded sample of the parts that the answer touched and that may not
	// be true; StaleMore is how many were left out, at least. Where Viewer is set, the
	// path of what is not yet listed or has changed is the In directory or root in
	// which it lies.
	Stale     []wire.Stale
	StaleMore int
	// Changed is how many matches changed, at least, while the answer was being sorted.
	Changed int64
	// Next is what Query.After is for the next page if Query.Limit ended the answer and there
	// may be more; else it is empty.
	Next string
}

// Complete reports whether there is nothing in Stale.
func (s *Summary) Complete() bool { return len(s.Stale) == 0 && s.StaleMore == 0 && s.Changed == 0 }

// Find executes q and gives what matches to sink, which may be nil where
// q.Count. Errors are the sink's, the cause of ctx being done (within 10 ms),
// or the store's. Where records are damaged the rest of the answer is given
// and the error, which wraps store.ErrCorrupt, returned at the end. The Summary
// is of what was done, also with an error.
func (r *Runner) Find(ctx context.Context, q *Query, sink Sink) (Summary, error) {
	a := &answer{r: r, q: q, ctx: ctx, sink: sink, tasks: []*task{{}}}
	err := a.resume()
	if err == nil {
		err = a.run()
	}
	a.gather()
	if err == nil && a.damage != nil {
		err = fmt.Errorf("a part of the index cannot be read: %w", a.damage)
	}
	if a.more && a.last != nil && a.left() == 0 {
		a.sum.Next = a.token(a.last)
	}
	return a.sum, err
}
