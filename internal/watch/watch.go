// Package watch says where a tree may have changed. What comes out of it are
// hints and never more: "these names of directory D may have changed", "list
// D", "anything below D may have changed", "events were lost", "something was
// mounted". What is true only the file system knows.
//
// A [Source] has the kernel watch single directories by inotify, through
// fsnotify, in one instance: its queue is ordered, which is what makes
// [Source.Barrier] possible. Its rules, each for a trap of fsnotify's or of the
// kernel's:
//
//   - One goroutine does nothing but drain events, another nothing but drain
//     errors; neither ever adds or removes a watch or waits for the consumer.
//     (fsnotify may hold its lock while it hands over an event or an error: who
//     adds or removes on the goroutine that would take it waits for ever.)
//   - What the consumer has not taken is coalesced in bounded memory.
//   - Watch, then list: what is made before the watch stands raises no event, and
//     is in a listing that begins after [Source.Watch] has returned.
//   - Adding by path follows symbolic links, and names a path twice where a
//     directory was renamed. So which inode a watch stands on is kept and
//     compared; a directory that is renamed loses its watch and all those below
//     it at once, since they would go on to report the old path, and the kernel
//     takes no second watch of one inode. Its new place comes as a new name.
//   - A hint is given for what loses its watch that way: what happened below it
//     until it is watched again is seen by nobody.
//
// What inotify cannot see, only looking again finds: writes through mmap and
// through hard links from elsewhere, and what others do to a network file
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

// Options of a Source. Cookies is required.
type Options struct {
	// Cookies is a directory of the Source's own, for Barrier, by an absolute and
	// clean path without symbolic links: made, with mode 0700, where it is not
	// there, and emptied. It lies on a local file system, best one in memory.
	BarrierDir string
	// Excluded reports whether the consumer wants no hint for a path: it is
	// excluded by rule, or a file of the daemon's own (its database, its log).
	// Called for each new event on the goroutine that drains them, so it must be
	// quick and not block. Nil: nothing is.
	Excluded func(path string) bool
	// Share is what part of the limits on watches may be used, in percent; 0
	// for 80.
	Share int
	// Limits reads the limits; nil for SystemLimits.
	Limits func() (Limits, error)
	Log    *slog.Logger // nil: none

	buffer uint // of fsnotify's channel, for tests: what drains it never blocks
}

// Source gives hints. Its methods may be called from any goroutine; Take by one
// consumer.
type Source struct {
	o         Options
	log       *slog.Logger
	fs        *fsnotify.Watcher
	createdAt time.Time

	// ops is held by who adds or removes watches. Never by the two goroutines
	// that drain. Taken before mu.
	ops     sync.Mutex
	closed  bool   // under ops
	budget  budget // under ops, but what Status reads
	onEvict func(dir string, changed time.Time)

	mu              sync.Mutex
	set             set
	pendingRemovals []string // taken out of set, their watches still to be removed
	pending         pending
	seq             uint64
	lost            uint64 // overflows
	throttled       struct{ overflow, fault logthrottle.Logger }
	drained         atomic.Uint64

	ready       chan struct{} // capacity 1: something is pending
	freed       chan struct{} // capacity 1: a watch was given up that nobody has taken yet
	wakeJanitor chan struct{} // capacity 1: there is something for the janitor
	recheckAll  bool          // under mu: the janitor is to look at every watch
	ping        chan chan struct{}
	stopped     chan struct{} // closed when Run begins to end
	barrier     barrier
}

// ErrUnavailable is returned by Open where the system gives no inotify
// instance; what it wraps says why, and what can be done.
var ErrUnavailable = errors.New("inotify is not available")

// ErrClosed is returned when Run has ended.
var ErrClosed = errors.New("watching has ended")

// Open makes a Source, which watches nothing yet but its own directory, and
// raises nothing before Run. Who does not come to call Run calls Close. An error
// that is ErrUnavailable is to be shown; one goes on without watching.
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

// OnGiveUp has fn called with each directory that loses its watch to one that
// changed later, and when something changed in it last: it is to be looked at as one
// that is not watched. fn must not block nor call the Source. To be called before
// Watch.
func (s *Source) OnEvict(fn func(dir string, changed time.Time)) { s.onEvict = fn }

// Freed gives a value when watches were given up that others may have, see Room. It is
// for one consumer.
func (s *Source) Freed() <-chan struct{} { return s.freed }

// Room is how many more directories may be watched, as far as is known.
func (s *Source) Room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(int(s.budget.allowed.Load())-s.set.len(), 0)
}

// Relimit reads the limits anew at once, which is otherwise done when a watch is asked
// for and they are a minute old: where they allow more than was known, Freed tells, and
// more is true. It may be called from any goroutine.
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

// Close ends a Source whose Run was never called.
func (s *Source) Close() error {
	err := s.fs.Close()
	if rmErr := os.Remove(s.o.BarrierDir); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
		s.log.Debug("the directory of cookies stays", "err", rmErr)
	}
	return err
}

// Run drains events until ctx ends. It returns when its goroutines have ended
// and all watches are gone; nothing that hints came of is lost by that but
// what was not taken yet. The error is of the mount table, which could not be
// watched; then too it returns only when ctx has ended.
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

// hush says what the log is still to be told.
func (s *Source) flushLogs() {
	s.throttled.overflow.Stop()
	s.throttled.fault.Stop()
}

// Ready gives a value when there is something for Take. It is for one consumer.
func (s *Source) Ready() <-chan struct{} { return s.ready }

// Take returns what has gathered since the call before; it does not wait, so
// there may be nothing but Seq.
func (s *Source) Take() Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.pending.take()
	b.Seq = s.seq
	return b
}

// Pending reports whether concerns says so of a directory of which there is a hint
// that was not taken yet, or whether events were lost. It must not block.
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

// note counts something that became pending and tells the consumer. Called
// under mu.
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

// poke puts a value into a channel of capacity 1, unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Status is how a Source stands.
type Status struct {
	Watches   int
	Budget    int // how many watches it may have
	Limit     int // the kernel's, of a user, on which others draw too
	Overflows uint64
}

// Status may be called at any time.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Watches: s.set.len(), Budget: int(s.budget.allowed.Load()), Limit: int(s.budget.limit.Load()), Overflows: s.lost}
}

// Always, as the time of a change, is for a directory that is never given up for
// another.
var Pinned = time.Unix(1<<32-1, 0)

// clampTime makes t seconds that a node can hold.
func clampTime(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), 1<<32-1))
}

// Drained counts the events that were read. It may be called at any time.
func (s *Source) Drained() uint64 { return s.drained.Load() }
