// Package fsstress contains what the tests of a live index share: writers that create,
// move, swap and remove whatever they can, comparisons with find(1), and a file system
// that hangs.
package fsstress

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"indexd/internal/testutil/scale"
)

// Seed returns a random seed, which the test logs, or the value of INDEXD_SEED. Several
// concurrent writers never do exactly the same again.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("INDEXD_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal("INDEXD_SEED: ", err)
		}
	}
	t.Logf("INDEXD_SEED=%d", seed)
	return seed
}

// Ops returns the size of a storm in operations, see scale.Size; INDEXD_STORM=100000 asks
// for a big one.
func Ops(t testing.TB, sample, full int) int {
	t.Helper()
	return scale.Size(t, "INDEXD_STORM", sample, full)
}

// Writer makes hostile changes to a tree with few names, so that they collide.
type Writer struct {
	rnd       *rand.Rand
	top, away string
}

// NewWriter returns the nth writer of a storm below top. outside is an unwatched
// directory on the same file system; the writer moves things there and back.
func NewWriter(seed uint64, n int, top, outside string) *Writer {
	return &Writer{
		rnd: rand.New(rand.NewPCG(seed, uint64(n))), top: top, away: filepath.Join(outside, fmt.Sprint("away-", n)),
	}
}

// Blow makes n changes with several concurrent writers, and returns when they are done.
func Blow(seed uint64, writers, n int, top, outside string) {
	var wg sync.WaitGroup
	for i := range writers {
		w := NewWriter(seed, i, top, outside)
		wg.Go(func() { w.Times(n / writers) })
	}
	wg.Wait()
}

// Times makes n changes.
func (w *Writer) Times(n int) {
	for range n {
		w.Do()
	}
}

func (w *Writer) path() string {
	p := w.top
	for range 1 + w.rnd.IntN(5) {
		p += "/" + string(rune('a'+w.rnd.IntN(5)))
	}
	return p
}

// Do makes one change, if possible. It creates no hard links, because a write through one
// name of a file raises no event for the others.
func (w *Writer) Do() {
	switch p, q := w.path(), w.path(); w.rnd.IntN(16) {
	case 0, 1, 2, 3:
		_ = os.MkdirAll(p, 0o755)
	case 4, 5:
		_ = os.WriteFile(p, make([]byte, w.rnd.IntN(100)), 0o644)
	case 6:
		if f, err := os.OpenFile(p, os.O_APPEND|os.O_WRONLY, 0); err == nil {
			_, _ = f.WriteString("more")
			_ = f.Close()
		}
	case 7:
		_ = os.Remove(p)
	case 8:
		_ = os.RemoveAll(p)
	case 9, 10:
		_ = os.Rename(p, q)
	case 11:
		_ = unix.Renameat2(unix.AT_FDCWD, p, unix.AT_FDCWD, q, unix.RENAME_EXCHANGE)
	case 12: // away, changed, and back
		if os.Rename(p, w.away) == nil {
			_ = os.WriteFile(w.away+"/meanwhile", nil, 0o644)
			if os.Rename(w.away, p) != nil {
				_ = os.RemoveAll(w.away)
			}
		}
	case 13:
		_ = os.Symlink(q, p)
	case 14:
		if os.Rename(p, q) == nil {
			_ = os.Symlink(q, p)
		}
	case 15:
		_ = os.Chmod(p, 0o700|os.FileMode(w.rnd.IntN(64)))
	}
}
