// Package indexer binds the walker and the store: it decides which directories
// are listed, for whom and how urgently, and hands what is found to the one
// writer.
//
// A first index, a rescan, what a start finds changed, and a directory that
// turned out to be out of date are all the same act, a task: walk a directory
// or a subtree, apply each listing. Goroutines: the pool's workers, the writer,
// the merger of postings, and Run's own, which does whatever a worker or the
// writer must not wait for.
package indexer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/internal/indexer/jobs"
	"indexd/internal/mounts"
	"indexd/internal/rules"
	"indexd/internal/watch"
	"indexd/store"
	"indexd/walker"
)

// Config is what an Indexer is made of. Roots, Rules and Mounts are required.
type Config struct {
	// Roots are absolute, clean, free of symbolic links, none within another.
	Roots []string
	// Inner lie within a root and were asked for too: the file systems that they
	// are on are indexed whatever their type.
	Inner []string
	Rules *rules.Set
	// Mounts reads the mount table as it stands.
	Mounts func() (*mounts.Table, error)
	// Workers of the pool; 0 for the walker's default.
	Workers int
	// OnAccess is walker.Options.OnAccess; it may be nil.
	OnAccess func()
	// SweepInterval is how often the times of all directories are compared with
	// the store's; every sixth time all is listed again. 0: never, not even
	// for changes since the daemon stopped: then only rescans change the index.
	SweepInterval time.Duration
	// Watch gives hints of what changes; Run runs it. Nil: nothing is watched.
	Watch *watch.Source
	// Cookies is the directory that Watch has for itself.
	Cookies string
	// DB and Socket are the daemon's own, absolute and free of symbolic links;
	// changes of them, and of what the store makes beside DB, raise no work. "":
	// it lies in no root.
	DB, Socket string
	// Queue is how many bytes of listings may be prepared and not yet committed;
	// 0: 8 MiB. Half as many are a batch.
	Queue int
	// Degraded is told why nothing can be written, or what is wrong with the
	// database's file, when that begins or is for another reason, and "" when all is
	// well again. It must not block. Nil: nobody is.
	Degraded func(why string)
	Log      *slog.Logger // nil: none
	// Eager has merged and compacted at once what else waits for company, for its
	// time or for the database to be large: for tests that are to meet it.
	Eager bool

	trust    bool          // a test's: nothing in the database is damaged
	compared func()        // a test's: called in a reconcile before the rest is watched
	patience time.Duration // a test's, with a file system that hangs; 0: the usual

	lookAgain time.Duration // a test's, for the database's file; 0: the usual
	gather    time.Duration // a test's: how long watches that are free do; 0: the usual
	again     time.Duration // a test's: how soon what had no room is tried again; 0: the usual
	waits     int           // a test's: how many directories are remembered that wait for a watch; 0: the usual
}

// Indexer keeps a store true. All methods may be called from any goroutine;
// those that change something do so only while Run runs.
type Indexer struct {
	st      *store.Store
	log     *slog.Logger
	born    time.Time // when New made it
	cfg     Config    // but roots and rules, which may be reloaded
	pool    *walker.Pool
	writer  *commit.Writer
	history *jobs.History

	ctx    context.Context // ends when Run has
	cancel context.CancelCauseFunc
	// running ends first: with it, what Run's own goroutines go through the
	// store for.
	running context.Context
	stop    context.CancelCauseFunc

	rules    atomic.Pointer[rules.Set]
	inner    atomic.Pointer[[]string]
	rootList atomic.Pointer[[]*root]
	places   atomic.Pointer[places]
	placesMu sync.Mutex // held by who reads the mount table anew

	stamps    atomic.Uint64
	flights   flights
	hung      hung
	queue     queue
	active    gauge // tasks under way and things to do later
	epochs    epochs
	src       *watch.Source // nil: nothing is watched
	live      *live         // its consumer
	waiting   waiting
	heartbeat *commit.Heartbeat // of Run's goroutine
	progress  progress

	settling   settling
	scrubbing  scrubbing
	compacting compacting
	backfill   backfill
	naming     naming
	merger     merger
	pace       pace
	unsettled  atomic.Uint64 // how many directories are pending and cannot be listed
	reapMost   atomic.Int64  // records of a batch of them
	reaping    atomic.Bool   // a batch of the dead is with the writer

	begun  chan struct{}  // closed when the roots are known
	goes   sync.WaitGroup // goroutines beside the writer's and the pool's
	todoMu sync.Mutex
	todo   []func()
	wake   chan struct{} // capacity 1
}

