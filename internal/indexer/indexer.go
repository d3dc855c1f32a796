// Package indexer connects the walker and the store: it decides which directories are
// listed, for whom and how urgently, and hands what is found to the one writer.
//
// A first index, a rescan, what a start finds changed, and a directory that turns out to be
// out of date are all the same, a task: walk a directory or a subtree, and apply each
// listing. The goroutines are the pool's workers, the writer, the merger of postings, the
// one that acts on events, and Run's own, which does whatever a worker or the writer must
// not wait for.
package indexer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/internal/indexer/jobs"
	"indexd/internal/mounts"
	"indexd/internal/rules"
	"indexd/internal/watch"
	"indexd/store"
	"indexd/walker"
)

// Config configures an Indexer. Roots, Rules and Mounts are required.
type Config struct {
	// Roots are absolute, clean, free of symbolic links, none within another.
	Roots []string
	// Inner are paths within a root that were asked for too: the file systems that they
	// are on are indexed whatever their type.
	Inner []string
	Rules *rules.Set
	// Mounts reads the mount table.
	Mounts func() (*mounts.Table, error)
	// Workers is the size of the pool; 0: the walker's default.
	Workers int
	// RotatingReaders is how many directories of a rotating disk are listed at once; 0: no
	// limit besides Workers.
	RotatingReaders int
	// OnAccess is walker.Options.OnAccess.
	OnAccess func()
	// SweepInterval is how often the times of all directories are compared with the
	// store's; every sixth time everything is listed again. 0: never, not even for
	// changes since the daemon stopped, so that only rescans change the index.
	SweepInterval time.Duration
	// Watch reports changes; Run runs it. Nil: nothing is watched.
	Watch *watch.Source
	// BarrierDir is watch.Options.BarrierDir.
	BarrierDir string
	// DB and Socket are the daemon's own files, absolute and free of symbolic links.
	// Changes of them, and of what the store makes beside DB, cause no work. "": the file
	// lies in no root.
	DB, Socket string
	// Queue is how many bytes of listings may be prepared and not yet committed; 0: 8 MiB.
	Queue int
	// Degraded, if not nil, is called with the reason when the database cannot be written or
	// its file is not in its place, and with "" afterwards. It must not block.
	Degraded func(why string)
	Log      *slog.Logger // nil: nothing is logged

	// The rest is for tests.

	// Eager makes merges and compactions run immediately instead of being batched.
	Eager bool
	// NoVerify leaves out the check of the database after a start.
	NoVerify bool
	// Sysfs is where sysfs is mounted; "": /sys.
	Sysfs  string
	Timing Timing
}

// Timing has pauses and limits that tests shorten. Zero values stand for the defaults.
type Timing struct {
	StuckAfter time.Duration // how long a system call may take
	FileCheck  time.Duration // between two checks of the database file's name
	FreedPause time.Duration // how long watches that became free are gathered
	Backfill   time.Duration // before the first pass for changes rejected at the size limit
}

func (t Timing) withDefaults() Timing {
	t.StuckAfter = cmp.Or(t.StuckAfter, stuckAfter)
	t.FileCheck = cmp.Or(t.FileCheck, fileCheckPause)
	t.FreedPause = cmp.Or(t.FreedPause, freedPause)
	t.Backfill = cmp.Or(t.Backfill, backfillFirst)
	return t
}

// An Indexer keeps a store true. Its methods may be called from any goroutine, after Begun;
// those that change something only while Run runs.
type Indexer struct {
	*barrier
	history      *jobs.History
	retry        *retry
	backfill     *backfill
	compactor    *compactor
	merger       *merger
	verification verification

	begun chan struct{} // closed when the roots are known
}

// New returns an Indexer of st. The caller closes st after Run has returned.
func New(st *store.Store, cfg Config) (*Indexer, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.Timing = cfg.Timing.withDefaults()
	c := &core{st: st, log: cfg.Log, cfg: cfg, born: time.Now()}
	c.writer = commit.New(st, commit.Options{Queue: cfg.Queue, Log: cfg.Log, OnFailure: c.reportDegraded})
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.running, c.stop = context.WithCancelCause(c.ctx)
	c.rules.Store(cfg.Rules)
	c.stamps.Store(st.LastStamp())

	w := &watches{core: c, src: cfg.Watch}
	s := &scheduler{
		watches:   w,
		inflight:  inflight{m: make(map[string][]waiter)},
		active:    counter{changed: make(chan struct{})},
		epochs:    newEpochs(),
		progress:  progress{begun: time.Now()},
		heartbeat: commit.NewHeartbeat(),
		wakeup:    make(chan struct{}, 1),
		rejected:  make(chan struct{}, 1),
	}
	s.active.zero = s.wake
	p := &passes{scheduler: s, pace: pace{pressure}}
	x := &Indexer{
		barrier:   &barrier{passes: p},
		retry:     newRetry(s),
		compactor: newCompactor(s),
		merger:    newMerger(c),
		begun:     make(chan struct{}),
	}
	x.backfill = newBackfill(p, x.retry)
	if w.src != nil {
		x.live = newLive(p)
		w.src.OnEvict(func(dir string, _ time.Time) { w.noteUnwatched(dir) })
	}
	err := st.View(func(sn *store.Snap) error {
		x.verification.pending.Store(sn.Docs() > 0 && !cfg.NoVerify) // until Run has checked
		return nil
	})
	if err == nil {
		x.history, err = jobs.NewHistory(st, x.present, x.forgetJob)
	}
	if err != nil {
		return nil, fmt.Errorf("read the next job's number: %w", err)
	}
	return x, nil
}

