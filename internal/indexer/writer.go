package indexer

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

// Sizes of the path into the store. A commit costs one or two fsyncs whatever
// is in it, so a first index wants large batches; what is prepared, queued and
// dirty is anonymous memory, so it wants small ones. With 4 MiB the fsyncs of
// a first index of 400,000 entries are under a twentieth of its time.
const (
	// Of prepared listings, queued and in the batch: then workers wait. At half of
	// it the batch is committed.
	queueBytes = 8 << 20
	queueItems = 4096
	// A change that nobody waits for may be held back this long for company.
	batchAge = 500 * time.Millisecond
)

// An item is one thing to be written. It may be run more than once: when the
// transaction it was part of could not be committed, it runs again in another.
type item struct {
	bytes   int           // memory held until it is committed
	held    *atomic.Int64 // counts the item until it is done with; nil: nothing does
	when    urgency
	do      func(*store.Tx) error // on the writer's goroutine; an error drops this item alone
	reserve func() reserve        // asked after do; nil: removal
	done    func(error)           // after the commit, or with why there was none; must not block
}

func (it *item) hold(n int64) {
	if it.held != nil {
		it.held.Add(n)
	}
}

// urgency says when an item is committed, with all that came before it.
type urgency uint8

const (
	later  urgency = iota // when the batch is full or old
	steady                // as soon as nothing else is queued and the allowance for constant change lets it
	soon                  // the same for a change, which may be a lone one
	now                   // as soon as nothing else is queued: somebody waits for it
)

// writer is the one goroutine that changes the store: items come in through
// put, in the order in which they are applied.
type writer struct {
	st  *store.Store
	log *slog.Logger

	queue int                 // bytes, in all
	room  *semaphore.Weighted // bytes
	items chan item
	quit  chan struct{} // closed by stop: drain, commit, return
	pulse pulse
	ended chan struct{} // closed when run has returned

	// committed has something in it when something was, since it was last read.
	committed chan struct{}

	// bulk: what comes is a first index, nearly in the order of keys.
	bulk    atomic.Int32
	hurry   atomic.Int32 // how many wait for whatever comes: soon is now
	names   atomic.Int64 // that changed since the last item that is soon
	trouble trouble      // why nothing can be written, while that is so

	dropped logthrottle.Logger

	// Confined to run.
	tx    *store.Tx
	batch []item
	bytes int
	most  int         // bytes of a batch
	when  urgency     // of the most urgent in the batch
	timer *time.Timer // runs while tx holds something
	allow allowance
}

func newWriter(st *store.Store, queue int, log *slog.Logger) *writer {
	if queue == 0 {
		queue = queueBytes
	}
	w := &writer{
		st: st, log: log, queue: queue, trouble: trouble{log: log},
		room:  semaphore.NewWeighted(int64(queue)),
		items: make(chan item, queueItems),
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
		pulse: newPulse(),
		timer: time.NewTimer(time.Hour),

		committed: make(chan struct{}, 1),
	}
	w.timer.Stop()
	return w
}

// put hands an item to the writer and blocks while the queue is full. It must
// not be called on the writer's own goroutine.
func (w *writer) put(ctx context.Context, it item) error {
	it.bytes = min(it.bytes, w.queue)
	it.hold(1)
	if err := w.room.Acquire(ctx, int64(it.bytes)); err != nil {
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
		w.room.Release(int64(it.bytes))
		return context.Cause(ctx)
	}
}

// update runs fn in a transaction and returns when it is committed.
func (w *writer) update(ctx context.Context, fn func(*store.Tx) error) error {
	return w.putAndWait(ctx, item{do: fn})
}