// New makes an Indexer over st, which stays the caller's to close, after Run
// has returned.
func New(st *store.Store, cfg Config) (*Indexer, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.patience == 0 {
		cfg.patience = patience
	}
	if cfg.gather == 0 {
		cfg.gather = waitingPause
	}
	if cfg.waits == 0 {
		cfg.waits = waitingDirs
	}
	x := &Indexer{
		st: st, log: cfg.Log, cfg: cfg, born: time.Now(),
		flights:   flights{m: make(map[string][]again)},
		queue:     queue{m: make(map[taskKey]*slot)},
		active:    gauge{changed: make(chan struct{})},
		epochs:    newEpochs(),
		src:       cfg.Watch,
		waiting:   waiting{most: cfg.waits},
		wake:      make(chan struct{}, 1),
		begun:     make(chan struct{}),
		heartbeat: commit.NewHeartbeat(),
	}
	x.reapMost.Store(reapBatch)
	x.writer = commit.New(st, commit.Options{Queue: cfg.Queue, Log: cfg.Log, OnFailure: x.tellDegraded})
	if x.src != nil {
		x.live = newLive(x, x.src)
		x.src.OnEvict(func(dir string, changed time.Time) {
			x.gaveUp(dir)
			x.waiting.add(dir, changed.Unix())
		})
	}
	x.active.zero = x.nudge
	x.settling.tries = make(map[string]int)
	x.pace.pressure = pressure
	x.compacting.init(cfg.Eager)
	x.backfill.init(cfg.again)
	x.naming.pause = cmp.Or(cfg.lookAgain, namePause)
	x.merger = newMerger(cfg.Eager)
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	x.running, x.stop = context.WithCancelCause(x.ctx)
	x.rules.Store(cfg.Rules)
	x.stamps.Store(st.LastStamp())
	err := st.View(func(sn *store.Snap) error {
		x.scrubbing.doubt.Store(sn.Docs() > 0 && !cfg.trust) // until Run has looked
		return nil
	})
	if err == nil {
		x.history, err = jobs.NewHistory(st, x.present, x.forgetJob)
	}
	if err != nil {
		return nil, fmt.Errorf("read the next job's number: %w", err)
	}
	x.progress.begun = time.Now()
	return x, nil
}

// stamp gives the next stamp, which orders what is seen of the file system.
func (x *Indexer) stamp() uint64 { return x.stamps.Add(1) }

// Run indexes what is not indexed yet, goes on with what was interrupted, and
// serves jobs until ctx ends; then it stops the workers, tells whoever waits
// for a job that it goes on at the next start, and returns when all that was
// found is committed and every goroutine has ended.
func (x *Indexer) Run(ctx context.Context) error {
	x.pool = walker.New(walker.Options{
		Workers:  x.cfg.Workers,
		Stamp:    x.stamp,
		OnAccess: x.cfg.OnAccess,
		Device:   x.deviceOf, StuckAfter: x.cfg.patience, MaxStuck: maxStuck,
		OnStuck: func(worker int, dir string, since time.Duration) {
			x.log.Warn("a directory does not answer; going on without it", "dir", dir, "worker", worker, "since", since)
		},
	})
	var wg sync.WaitGroup
	wg.Go(func() { x.writer.Run(ctx) })
	if x.src != nil {
		wctx, stopWatching := context.WithCancel(context.Background())
		var watching sync.WaitGroup
		watching.Go(func() {
			if err := x.src.Run(wctx); err != nil {
				x.log.Warn("watching", "err", err)
			}
		})
		defer watching.Wait()
		defer stopWatching()
		x.goes.Go(func() { x.live.run(x.running) })
	}
	err := x.begin(ctx)
	if ctx.Err() != nil {
		err = nil // stopped before it began
	}
	if err == nil {
		if x.scrubbing.doubt.Load() {
			x.search(false) // first: who waits for nothing to be pending waits for it too
		}
		close(x.begun)
		x.goes.Go(func() { x.merge(x.running) })
		x.loop(ctx)
	}
	x.stop(ErrStopping)
	x.goes.Wait()
	x.history.Interrupt()
	if left := x.pool.Close(); errors.Is(left, walker.ErrStuck) {
		x.log.Warn("stopping without waiting for a file system that does not answer", "err", left)
	} else {
		err = errors.Join(err, left)
	}
	x.writer.Stop()
	wg.Wait()
	x.cancel(ErrStopping)
	for _, r := range x.allRoots() {
		r.hush()
	}
	return err
}

