// Package commit has the one writer of the store. It gathers changes into batches and
// commits them as urgently as they ask for, limits how much is written because of changes
// that nobody waits for, retries while the disk is full or fails, and drops what does not
// fit below the database's size limit.
//
// It knows the store and nothing of the file system: what a change is about, and what
// follows from it, is the caller's business.
package commit

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"indexd/internal/logthrottle"
	"indexd/store"
)

// Sizes of the path into the store. A commit costs one or two fsyncs whatever it holds,
// so a first index wants large batches; prepared, queued and dirty data is anonymous
// memory, so it wants small ones. With batches of 4 MiB the fsyncs of a first index of
// 400,000 entries take less than a twentieth of its time.
const (
	// queueBytes of items may be queued or in the batch; then Put blocks. The batch is
	// committed at half of it.
	queueBytes = 8 << 20
	queueItems = 4096
	// batchAge is how long an item that nobody waits for may wait for others.
	batchAge = 500 * time.Millisecond
)

// ErrStopping is returned for an item that cannot be written because Run has returned.
var ErrStopping = errors.New("the daemon is stopping")

// An Item is one change. Its functions are called on the writer's goroutine and must not
// block.
type Item struct {
	Bytes int           // of memory held until the item is done with
	Held  *atomic.Int64 // counts the item from Put until it is done with; may be nil
	When  Urgency
	// Do makes the change. If it fails, only this item is dropped. It runs again, in
	// another transaction, if the one that it was part of could not be committed.
	Do func(*store.Tx) error
	// Reserve is called after Do. Nil stands for Removal.
	Reserve func() Reserve
	// Done is called with nil after the commit, or with the reason why there was none:
	// Do's error, store.ErrFull, or ErrStopping. It may be nil.
	Done func(error)
}

func (it *Item) hold(n int64) {
	if it.Held != nil {
		it.Held.Add(n)
	}
}

// Urgency says when an item is committed, with all items put before it.
type Urgency uint8

// The urgencies, from low to high.
const (
	Batched Urgency = iota // when the batch is full, or after batchAge
	Steady                 // once nothing else is queued and the allowance for constant change permits it
	Soon                   // the same for a change, which may be a lone one
	Now                    // once nothing else is queued: somebody waits for it
)

// A Writer is the one goroutine that changes the store. It applies items in the order in
// which they were put. Its methods may be called from any goroutine but, unless stated
// otherwise, not from an Item's functions.
type Writer struct {
	Heartbeat *Heartbeat

	st  *store.Store
	log *slog.Logger

	queue     int                 // bytes
	room      *semaphore.Weighted // bytes
	items     chan Item
	quit      chan struct{} // closed by Stop
	ended     chan struct{} // closed when Run returns
	committed chan struct{} // capacity 1

	bulk    atomic.Int32
	hurry   atomic.Int32
	names   atomic.Int64 // that changed since the last item that is Soon
	failure failure
	dropped logthrottle.Logger

	// Confined to Run.
	tx        *store.Tx
	batch     []Item
	bytes     int         // of batch
	maxBytes  int         // of batch, before it is committed
	urgency   Urgency     // of the most urgent item of batch
	timer     *time.Timer // runs while tx holds something
	allowance allowance
}

// Options of a Writer.
type Options struct {
	// Queue is how many bytes of items may be queued or in the batch; 0: 8 MiB.
	Queue int
	Log   *slog.Logger
	// OnFailure is called when Failure's result changes. It must not block.
	OnFailure func()
}

// New returns a Writer of st.
func New(st *store.Store, o Options) *Writer {
	if o.Queue == 0 {
		o.Queue = queueBytes
	}
	w := &Writer{
		Heartbeat: NewHeartbeat(),
		st:        st, log: o.Log, queue: o.Queue,
		failure:   failure{log: o.Log, notify: o.OnFailure},
		room:      semaphore.NewWeighted(int64(o.Queue)),
		items:     make(chan Item, queueItems),
		quit:      make(chan struct{}),
		ended:     make(chan struct{}),
		committed: make(chan struct{}, 1),
		timer:     time.NewTimer(time.Hour),
	}
	w.timer.Stop()
	return w
}

