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

// barrier proves that events have been drained. The kernel's queue is ordered, so once
// the event of a file created just now (a cookie) has arrived, all earlier events have.
// The cookies are created in Options.BarrierDir.
type barrier struct {
	dir  string
	wake chan struct{} // capacity 1: a caller waits
	lost chan struct{} // capacity 1: events were lost, possibly that of the cookie

	mu    sync.Mutex
	next  *round // not begun; new callers join it
	round uint64 // number of the current round
	seen  chan struct{}
	count uint64 // cookies created
}

// round is one proof, for all callers that asked before it began.
type round struct {
	done    chan struct{}
	seq     uint64
	err     error
	waiting int // guarded by barrier.mu
}

// cookieWait is how long to wait for the event of a cookie. After that, the directory or
// its watch is assumed to be gone, and both are created again.
const cookieWait = time.Second

func (b *barrier) init(dir string) {
	b.dir = dir
	b.wake = make(chan struct{}, 1)
	b.lost = make(chan struct{}, 1)
}

// Barrier returns when every event that the kernel had queued before the call has become
// a hint, every lost one Batch.Overflow, and every mount Batch.Mounts. They are contained
// in the batches up to the first whose Seq is at least seq, and from then on Take returns
// such a batch. If events are lost meanwhile, Barrier tries again until ctx ends. It
// returns ErrClosed once Run has ended.
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

// run serves one round after the other until the Source is stopped.
func (b *barrier) run(s *Source) {
	// A separate open file, because poll state is kept per open file. See watchMounts.
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

// prove creates cookies until the event of one has been drained, and with it every
// earlier error.
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
		s.log.Debug("recreating the barrier directory", "dir", b.dir, "err", err)
		if err := b.recreate(s); err != nil {
			return fmt.Errorf("cannot tell whether all changes have been read: %w", err)
		}
	}
}

// createCookie creates and removes a cookie. seen is closed when the event of any cookie
// of this round has arrived.
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

// handleEvent is called for events of BarrierDir; inside means that the event is of a
// file in it.
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

// handleOverflow is called when events were lost.
func (b *barrier) handleOverflow() { signal(b.lost) }

// waitErrors returns when all errors delivered before the call have been handled.
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

// recreate creates the directory and its watch again.
func (b *barrier) recreate(s *Source) error {
	if err := b.prepare(); err != nil {
		return err
	}
	s.ops.Lock()
	defer s.ops.Unlock()
	if s.closed {
		return ErrClosed
	}
	_ = s.fs.Remove(b.dir) // the watch of a previous directory of that name
	return s.fs.Add(b.dir)
}

// prepare creates the directory, or makes it private and empty.
func (b *barrier) prepare() error {
	if !filepath.IsAbs(b.dir) || filepath.Clean(b.dir) != b.dir {
		return fmt.Errorf("barrier directory %q: not an absolute clean path", b.dir)
	}
	if err := os.Mkdir(b.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(b.dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("barrier directory %s: not a directory owned by this user", b.dir)
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
