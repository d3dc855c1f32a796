package watch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"indexd/internal/testutil/scale"
)

// When a barrier returns, every earlier event has arrived, under load and every time.
func TestBarrier(t *testing.T) {
	scale.SkipIfShort(t)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	s, dir := open(t, Options{})
	start(t, s)
	for i := range 200 {
		d := fmt.Sprintf("%s/%d", dir, i)
		mkdir(t, d)
		s.watch(t, d)
	}
	end := make(chan struct{})
	var load sync.WaitGroup
	for w := range 2 {
		load.Go(func() {
			name := fmt.Sprintf("%s/%d/load%d", dir, w, w)
			for {
				select {
				case <-end:
					return
				default:
					_ = os.WriteFile(name, []byte("x"), 0o644)
				}
			}
		})
	}
	missed, overflows := 0, 0
	for i := range 2000 {
		f := fmt.Sprintf("%s/%d/f%d", dir, rnd.IntN(200), i%7)
		write(t, f)
		switch b := s.sync(t); {
		case b.Overflow: // the load was faster than who reads: it is told
			overflows++
		case !b.says(f, Content):
			missed++
		}
	}
	close(end)
	load.Wait()
	if missed > 0 {
		t.Errorf("%d of 2000 events were missed; seed %d; %d overflows", missed, seed, overflows)
	}
}

// A caller that arrives during a proof is not answered by it, but by the next one, which
// all such callers share.
func TestBarriersAtOnce(t *testing.T) {
	scale.SkipIfShort(t)
	s, dir := open(t, Options{})
	start(t, s)
	s.watch(t, dir)
	var mu sync.Mutex // over the consumer's side
	names := make(map[string]bool)
	var taken uint64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 100 {
				name := fmt.Sprintf("%d-%d", w, i)
				write(t, dir+"/"+name)
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				seq, err := s.Barrier(ctx)
				cancel()
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				b := s.Take()
				for _, h := range b.Dirs {
					for _, n := range h.Names {
						names[n.Name] = true
					}
					if h.List {
						t.Error("too many names for this test")
					}
				}
				taken = max(taken, b.Seq)
				if !names[name] || taken < seq {
					t.Errorf("%s is missing; barrier %d, taken %d", name, seq, taken)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// gate returns an Excluded that blocks, so that nothing is drained, until open is called.
// held is closed when it first blocks.
func gate() (excluded func(string) bool, held <-chan struct{}, open func()) {
	blocked, gone := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(blocked) })
	return func(string) bool {
		first()
		<-gone
		return false
	}, blocked, sync.OnceFunc(func() { close(gone) })
}

// A cookie lost in an overflow is created again, and the barrier then covers the
// overflow.
func TestCookieLostByOverflow(t *testing.T) {
	scale.SkipIfShort(t)
	excluded, held, opened := gate()
	s, dir := open(t, Options{Excluded: excluded})
	start(t, s)
	t.Cleanup(opened) // before Run is waited for
	s.watch(t, dir)
	write(t, dir+"/f")
	<-held
	manyEvents(t, dir) // the queue is full
	type answer struct {
		seq uint64
		err error
	}
	answers := make(chan answer)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		seq, err := s.Barrier(ctx)
		answers <- answer{seq, err}
	}()
	within(t, func() bool { // its cookie is made, and lost
		s.barrier.mu.Lock()
		defer s.barrier.mu.Unlock()
		return s.barrier.count > 0
	})
	select {
	case a := <-answers:
		t.Fatalf("met while nothing was drained: %+v", a)
	default:
	}
	opened()
	a := <-answers
	if a.err != nil {
		t.Fatal(a.err)
	}
	if b := s.Take(); !b.Overflow || b.Seq < a.seq {
		t.Errorf("%+v for %d", b, a.seq)
	}
	if left, err := os.ReadDir(s.o.BarrierDir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v are left", err, left)
	}
}

func TestBarrierGivenUp(t *testing.T) {
	excluded, held, opened := gate()
	s, dir := open(t, Options{Excluded: excluded})
	start(t, s)
	t.Cleanup(opened)
	s.watch(t, dir)
	write(t, dir+"/f")
	<-held
	why := errors.New("too late")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	if _, err := s.Barrier(ctx); !errors.Is(err, why) {
		t.Error(err)
	}
	opened()
	if b := s.sync(t); !b.says(dir+"/f", Named) {
		t.Errorf("%+v", b)
	}
}

// The barrier directory may be removed or moved away.
func TestDirectoryOfCookiesIsGone(t *testing.T) {
	s, dir := open(t, Options{})
	start(t, s)
	s.watch(t, dir)
	for i, do := range []func() error{
		func() error { return os.Remove(s.o.BarrierDir) },
		func() error { return os.Rename(s.o.BarrierDir, s.o.BarrierDir+"-moved") },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		f := fmt.Sprintf("%s/%d", dir, i)
		write(t, f)
		if b := s.sync(t); !b.says(f, Named) {
			t.Errorf("%+v", b)
		}
	}
}

func TestDirectoryOfCookies(t *testing.T) {
	top := tempDir(t)
	dir := filepath.Join(top, "cookies")
	mkdir(t, dir)
	write(t, dir+"/left")
	s, err := Open(Options{BarrierDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v", left)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	write(t, top+"/file")
	if err := os.Symlink(dir, top+"/link"); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{top + "/file", top + "/link", top + "/none/below", "relative", top + "/x/"} {
		if s, err := Open(Options{BarrierDir: bad}); err == nil {
			t.Errorf("%s was taken", strings.TrimPrefix(bad, top))
			s.Close()
		}
	}
}

// Watching ends while callers wait.
func TestBarrierAtTheEnd(t *testing.T) {
	excluded, held, opened := gate()
	s, dir := open(t, Options{Excluded: excluded})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	s.watch(t, dir)
	write(t, dir+"/f")
	<-held
	answer := make(chan error)
	go func() {
		_, err := s.Barrier(context.Background())
		answer <- err
	}()
	within(t, func() bool {
		s.barrier.mu.Lock()
		defer s.barrier.mu.Unlock()
		return s.barrier.count > 0
	})
	cancel()
	if err := <-answer; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	opened()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("Run does not end")
	}
}
