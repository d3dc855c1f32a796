// Package exec executes a query's Plan on the store: it reads the listings that
// the plan's scope covers, evaluates their entries, and gives those that match
// to a Sink, in order.
//
//	scopes ── keyspace ──▶ tasks ── worker: walk, evaluate ──▶ rows, a count, or a sorter ──▶ Sink
//	In, roots  key ranges ranges   one goroutine each       in a read transaction         outside of it
//
// Within a scope, only those records are read that the indexes of trigrams, sizes and times
// make candidates; see candidates.
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
	// Procs is the number of goroutines that may scan at once for all queries together, in
	// addition to each query's own. The default is GOMAXPROCS-1; a negative number means none.
	Procs int
	// SortMemory is the memory in bytes that all sorts together may use in addition to
	// 768 KiB for every goroutine that scans. The default is 32 MiB.
	SortMemory int64
	// Round is how long a read transaction of a listing lasts at most. The default is 50 ms.
	Round time.Duration
	// Buffer is the size in bytes of the rows that one round copies for each of a few ranges
	// before they go to the sink. The default is 128 KiB.
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

// tuning is what only tests change.
type tuning struct {
	// probe is how long an answer scans alone before it cuts what is left into tasks for
	// several goroutines, since most are done by then, and how long it looks for a row beyond
	// its limit.
	probe time.Duration
	// units is the work between two checks of a budget: some 16 KiB of names, a few hundred
	// matches or a thousand headers, each of which takes well under 2 ms.
	units int
	// splitDirs is how many directories a volume must have to be cut at all.
	splitDirs uint64
	// What a sorter's block holds at most: bytes, and rows.
	blockSize, blockRows int
	// few returns up to how many candidates, out of all records, are looked up one by one, and
	// many up to how many beyond that a scan picks them out.
	few, many func(all uint64) uint64
	// fewest is up to how many are looked up without a scan first.
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

// Query describes one answer.
type Query struct {
	Plan *plan.Plan
	// Sort, Reverse, Limit and Count are as in query.Request. Reverse turns
	// the whole order about, ties included.
	Sort    query.Sort
	Reverse bool
	Limit   int
	// Count asks for no rows, only Summary.Count. With a Limit, counting stops there; a Limit
	// of 1 asks whether there is any match.
	Count bool
	// NamesOnly says that the sink needs only the names of entries. Unless the plan needs
	// more, nothing else is decoded.
	NamesOnly bool
	// Viewer decides what may be shown; nil shows everything. With a Viewer, nothing that is
	// offline is shown or reported.
	Viewer Viewer

	// After is Summary.Next of the answer to the same query of which this is the next page;
	// empty for the first page. It cannot be combined with Count.
	After string
}

// Viewer says what an answer may show.
type Viewer interface {
	// Look returns a function for one goroutine that says what may be shown of a directory. It
	// is called once or a few times for each directory, within a read transaction, so it must
	// not block for long. dir is absolute; dir, key and o are valid during the call. During its
	// calls, ahead tells it which directories follow.
	Look(ahead Ahead) func(dir string, key record.Key, o *record.Origin) access.Visibility
	// Lists reports whether the directory that is at dir now may be listed, whether it is
	// stored or not, and so whether an answer may report it as stale. The rules for Look's
	// function apply.
	Lists(dir string) bool
	// Again returns directories for which Look returned access.Traverse or access.None and may
	// return more now because they were listed again. They are read once more. It is called
	// after a round, outside its transaction, and may block. An error ends the answer.
	Again(ctx context.Context) (dirs []string, err error)
}

// Ahead calls add with directories that probably follow, in path order, until it returns false.
// They are on the same volume as the current directory. dir is absolute; dir and o are valid
// during the call.
type Ahead = func(add func(dir string, o *record.Origin) bool)

// Sink takes the rows of an answer. It is used by one goroutine, which holds no
// transaction.
type Sink interface {
	// Row takes one row. dir is the directory's absolute path; dir and e, with its name, are
	// valid during the call. noMeta means that only the name and the type in e.Mode are known
	// or may be shown; with Query.NamesOnly there is only the name. An error ends the answer,
	// and Find returns it.
	Row(dir []byte, e *listing.Entry, noMeta bool) error
	// Full reports whether Flush must be called before the next row.
	Full() bool
	// Flush is called when Full says so, and now and then, but not at the end. It may block,
	// but not for a slow reader: it then returns true, and Drain is called before more rows.
	// If there are no new rows, it lets other requests go first.
	Flush(ctx context.Context) (slow bool, err error)
	// Drain waits until the reader has taken all rows so far.
	Drain(ctx context.Context) error
}

// Summary describes an answer apart from its rows.
type Summary struct {
	Rows  int64 // given to the sink
	Count int64 // matches: Rows, or with Query.Count the count
	// The store's clock at the first and the last snapshot that was read.
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

// Find executes q and gives the matches to sink, which may be nil if q.Count is set. It returns
// the sink's errors, the cause of ctx being done (within 10 ms), the store's errors, and errors
// that wrap ErrToken. If records are damaged, it gives the rest of the answer and returns an error
// that wraps store.ErrCorrupt at the end. The Summary describes what was done even if there is an
// error.
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
