package watch

import (
	"sync"
	"testing"
	"time"

	"indexd/internal/testutil/fsstress"
)

// Whatever several writers do to a tree, above all moves, a consumer that only follows
// the hints ends up with what find(1) finds.
func TestRandomStorm(t *testing.T) {
	seed := fsstress.Seed(t)
	s, dir := open(t, Options{})
	start(t, s)
	m := newMirror(t, s, dir)
	outside := tempDir(t)
	const perRound = 1200
	for round := range max(fsstress.Ops(t, 4*perRound, 12*perRound)/perRound, 1) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			fsstress.Blow(seed+uint64(round), 3, perRound, dir, outside)
		}()
		for storming := true; storming; {
			select {
			case <-s.Ready():
				if round%3 > 0 { // else only after the storm
					m.apply(s.Take())
				}
			case <-done:
				storming = false
			}
		}
		m.compare()
		s.consistent(t)
		if n := s.CountBelow(dir); n != len(m.dirs) {
			t.Fatalf("round %d: %d watches for %d directories", round, n, len(m.dirs))
		}
	}
}

// An event may remove a directory while it is being watched: then fsnotify must not watch
// it either.
func TestLostWhileBeingWatched(t *testing.T) {
	s, dir := open(t, Options{})
	start(t, s)
	for i := 0; i < 2000 && !t.Failed(); i++ {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { _, _ = s.Watch(dir, Ident{}, time.Time{}) })
		}
		wg.Go(func() {
			for range i % 50 {
				s.mu.Lock()
				s.dropUnseen(dir)
				s.mu.Unlock()
			}
		})
		wg.Wait()
		s.consistent(t)
	}
}
