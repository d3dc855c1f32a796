// Package fsstress has what tests of a live index share: writers that make, move,
// swap and remove whatever they can, find(1) to say what came of it, and a file
// system that stops answering.
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

// Seed returns a seed and has the test print it. INDEXD_SEED names one to do a
// storm again with; what several writers make of it is never twice the same.
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

// A Writer does hostile things to a tree of few names, so that they meet.
type Writer struct {
	rnd       *rand.Rand
	top, away string
}

// NewWriter makes the nth writer of a storm below top. outside is a directory of
// the same file system that nobody looks at; things are moved there and back.
func NewWriter(seed uint64, n int, top, outside string) *Writer {
	return &Writer{
		rnd: rand.New(rand.NewPCG(seed, uint64(n))), top: top, away: filepath.Join(outside, fmt.Sprint("away-", n)),
	}
}

// Blow has several writers do n things in all, and returns when they have.
func Blow(seed uint64, writers, n int, top, outside string) {
	var wg sync.WaitGroup
	for i := range writers {
		w := NewWriter(seed, i, top, outside)
		wg.Go(func() { w.Times(n / writers) })
	}
	wg.Wait()
}

// Times does n things.
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

// Do does one thing, if it can be done. It makes no hard links: of a write by one
// of a file's names nothing tells the others.
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