// Run indexes what is not indexed yet, resumes what was interrupted, and serves jobs until
// ctx ends. Then it stops the workers, tells whoever waits for a job that it is resumed at
// the next start, and returns when all that was found is committed and every goroutine has
// ended.
func (x *Indexer) Run(ctx context.Context) error {
	x.pool = walker.New(walker.Options{
		Workers:  x.cfg.Workers,
		Stamp:    x.Stamp,
		OnAccess: x.cfg.OnAccess, DeviceLimit: x.deviceLimit,
		Device: x.deviceOf, StuckAfter: x.cfg.Timing.StuckAfter, MaxStuck: maxStuck,
		OnStuck: func(worker int, dir string, since time.Duration) {
			x.log.Warn("a directory does not answer; going on without it", "dir", dir, "worker", worker, "since", since)
		},
	})
	var writing sync.WaitGroup
	writing.Go(func() { x.writer.Run(ctx) })
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
		x.background.Go(func() { x.live.run(x.running) })
	}
	err := x.setRoots(ctx, x.cfg.Roots, x.cfg.Inner, x.cfg.Rules)
	if err == nil {
		err = x.resumeJobs()
	}
	if ctx.Err() != nil {
		err = nil // stopped before it began
	}
	if err == nil {
		if x.VerifyPending() {
			x.startVerify() // first, so that WaitIdle waits for it too
		}
		close(x.begun)
		x.background.Go(func() { x.merger.run(x.running) })
		x.loop(ctx)
	}
	x.stop(ErrStopping)
	x.background.Wait()
	x.history.Interrupt()
	if left := x.pool.Close(); errors.Is(left, walker.ErrStuck) {
		x.log.Warn("stopping without waiting for a file system that does not answer", "err", left)
	} else {
		err = errors.Join(err, left)
	}
	x.writer.Stop()
	writing.Wait()
	x.cancel(ErrStopping)
	for _, r := range x.allRoots() {
		r.flushLogs()
	}
	return err
}

// ErrStopping is returned by methods called after Run's context has ended.
var ErrStopping = commit.ErrStopping

// Begun is closed when Run knows the roots and what the store has of them. No other method
// may be called before.
func (x *Indexer) Begun() <-chan struct{} { return x.begun }

// loop runs all deferred and periodic work until ctx ends.
func (x *Indexer) loop(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	defer x.compactor.timer.Stop()
	defer x.backfill.timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-x.wakeup:
			x.runDeferred()
			x.retry.run()
			x.backfill.check()
		case <-tick.C:
			tick.Reset(x.sweep())
			x.compactor.checkFile()
		case <-x.writer.Committed():
			x.compactor.changed()
			signal(x.merger.committed)
			x.retry.retryPending()
			x.backfill.check()
			x.compactor.checkFile()
		case <-x.compactor.timer.C:
			x.compactor.compactIfDue()
		case <-x.rejected:
			x.backfill.arm()
			x.compactor.compactForRoom()
		case <-x.backfill.timer.C:
			x.backfill.start()
		case err := <-x.compactor.result:
			x.compactor.compacted(err)
		case <-x.heartbeat.Asks():
		}
	}
}

// WaitIdle returns when nothing is active or pending, or with ctx's error.
func (x *Indexer) WaitIdle(ctx context.Context) error {
	return x.active.wait(ctx, func(n int) bool { return n == 0 && x.allComplete() && x.allSettled() })
}

// WaitReady returns when every root has been listed completely once, or with ctx's error.
func (x *Indexer) WaitReady(ctx context.Context) error {
	return x.active.wait(ctx, func(int) bool { return x.allComplete() })
}

// Sync returns when every change made below dirs (none: all roots) before the call is in
// the index, or with ctx's error.
func (x *Indexer) Sync(ctx context.Context, dirs []string) error {
	if err := x.active.wait(ctx, func(int) bool { return !x.VerifyPending() }); err != nil {
		return err
	}
	return x.sync(ctx, dirs)
}

// A HealthCheck shows that a part without which the index does not follow the file system
// is alive: it answers, or it makes progress.
type HealthCheck struct {
	Name string
	// Ask returns when the part has answered, which it does between two pieces of work,
	// or with the reason why it has ended. If it returns the context's error, there was
	// no answer.
	Ask func(context.Context) error
	// Worked counts pieces of work. Any change is progress.
	Worked func() uint64
}

// HealthChecks returns the parts of a running Indexer: the reader of the kernel's events
// (if anything is watched), what acts on events, what schedules listings, and the writer.
// Checks are cheap and write nothing to the disk.
func (x *Indexer) HealthChecks() []HealthCheck {
	ask := func(h *commit.Heartbeat) func(context.Context) error {
		return func(ctx context.Context) error { return h.Ask(ctx, x.running.Done()) }
	}
	// While the writer retries, all others wait for it, and do not hang.
	retries := func() uint64 {
		if x.writer.Failure() == "" {
			return 0
		}
		return x.writer.Heartbeat.Ticks()
	}
	list := []HealthCheck{
		{"writer", ask(x.writer.Heartbeat), x.writer.Heartbeat.Ticks},
		{"indexer", ask(x.heartbeat), func() uint64 { return x.heartbeat.Ticks() + retries() }},
	}
	if x.src == nil {
		return list
	}
	return append(list,
		HealthCheck{"events", func(ctx context.Context) error {
			_, err := x.src.Barrier(ctx)
			return err
		}, x.src.Drained},
		HealthCheck{"changes", ask(x.live.heartbeat), func() uint64 {
			n := x.live.heartbeat.Ticks() + retries()
			if x.live.waiting.Load() {
				n += x.stamps.Load() // of the workers, whose listings it waits for
			}
			return n
		}})
}
