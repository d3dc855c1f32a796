package synth_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/testutil/synth"
	"indexd/store"
	"indexd/store/dbfile"
	"indexd/store/record"
)

// TestHuge loads as many entries as STORE_HUGE says and tells how long that and
// reading it takes, how large it is and how much memory is held.
func TestHuge(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("STORE_HUGE"))
	if n == 0 {
		t.Skip("a measurement: set STORE_HUGE to a number of entries")
	}
	path := filepath.Join(t.TempDir(), "db")
	s, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := synth.NewVolume(s, "/")
	if err != nil {
		t.Fatal(err)
	}
	var peak atomic.Int64
	stop := watch(&peak)
	start := time.Now()
	sum, err := synth.Tree{Seed: 8, Entries: n}.Load(s, v, synth.Options{Bulk: true})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	t.Logf("loaded %+v in %v, made up and prepared on the same goroutine; at most %d MiB anonymous", sum, time.Since(start), peak.Load()>>20)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()

	for range 3 {
		start = time.Now()
		if s, err = store.Open(path, store.Options{}); err != nil {
			t.Fatal(err)
		}
		opened := time.Since(start)
		var st store.Stats
		if err := s.View(func(sn *store.Snap) (err error) { st, err = sn.Stats(); return err }); err != nil {
			t.Fatal(err)
		}
		t.Logf("opened in %v, counted in %v; %d entries, %d directories, %.1f B an entry", opened, time.Since(start)-opened, st.Entries, st.Dirs, float64(st.Size)/float64(st.Entries))
		for _, what := range []string{"keys and headers", "names", "entries"} {
			start = time.Now()
			var found [2]int
			err := s.View(func(sn *store.Snap) error {
				bounds := append([]record.Key{nil}, sn.Splits(nil, nil, 2)...)
				bounds = append(bounds, nil)
				var wg sync.WaitGroup
				for i := range bounds[1:] {
					wg.Go(func() {
						if err := dbfile.CatchCorruption(func() error { return scan(sn.Cursor(bounds[i], bounds[i+1]), what, &found[i]) }); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("scan of %s on two goroutines: %v, found %v", what, time.Since(start), found)
		}
		t.Logf("%d MiB anonymous", anonymous()>>20)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, sequential := range []bool{false, true} {
		cold(t, path)
		start = time.Now()
		if s, err = store.Open(path, store.Options{}); err != nil {
			t.Fatal(err)
		}
		opened := time.Since(start)
		start = time.Now()
		if err := s.View(func(sn *store.Snap) error {
			if sequential {
				defer sn.Sequential()()
			}
			return scan(sn.Cursor(nil, nil), "names", new(int))
		}); err != nil {
			t.Fatal(err)
		}
		t.Logf("not in the page cache: opened in %v; scan of names, sequential %v: %v", opened, sequential, time.Since(start))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = store.Open(path, store.Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	start = time.Now()
	if err := s.Check(t.Context(), func(p store.Problem) { t.Error(p) }); err != nil {
		t.Error(err)
	}
	t.Logf("checked in %v", time.Since(start))
}

// scan counts what matches in the records of a cursor.
func scan(c *store.Cursor, what string, found *int) error {
	word := []byte("README")
	for c.Next() {
		rec := c.Record()
		switch what {
		case "keys and headers":
			*found += int(rec.Header().Agg.Dirs)
			continue
		case "names":
			if err := rec.Load(); err != nil {
				return err
			}
			if bytes.Contains(rec.Names(), word) {
				*found++
			}
		case "entries":
			if err := rec.Load(); err != nil {
				return err
			}
			for _, e := range rec.All() {
				if e.Size > 1<<20 {
					*found++
				}
			}
		}
	}
	return c.Err()
}

// cold drops a file that is not in use from the page cache.
func cold(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)); err != nil {
		t.Fatal(err)
	}
}

// watch keeps the highest anonymous memory until it is stopped.
func watch(peak *atomic.Int64) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			peak.Store(max(peak.Load(), anonymous()))
			select {
			case <-tick.C:
			case <-quit:
				tick.Stop()
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// anonymous is RssAnon in bytes.
func anonymous() int64 {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			var kb int64
			fmt.Sscanf(rest, "%d", &kb)
			return kb << 10
		}
	}
	return 0
}
