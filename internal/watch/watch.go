// Package watch reports where a tree may have changed. Its results are hints, never more:
// "these names in directory D may have changed", "list D again", "anything below D may
// have changed", "events were lost", "something was mounted". Only the file system knows
// what is true.
//
// A [Source] watches single directories with inotify, through fsnotify, in one instance.
// The queue of an instance is ordered, which makes [Source.Barrier] possible. Each of the
// following rules avoids a trap of fsnotify or of the kernel:
//
//   - One goroutine only drains events, another only drains errors. Neither of them ever
//     adds or removes a watch or waits for the consumer. (fsnotify may hold its lock while
//     it delivers an event or an error, so adding or removing a watch on the goroutine that
//     would receive it deadlocks.)
//   - Hints that the consumer has not taken are coalesced in bounded memory.
//   - Watch first, list second: what is created before the watch exists raises no event,
//     but is in a listing that begins after [Source.Watch] has returned.
//   - Adding a watch by path follows symbolic links, and leaves two paths for a directory
//     that was renamed. Therefore the inode of each watch is recorded and compared. A
//     renamed directory loses its watch and all those below it at once, since they would
//     keep reporting the old path, and since the kernel has only one watch per inode. At its
//     new place, the directory is reported as a new name.
//   - Everything that loses its watch this way is reported as a hint, since changes below
//     it go unnoticed until it is watched again.
//
// Some changes are invisible to inotify and found only by checking again: writes through
// mmap or through hard links from elsewhere, and changes made by others on a network file
// system, which is therefore not watched at all (see [Local]).
package watch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"indexd/internal/logthrottle"
)

// Options configure a Source. BarrierDir is required.
type Options struct {
	// BarrierDir is a directory for the exclusive use of the Source, which creates files
	// in it for Barrier. It is given by an absolute clean path without symbolic links,
	// created with mode 0700 if it does not exist, and emptied. It must lie on a local
	// file system, preferably in memory.
	BarrierDir string
	// Excluded reports whether to drop events for a path, because a rule excludes it or
	// because it is a file of the daemon (its database, its log). It is called for each
	// new event on the goroutine that drains them, so it must be fast and must not
	// block. nil excludes nothing.
	Excluded func(path string) bool
	// Share is how much of the limits on watches may be used, in percent. 0 means 80.
	Share int
	// Limits reads the limits. nil means SystemLimits.
	Limits func() (Limits, error)
	Log    *slog.Logger // nil discards messages

	buffer uint // of fsnotify's channel, for tests; its reader never blocks
}

// Source reports hints. Its methods may be called from any goroutine, except that Take is
// for a single consumer.
type Source struct {
	o         Options
	log       *slog.Logger
	fs        *fsnotify.Watcher
	createdAt time.Time

	// ops serializes adding and removing watches. The two draining goroutines never take
	// it. It is locked before mu.
	ops     sync.Mutex
	closed  bool   // guarded by ops
	budget  budget // guarded by ops, except for its atomic fields
	onEvict func(dir string, changed time.Time)

	mu              sync.Mutex
	set             set
	pendingRemovals []string // no longer in set, but still watched
	pending         pending
	seq             uint64
	lost            uint64 // overflows
	throttled       struct{ overflow, fault logthrottle.Logger }
	drained         atomic.Uint64

	ready       chan struct{} // capacity 1: something is pending
	freed       chan struct{} // capacity 1: watches have become available
	wakeJanitor chan struct{} // capacity 1
	recheckAll  bool          // guarded by mu: the janitor is to check every watch
	ping        chan chan struct{}
	stopped     chan struct{} // closed when Run begins to end
	barrier     barrier
}

// ErrUnavailable is returned by Open if the system has no inotify instance left. The
// error that wraps it explains the reason and the remedy.
var ErrUnavailable = errors.New("inotify is not available")

// ErrClosed is returned once Run has ended.
var ErrClosed = errors.New("watching has ended")

// Open returns a Source that watches nothing yet except BarrierDir and reports nothing
// before Run is called. Callers that never call Run must call Close. If the error wraps
// ErrUnavailable, the program should report it and go on without watching.
func Open(o Options) (*Source, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Excluded == nil {
		o.Excluded = func(string) bool { return false }
	}
	if o.Limits == nil {
		o.Limits = SystemLimits
	}
	if o.Share <= 0 || o.Share > 100 {
		o.Share = DefaultShare
	}
	s := &Source{
		o: o, log: o.Log, createdAt: time.Now(),
		set:         newSet(),
		pending:     newPending(),
		ready:       make(chan struct{}, 1),
		wakeJanitor: make(chan struct{}, 1),
		ping:        make(chan chan struct{}),
		stopped:     make(chan struct{}),
		freed:       make(chan struct{}, 1),
		onEvict:     func(string, time.Time) {},
	}
	s.budget.share = o.Share
	if err := s.budget.read(o.Limits); err != nil {
		return nil, errors.Join(ErrUnavailable, err)
	}
	s.barrier.init(o.BarrierDir)
	err := s.barrier.prepare()
	if err != nil {
		return nil, err
	}
	if s.fs, err = fsnotify.NewBufferedWatcher(o.buffer); err != nil {
		return nil, unavailable(err)
	}
	if err := s.fs.Add(o.BarrierDir); err != nil {
		return nil, errors.Join(unavailable(err), s.Close())
	}
	return s, nil
}

