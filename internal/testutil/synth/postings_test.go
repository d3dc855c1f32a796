package synth_test

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"indexd/internal/testutil/synth"
	"indexd/store"
	"indexd/store/postings/trigram"
)

// TestHugePostings merges the names of as many entries as STORE_HUGE says, and
// tells what that costs and how long candidates take.
func TestHugePostings(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("STORE_HUGE"))
	if n == 0 {
		t.Skip("a measurement: set STORE_HUGE to a number of entries")
	}
	s, err := store.Open(t.TempDir()+"/db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v, err := synth.NewVolume(s, "/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (synth.Tree{Seed: 8, Entries: n}).Load(s, v, synth.Options{Bulk: true}); err != nil {
		t.Fatal(err)
	}
	stats := func() (st store.Stats) {
		if err := s.View(func(sn *store.Snap) (err error) { st, err = sn.Stats(); return err }); err != nil {
			t.Fatal(err)
		}
		return st
	}
	runtime.GC()
	before, used := stats(), cpu()
	var peak atomic.Int64
	held := anonymous()
	stop := watch(&peak)
	merged, err := synth.Merge(s, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	after := stats()
	t.Logf("%d entries, %d docs: %+v in %v of processor time, at most %d MiB anonymous (%d before); %.1f B an entry in use before, %.1f after",
		after.Entries, after.Docs, merged, cpu()-used, peak.Load()>>20, held>>20,
		float64(before.Size-before.Free)/float64(before.Entries), float64(after.Size-after.Free)/float64(after.Entries))

	for _, text := range []string{"internationalization", "zzqqxxyy", "qerybufr", "licensex", "README", "readme", ".mjs", "cache-query", "20230101_00"} {
		need := trigram.Need{All: trigram.Of(text)}
		var took []time.Duration
		docs := uint64(0)
		for range 41 {
			start := time.Now()
			err := s.View(func(sn *store.Snap) error {
				c, err := sn.Candidates(&need)
				if err == nil {
					docs = c.GetCardinality()
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		t.Logf("%q: %d candidates, median %v, best %v", text, docs, took[len(took)/2], took[0])
	}
	start := time.Now()
	if err := s.Check(t.Context(), func(p store.Problem) { t.Error(p) }); err != nil {
		t.Error(err)
	}
	t.Logf("checked in %v", time.Since(start))
}

// cpu is the processor time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