// putAndWait hands an item to the writer and returns when it is committed.
func (w *writer) putAndWait(ctx context.Context, it item) error {
	errc, done := make(chan error, 1), it.done
	it.when = now
	it.done = func(err error) {
		if done != nil {
			done(err)
		}
		errc <- err
	}
	if err := w.put(ctx, it); err != nil {
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

// flush returns when everything put before is committed.
func (w *writer) flush(ctx context.Context) error {
	return w.update(ctx, func(*store.Tx) error { return nil })
}

// stop makes run commit what is queued and return. Call it when nobody calls
// put any more.
func (w *writer) stop() { close(w.quit) }

func (w *writer) run(ctx context.Context) {
	defer close(w.ended)
	for {
		select {
		case it := <-w.items:
			w.apply(ctx, it)
			w.when = max(w.when, it.when)
			if it.when == soon {
				w.allow.change(w.names.Swap(0), time.Now())
			}
			if w.bytes >= w.most || len(w.items) == 0 && w.due(w.when) {
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
		case <-w.pulse.asks:
		}
	}
}

// due reports whether a batch whose most urgent item is to be committed so is to
// be committed now.
func (w *writer) due(when urgency) bool {
	switch when {
	case now:
		return true
	case steady, soon:
		return w.hurry.Load() > 0 || w.allow.wait(when == soon, time.Now()) == 0
	}
	return false
}

// hasten makes what is and will be queued be committed without delay, until done
// is called.
func (w *writer) hasten(ctx context.Context) (done func(), err error) {
	w.hurry.Add(1)
	return func() { w.hurry.Add(-1) }, w.flush(ctx)
}

// apply runs an item in the open transaction, or in a new one. An item that
// fails may have left half of itself behind: the transaction is given up and
// the others of the batch run again without it.
func (w *writer) apply(ctx context.Context, it item) {
	w.pulse.beat()
	w.batch = append(w.batch, it)
	w.bytes += it.bytes
	err := w.begin()
	if err == nil {
		if err = it.do(w.tx); err == nil {
			return
		}
		w.rollback()
		if !passing(err) {
			w.drop(len(w.batch)-1, err)
			err = w.redo()
		}
	}
	if err != nil {
		w.commit(ctx)
	}
}

func (w *writer) begin() error {
	if w.tx != nil {
		return nil
	}
	w.most = w.maxBatch()
	tx, err := w.st.Begin()
	if err != nil {
		return err
	}
	w.tx = tx
	if w.bulk.Load() > 0 {
		tx.Bulk()
	}
	w.timer.Reset(max(batchAge, w.allow.wait(false, time.Now())))
	return nil
}

func (w *writer) rollback() {
	if w.tx != nil {
		w.tx.Rollback()
		w.tx = nil
	}
	w.timer.Stop()
}

// drop takes item i out of the batch and tells its giver why.
func (w *writer) drop(i int, err error) {
	it := w.batch[i]
	w.batch = slices.Delete(w.batch, i, i+1)
	w.bytes -= it.bytes
	w.room.Release(int64(it.bytes))
	it.hold(-1)
	if !errors.Is(err, store.ErrFull) || it.leaves() == removal {
		w.dropped.Log(func(times int) { w.log.Error("a change could not be written", "err", err, "times", times) })
	}
	if it.done != nil {
		it.done(err)
	}
}

// redo runs the whole batch again in a new transaction. An error is the system's,
// and leaves the batch as it is.
func (w *writer) redo() error {
	for i := 0; i < len(w.batch); {
		w.pulse.beat()
		err := w.begin()
		if err != nil {
			return err
		}
		if err = w.batch[i].do(w.tx); err == nil {
			i++
			continue
		}
		w.rollback()
		if passing(err) {
			return err
		}
		w.drop(i, err)
		i = 0
	}
	return nil
}

const (
	// A commit that failed is tried again after so long, and then after twice as
	// long each time, up to the most.
	retryFirst = time.Second / 4
	retryMost  = 8 * time.Second
)

// commit makes the batch durable, but for what the size limit has no room for. A
// disk that is full or fails is waited for: what is in the batch stays there,
// workers wait when the queue is full, and queries go on.
func (w *writer) commit(ctx context.Context) {
	for wait := retryFirst; len(w.batch) > 0; wait = min(2*wait, retryMost) {
		err := w.commitWithinLimit()
		w.pulse.beat() // by a failure too: to wait for room on the disk is not to hang
		if err == nil {
			break
		}
		w.trouble.begins(err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-w.quit:
			w.fail(err)
			return
		case <-ctx.Done():
			w.fail(context.Cause(ctx))
			return
		}
		timer.Stop()
	}
	w.trouble.ends()
	w.fail(nil)
	poke(w.committed)
}

// tryCommit commits the batch, run anew where a transaction before failed.
func (w *writer) tryCommit() error {
	if w.tx == nil {
		if err := w.redo(); err != nil {
			return err
		}
	}
	if w.tx == nil { // nothing of it is left
		return nil
	}
	w.tx.Leave(w.leaves().bytes(w.st.Reserve()))
	err := w.tx.Commit()
	if (w.when == steady || w.when == soon) && w.bulk.Load() == 0 {
		w.allow.spend(w.when == soon, w.tx.Written(), time.Now())
	}
	w.tx = nil
	w.timer.Stop()
	return err
}

// poke puts a value into a channel of capacity 1, unless there is one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fail empties the batch and tells each giver err, nil for success.
func (w *writer) fail(err error) {
	batch := w.batch
	w.batch = nil
	w.room.Release(int64(w.bytes))
	w.bytes, w.when = 0, later
	for i := range batch {
		batch[i].hold(-1)
		if batch[i].done != nil {
			batch[i].done(err)
		}
	}
	clear(batch)
	w.batch = batch[:0]
}

// ErrStopping is returned to who wants something written when Run has ended.
var ErrStopping = errors.New("the daemon is stopping")