// OnEvict sets a function that is called for each directory whose watch is removed in
// favor of a directory that changed later. The directory must then be treated as
// unwatched; changed is the time of its last known change. fn must not block or call the
// Source. OnEvict must be called before Watch.
func (s *Source) OnEvict(fn func(dir string, changed time.Time)) { s.onEvict = fn }

// Freed returns a channel that receives a value when watches have become available, see
// Room. It is for a single consumer.
func (s *Source) Freed() <-chan struct{} { return s.freed }

// Room returns how many more directories may be watched, as far as known.
func (s *Source) Room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(int(s.budget.allowed.Load())-s.set.len(), 0)
}

// ReloadLimits reads the limits at once; otherwise they are read when a watch is
// requested and they are a minute old. If they allow more than before, more is true and
// Freed receives a value. It may be called from any goroutine.
func (s *Source) ReloadLimits() (more bool, err error) {
	s.ops.Lock()
	defer s.ops.Unlock()
	before := s.budget.allowed.Load()
	if err := s.budget.read(s.o.Limits); err != nil {
		return false, err
	}
	s.budget.reached = false
	if more = s.budget.allowed.Load() > before; more {
		signal(s.freed)
	}
	return more, nil
}

// Close closes a Source whose Run was never called.
func (s *Source) Close() error {
	err := s.fs.Close()
	if rmErr := os.Remove(s.o.BarrierDir); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
		s.log.Debug("cannot remove the barrier directory", "err", rmErr)
	}
	return err
}

// Run drains events until ctx ends. It returns when its goroutines have ended and all
// watches are removed. Hints that have not been taken are lost. An error means that the
// mount table could not be watched; in that case, too, Run returns only when ctx has
// ended.
func (s *Source) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	var mountErr error
	wg.Go(s.drainEvents)
	wg.Go(s.drainErrors)
	wg.Go(s.janitor)
	wg.Go(func() { s.barrier.run(s) })
	wg.Go(func() {
		if mountErr = watchMounts(s.stopped, s.mountsChanged); mountErr != nil {
			s.log.Warn("the mount table is not watched", "err", mountErr)
		}
	})
	<-ctx.Done()
	s.ops.Lock()
	s.closed = true
	s.ops.Unlock()
	close(s.stopped)
	err := s.Close()
	wg.Wait()
	s.flushLogs()
	return errors.Join(err, mountErr)
}

// flushLogs logs what the throttled loggers have held back.
func (s *Source) flushLogs() {
	s.throttled.overflow.Stop()
	s.throttled.fault.Stop()
}

// Ready returns a channel that receives a value when there is something to Take. It is
// for a single consumer.
func (s *Source) Ready() <-chan struct{} { return s.ready }

// Take returns the hints gathered since the previous call. It does not wait, so the batch
// may contain nothing but Seq.
func (s *Source) Take() Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.pending.take()
	b.Seq = s.seq
	return b
}

// Pending reports whether there are hints, not yet taken, for a directory for which
// concerns returns true, or whether events were lost. concerns must not block.
func (s *Source) Pending(concerns func(dir string) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending.overflow {
		return true
	}
	for dir := range s.pending.dirs {
		if concerns(dir) {
			return true
		}
	}
	return false
}

// notify counts a new hint and wakes the consumer. mu must be held.
func (s *Source) notify() {
	s.seq++
	signal(s.ready)
}

func (s *Source) mountsChanged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.mounts = true
	s.notify()
}

// signal sends a value on a channel of capacity 1, unless it already holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Status is the state of a Source.
type Status struct {
	Watches   int
	Budget    int // how many watches it may use
	Limit     int // the kernel's limit per user, which other programs share
	Overflows uint64
}

// Status may be called at any time.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Watches: s.set.len(), Budget: int(s.budget.allowed.Load()), Limit: int(s.budget.limit.Load()), Overflows: s.lost}
}

// Pinned is a time of the last change that keeps the watch of a directory from being evicted.
var Pinned = time.Unix(1<<32-1, 0)

// clampTime converts t to the seconds stored in a node.
func clampTime(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), 1<<32-1))
}

// Drained returns the number of events read so far. It may be called at any time.
func (s *Source) Drained() uint64 { return s.drained.Load() }
