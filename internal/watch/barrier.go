package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// barrier proves that events were drained: the kernel's queue is in order, so
// when the event of a file has come that was made just now, all earlier ones
// have. The files lie in a directory of the Source's own.
type barrier struct {
	dir  string
	wake chan struct{} // capacity 1: somebody asks
	lost chan struct{} // capacity 1: events were, perhaps the cookie's too

	mu    sync.Mutex
	next  *round // not begun: who asks now joins it
	round uint64 // of the round under way
	seen  chan struct{}
	count uint64 // cookies made
}

// round is one proof, for all who asked before it began.
type round struct {
	done    chan struct{}
	seq     uint64
	err     error
	waiting int // under barrier.mu
}

// cookieWait is how long a cookie may take before another is made: the watch on
// the directory, or the directory, may be gone.
const cookieWait = time.Second

func (b *barrier) init(dir string) {
	b.dir = dir
	b.wake = make(chan struct{}, 1)
	b.lost = make(chan struct{}, 1)
}

// Barrier returns when every event that the kernel had queued before the call
// is a hint, a lost one is Batch.Overflow, and a mount Batch.Mounts. These are in the batches up to the
// first with a Seq of at least the one returned, and Take gives such a batch
// from then on. Where events are lost it tries again, until ctx ends. ErrClosed.
func (s *Source) Barrier(ctx context.Context) (seq uint64, err error) {
	b := &s.barrier
	b.mu.Lock()
	r := b.next
	if r == nil {
		r = &round{done: make(chan struct{})}
		b.next = r
	}
	r.waiting++
	b.mu.Unlock()
	signal(b.wake)
	select {
	case <-r.done:
		return r.seq, r.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-s.stopped:
		err = ErrClosed
	}
	b.mu.Lock()
	r.waiting--
	b.mu.Unlock()
	return 0, err
}

// run serves one round after the other until the Source ends.
func (b *barrier) run(s *Source) {
	// An open file of its own: what was told is kept with that. See watchMounts.
	table, err := unix.Open(mountTable, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(table)
	}
	for {
		select {
		case <-b.wake:
		case <-s.stopped:
			return
		}
		b.mu.Lock()
		r := b.next
		b.next = nil
		b.round++
		b.mu.Unlock()
		if r != nil {
			r.err = b.prove(s, r)
			told := []unix.PollFd{{Fd: int32(table), Events: unix.POLLPRI}}
			if n, err := unix.Poll(told, 0); err == nil && n > 0 && told[0].Revents&unix.POLLPRI != 0 {
				s.mountsChanged()
			}
			s.mu.Lock()
			r.seq = s.seq
			s.mu.Unlock()
			close(r.done)
		}
	}
}

// prove makes cookies until the event of one was drained, and whatever error
// came before it.
func (b *barrier) prove(s *Source, r *round) error {
	timer := time.NewTimer(cookieWait)
	defer timer.Stop()
	for {
		seen, err := b.createCookie()
		if err == nil {
			timer.Reset(cookieWait)
			select {
			case <-seen:
				return b.waitErrors(s)
			case <-b.lost:
			case <-timer.C:
				err = errors.New("no event came")
			case <-s.stopped:
				return ErrClosed
			}
		}
		b.mu.Lock()
		waiting := r.waiting
		b.mu.Unlock()
		if waiting == 0 {
			return nil
		}
		if err == nil {
			continue
		}
		s.log.Debug("making the directory for cookies again", "dir", b.dir, "err", err)
		if err := b.recreate(s); err != nil {
			return fmt.Errorf("cannot tell whether all changes were read: %w", err)
		}
	}
}

// bake makes a cookie, and says when one of this round was seen.
func (b *barrier) createCookie() (seen <-chan struct{}, err error) {
	b.mu.Lock()
	if b.seen == nil {
		b.seen = make(chan struct{})
	}
	seen = b.seen
	b.count++
	name := filepath.Join(b.dir, fmt.Sprintf("%d-%d", b.round, b.count))
	b.mu.Unlock()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return seen, errors.Join(f.Close(), os.Remove(name))
}

// event is told of the events of the directory: inside, that of a file in it.
func (b *barrier) handleEvent(inside bool, name string) {
	if !inside {
		return
	}
	turn, _, _ := strings.Cut(name, "-")
	b.mu.Lock()
	defer b.mu.Unlock()
	if n, err := strconv.ParseUint(turn, 10, 64); err == nil && n == b.round && b.seen != nil {
		close(b.seen)
		b.seen = nil
	}
}

// overflow is told that events were lost.
func (b *barrier) handleOverflow() { signal(b.lost) }

// errorsSeen returns when the errors that were handed over before the call have
// been taken note of.
func (b *barrier) waitErrors(s *Source) error {
	answer := make(chan struct{})
	select {
	case s.ping <- answer:
	case <-s.stopped:
		return ErrClosed
	}
	select {
	case <-answer:
		return nil
	case <-s.stopped:
		return ErrClosed
	}
}

// again makes the directory and its watch anew.
func (b *barrier) recreate(s *Source) error {
	if err := b.prepare(); err != nil {
		return err
	}
	s.ops.Lock()
	defer s.ops.Unlock()
	if s.closed {
		return ErrClosed
	}
	_ = s.fs.Remove(b.dir) // the watch of a directory that was here before
	return s.fs.Add(b.dir)
}

// prepare makes the directory, private and empty.
func (b *barrier) prepare() error {
	if !filepath.IsAbs(b.dir) || filepath.Clean(b.dir) != b.dir {
		return fmt.Errorf("cookies: %q is no absolute and clean path", b.dir)
	}
	if err := os.Mkdir(b.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(b.dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a directory of this user's", b.dir)
	}
	if err := os.Chmod(b.dir, 0o700); err != nil {
		return err
	}
	left, err := os.ReadDir(b.dir)
	if err != nil {
		return err
	}
	for _, f := range left {
		if err := os.Remove(filepath.Join(b.dir, f.Name())); err != nil {
			return err
		}
	}
	return nil
}
