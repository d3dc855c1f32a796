package indexer

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"indexd/internal/testutil/fsstress"
	"indexd/internal/testutil/scale"
	"indexd/store/dbfile"
)

// badDisk makes operations on the database fail, all or a share of them, before or after
// they were done.
type badDisk struct {
	mu   sync.Mutex
	r    *rand.Rand
	with unix.Errno // 0: nothing fails
	one  int        // of so many things one fails; 1: all do
}

func (b *badDisk) Fault(p dbfile.Point) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.with == 0 || b.r.IntN(b.one) > 0 {
		return nil
	}
	return b.with
}

func (b *badDisk) set(with unix.Errno, one int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.with, b.one = with, one
}

// lines is the log of a test.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

// While the tree changes, all writes to the database fail for a while, and then some of them,
// before or after they were done. The daemon logs it once and reports it in status and in
// answers. Afterwards the index becomes right by itself.
func TestBadDisk(t *testing.T) {
	scale.SkipIfShort(t)
	seed := fsstress.Seed(t)
	disk := &badDisk{r: rand.New(rand.NewPCG(seed, 0)), one: 1}
	openOptions.Faults = disk
	defer func() { openOptions.Faults = nil }()
	var log lines
	told := make(chan string, 1000)
	l := startLive(t, filepath.Join(t.TempDir(), "index.db"), "", Config{
		Log: slog.New(slog.NewTextHandler(&log, nil)), Degraded: func(why string) { told <- why },
	}, nil)
	outside := filepath.Join(filepath.Dir(l.root), "outside")
	fsstress.Blow(seed, 2, 200, l.root, outside)
	l.compare()
	wants := 0
	for round, with := range []unix.Errno{unix.ENOSPC, unix.EIO, unix.EROFS, unix.EMFILE, unix.EDQUOT} {
		disk.set(with, 1)
		var why string
		for n := 0; why == ""; n++ {
			fsstress.Blow(seed+uint64(round*1000+n+1), 2, 50, l.root, outside)
			select {
			case why = <-told:
			default:
			}
		}
		wants++
		if !strings.Contains(why, with.Error()) {
			t.Errorf("%v: it says %q", with, why)
		}
		if s, err := l.Status(); err != nil || s.Degraded != why || s.Roots[0].State != Degraded || s.Roots[0].Reason != why {
			t.Errorf("%v: status %+v, %v", with, s, err)
		}
		if s := l.Stale(nil, false); len(s) != 1 || s[0].Path != l.root {
			t.Errorf("%v: stale %v", with, s)
		}
		fsstress.Blow(seed+uint64(round*1000), 2, 200, l.root, outside)
		disk.set(with, 4) // now and then
		fsstress.Blow(seed+uint64(round*1000+500), 2, 200, l.root, outside)
		disk.set(0, 1)
		l.compare()
		for why != "" {
			if why = <-told; why != "" {
				wants++ // it had been well in between
			}
		}
	}
	if n := log.count("cannot be written; queries"); n != wants {
		t.Errorf("it was said %d times, of %d times that it was so", n, wants)
	}
	if n := log.count("can be written again"); n != wants {
		t.Errorf("it was said %d times that all is well, of %d", n, wants)
	}
}