// Put hands an item to the writer. It blocks while the queue is full.
func (w *Writer) Put(ctx context.Context, it Item) error {
	it.Bytes = min(it.Bytes, w.queue)
	it.hold(1)
	if err := w.room.Acquire(ctx, int64(it.Bytes)); err != nil {
		it.hold(-1)
		return context.Cause(ctx)
	}
	select {
	case w.items <- it:
		return nil
	case <-w.ended:
		return ErrStopping
	case <-ctx.Done():
		it.hold(-1)
		w.room.Release(int64(it.Bytes))
		return context.Cause(ctx)
	}
}

// PutAndWait hands an item to the writer and returns once it is committed, or with the
// reason why it is not.
func (w *Writer) PutAndWait(ctx context.Context, it Item) error {
	errc, done := make(chan error, 1), it.Done
	it.When = Now
	it.Done = func(err error) {
		if done != nil {
			done(err)
		}
		errc <- err
	}
	if err := w.Put(ctx, it); err != nil {
		return err
	}
	select {
	case err := <-errc:
		return err
	case <-w.ended:
		return ErrStopping
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Update runs fn in a transaction and returns once it is committed.
func (w *Writer) Update(ctx context.Context, fn func(*store.Tx) error) error {
	return w.PutAndWait(ctx, Item{Do: fn})
}

// Flush returns once every item put before is committed.
func (w *Writer) Flush(ctx context.Context) error {
	return w.Update(ctx, func(*store.Tx) error { return nil })
}

// Committed receives a value after commits; several commits may share one value.
func (w *Writer) Committed() <-chan struct{} { return w.committed }

// Ended is closed when Run has returned.
func (w *Writer) Ended() <-chan struct{} { return w.ended }

// Bulk tells the writer that a first index is under way, of which items come nearly in
// the order of keys, until end is called.
func (w *Writer) Bulk() (end func()) {
	w.bulk.Add(1)
	return func() { w.bulk.Add(-1) }
}

// InBulk reports whether a first index is under way.
func (w *Writer) InBulk() bool { return w.bulk.Load() > 0 }

// Hurry makes the writer commit all items without delay, those already queued and later
// ones, until end is called.
func (w *Writer) Hurry() (end func()) {
	w.hurry.Add(1)
	return func() { w.hurry.Add(-1) }
}

// InHurry reports whether everything is committed without delay now.
func (w *Writer) InHurry() bool { return w.hurry.Load() > 0 }

// NamesChanged tells the writer how many names changed, from which it knows constant
// change. The items that result come afterwards.
func (w *Writer) NamesChanged(n int) { w.names.Add(int64(n)) }

// Failure says why nothing can be written now, "" if that is not so. It may be called
// from an Item's functions.
func (w *Writer) Failure() string { return w.failure.reason() }

// Run writes items until Stop is called. While a commit fails, the end of ctx makes it
// give up the batch.
func (w *Writer) Run(ctx context.Context) {
	defer close(w.ended)
	defer w.dropped.Stop()
	for {
		select {
		case it := <-w.items:
			w.apply(ctx, it)
			w.urgency = max(w.urgency, it.When)
			if it.When == Soon {
				w.allowance.change(w.names.Swap(0), time.Now())
			}
			if w.bytes >= w.maxBytes || len(w.items) == 0 && w.due(w.urgency) {
				w.commit(ctx)
			}
		case <-w.timer.C:
			w.commit(ctx)
		case <-w.quit:
			for len(w.items) > 0 {
				w.apply(ctx, <-w.items)
			}
			w.commit(ctx)
			return
		case <-w.Heartbeat.asks:
		}
	}
}

// Stop makes Run commit what is queued and return. Put must not be called any more.
func (w *Writer) Stop() { close(w.quit) }

// due reports whether a batch of this urgency is to be committed now.
func (w *Writer) due(u Urgency) bool {
	switch u {
	case Now:
		return true
	case Steady, Soon:
		return w.InHurry() || w.allowance.wait(u == Soon, time.Now()) == 0
	}
	return false
}

// apply runs an item in the open transaction, or in a new one. An item that fails may
// have made half of its changes: the transaction is rolled back and the rest of the batch
// runs again without the item.
func (w *Writer) apply(ctx context.Context, it Item) {
	w.Heartbeat.Tick()
	w.batch = append(w.batch, it)
	w.bytes += it.Bytes
	err := w.begin()
	if err == nil {
		if err = it.Do(w.tx); err == nil {
			return
		}
		w.rollback()
		if !transient(err) {
			w.drop(len(w.batch)-1, err)
			err = w.redo()
		}
	}
	if err != nil {
		w.commit(ctx)
	}
}

func (w *Writer) begin() error {
	if w.tx != nil {
		return nil
	}
	w.maxBytes = w.maxBatch()
	tx, err := w.st.Begin()
	if err != nil {
		return err
	}
	w.tx = tx
	if w.InBulk() {
		tx.Bulk()
	}
	w.timer.Reset(max(batchAge, w.allowance.wait(false, time.Now())))
	return nil
}

func (w *Writer) rollback() {
	if w.tx != nil {
		w.tx.Rollback()
		w.tx = nil
	}
	w.timer.Stop()
}

// drop removes item i from the batch and reports err to its Done.
func (w *Writer) drop(i int, err error) {
	it := w.batch[i]
	w.batch = slices.Delete(w.batch, i, i+1)
	w.bytes -= it.Bytes
	w.room.Release(int64(it.Bytes))
	it.hold(-1)
	if !errors.Is(err, store.ErrFull) || it.reserve() == Removal { // else it is expected
		w.dropped.Log(func(times int) { w.log.Error("a change could not be written", "err", err, "times", times) })
	}
	if it.Done != nil {
		it.Done(err)
	}
}

// redo runs the whole batch again in a new transaction. If it returns an error, which is
// transient, the batch is unchanged.
func (w *Writer) redo() error {
	for i := 0; i < len(w.batch); {
		w.Heartbeat.Tick()
		err := w.begin()
		if err != nil {
			return err
		}
		if err = w.batch[i].Do(w.tx); err == nil {
			i++
			continue
		}
		w.rollback()
		if transient(err) {
			return err
		}
		w.drop(i, err)
		i = 0
	}
	return nil
}

const (
	// A commit that failed is retried after retryFirst, and then after twice as long
	// each time, up to retryMost.
	retryFirst = time.Second / 4
	retryMost  = 8 * time.Second
)

// commit makes the batch durable, but for items that do not fit below the size limit.
// While the disk is full or fails it retries: the batch is kept, and Put blocks when the
// queue is full.
func (w *Writer) commit(ctx context.Context) {
	for wait := retryFirst; len(w.batch) > 0; wait = min(2*wait, retryMost) {
		err := w.commitWithinLimit()
		w.Heartbeat.Tick() // also after a failure: waiting for the disk is not hanging
		if err == nil {
			break
		}
		w.failure.set(err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-w.quit:
			w.finish(err)
			return
		case <-ctx.Done():
			w.finish(context.Cause(ctx))
			return
		}
		timer.Stop()
	}
	w.failure.clear()
	w.finish(nil)
	select {
	case w.committed <- struct{}{}:
	default:
	}
}

// tryCommit commits the batch. It applies it anew if an earlier transaction failed.
func (w *Writer) tryCommit() error {
	if w.tx == nil {
		if err := w.redo(); err != nil {
			return err
		}
	}
	if w.tx == nil { // the batch is empty
		return nil
	}
	w.tx.Leave(w.reserve().bytes(w.st.Reserve()))
	err := w.tx.Commit()
	if (w.urgency == Steady || w.urgency == Soon) && !w.InBulk() {
		w.allowance.spend(w.urgency == Soon, w.tx.Written(), time.Now())
	}
	w.tx = nil
	w.timer.Stop()
	return err
}

// finish empties the batch and reports err, nil for success, for each of its items.
func (w *Writer) finish(err error) {
	batch := w.batch
	w.batch = nil
	w.room.Release(int64(w.bytes))
	w.bytes, w.urgency = 0, Batched
	for i := range batch {
		batch[i].hold(-1)
		if batch[i].Done != nil {
			batch[i].Done(err)
		}
	}
	clear(batch)
	w.batch = batch[:0]
}