// Begun is closed when Run knows the roots and what the store has of them:
// nothing else of the Indexer may be called before.
func (x *Indexer) Begun() <-chan struct{} { return x.begun }

// ErrStopping is returned by what was asked for after Run's context ended.
var ErrStopping = commit.ErrStopping

// signal puts a value into a channel of capacity 1, unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// loop does what is to be done later, until ctx ends.
func (x *Indexer) loop(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	defer x.compacting.timer.Stop()
	defer x.backfill.timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-x.wake:
			x.todoMu.Lock()
			todo := x.todo
			x.todo = nil
			x.todoMu.Unlock()
			for _, f := range todo {
				f()
				x.heartbeat.Tick()
				x.active.add(-1)
			}
			x.settle()
			x.checkBackfill()
		case <-tick.C:
			tick.Reset(x.sweep())
			x.lookForFile()
		case <-x.writer.Committed():
			x.compacting.changed()
			x.merger.changed()
			x.settleRest()
			x.checkBackfill()
			x.lookForFile()
		case <-x.compacting.timer.C:
			x.compactIfDue()
		case <-x.backfill.rejected:
			x.changesRejected()
		case <-x.backfill.timer.C:
			x.startBackfill()
		case err := <-x.compacting.result:
			x.compacted(err)
		case <-x.heartbeat.Asks():
		}
	}
}

// later has f run on Run's goroutine, from where it may wait for the writer.
func (x *Indexer) later(f func()) {
	x.active.add(1)
	x.todoMu.Lock()
	x.todo = append(x.todo, f)
	x.todoMu.Unlock()
	x.nudge()
}

// nudge has Run's goroutine look at what there is to do.
func (x *Indexer) nudge() { signal(x.wake) }

// dirtyIn has one directory listed again, soon, as part of an epoch's work, of which
// the caller has some in hand.
func (x *Indexer) dirtyIn(epoch uint64, dir string) {
	x.submitLater(&task{x: x, priority: walker.Event, alone: dir, epoch: epoch})
}

// discoveredIn has a directory that was never listed walked with all below it, as part
// of an epoch's work, of which the caller has some in hand.
func (x *Indexer) discoveredIn(epoch uint64, dir string) {
	priority := walker.Resume
	if epoch != 0 {
		priority = walker.Event
	}
	x.submitLater(&task{x: x, priority: priority, trees: []string{dir}, epoch: epoch})
}

func (x *Indexer) submitLater(t *task) {
	epoch := t.epoch
	x.epochs.add(epoch)
	x.later(func() {
		_ = x.queue.submit(t, nil, nil)
		x.epochs.done(epoch)
	})
}

// WaitIdle returns when nothing is under way nor pending, or with ctx's error.
func (x *Indexer) WaitIdle(ctx context.Context) error {
	return x.active.wait(ctx, func(n int) bool { return n == 0 && x.allComplete() && x.settled() })
}

// WaitReady returns when every root has been listed completely once, or with
// ctx's error.
func (x *Indexer) WaitReady(ctx context.Context) error {
	return x.active.wait(ctx, func(int) bool { return x.allComplete() })
}

// gauge counts, and lets people wait for it to stand as they wish.
type gauge struct {
	mu      sync.Mutex
	n       int
	zero    func()        // called under mu when it gets there; set before use
	changed chan struct{} // closed and made anew with each change that may matter
}

func (g *gauge) add(d int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n += d; g.n == 0 {
		close(g.changed)
		g.changed = make(chan struct{})
		if g.zero != nil {
			g.zero()
		}
	}
}

func (g *gauge) value() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

// poke wakes those who wait for something beside the count.
func (g *gauge) poke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gauge) wait(ctx context.Context, ok func(n int) bool) error {
	for {
		g.mu.Lock()
		n, changed := g.n, g.changed
		g.mu.Unlock()
		if ok(n) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// progress counts what was listed since the start.
type progress struct {
	begun         time.Time
	dirs, entries atomic.Uint64
}

func (p *progress) add(first bool, entries int) {
	if first {
		p.dirs.Add(1)
	}
	p.entries.Add(uint64(entries))
}
