package watch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Whatever several writers do to a tree, moves above all, a consumer that does
// no more than the hints ask for ends with what find(1) finds.
func TestRandomStorm(t *testing.T) {
	seed := rand.Uint64()
	defer func() {
		if t.Failed() {
			t.Log("seed", seed)
		}
	}()
	s, dir := open(t, Options{})
	start(t, s)
	m := newMirror(t, s, dir)
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		var wg sync.WaitGroup
		for w := range 3 {
			rnd := rand.New(rand.NewPCG(seed, uint64(round*3+w)))
			wg.Go(func() {
				for range 400 {
					hostile(rnd, dir)
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
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
		if n := s.CountBelow(dir); n != len(m.dirs) {
			t.Fatalf("round %d: %d watches for %d directories", round, n, len(m.dirs))
		}
	}
}

// hostile does one thing to a tree of few names, if it can be done.
func hostile(rnd *rand.Rand, top string) {
	path := func() string {
		p := top
		for range 1 + rnd.IntN(4) {
			p += fmt.Sprintf("/%c", 'a'+rnd.IntN(4))
		}
		return p
	}
	switch p, q := path(), path(); rnd.IntN(10) {
	case 0, 1:
		_ = os.MkdirAll(p, 0o755)
	case 2:
		_ = os.WriteFile(p, []byte("x"), 0o644)
	case 3:
		_ = os.Remove(p)
	case 4:
		_ = os.RemoveAll(p)
	case 5, 6:
		_ = os.Rename(p, q)
	case 7:
		_ = unix.Renameat2(unix.AT_FDCWD, p, unix.AT_FDCWD, q, unix.RENAME_EXCHANGE)
	case 8:
		if os.Rename(p, top+"/moved") == nil { // away and back
			_ = os.Rename(top+"/moved", p)
		}
	case 9:
		_ = os.Symlink(q, p)
	}
}
