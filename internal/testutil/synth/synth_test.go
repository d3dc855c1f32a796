package synth_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"indexd/internal/testutil/race"
	"indexd/internal/testutil/scale"
	"indexd/internal/testutil/synth"
	"indexd/store"
)

func open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n := 0
		if err := s.Check(context.Background(), func(p store.Problem) {
			if n++; n < 10 {
				t.Error(p)
			}
		}); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestLoad(t *testing.T) {
	scale.SkipIfShort(t)
	s := open(t)
	v, err := synth.NewVolume(s, "/synth")
	if err != nil {
		t.Fatal(err)
	}
	tree := synth.Tree{Seed: 1, Entries: race.Fewer(200_000)}
	for round := range 4 {
		tree.Round = round
		for again := range 2 {
			start := time.Now()
			sum, err := tree.Load(s, v, synth.Options{Bulk: round == 0})
			if err != nil {
				t.Fatal(err)
			}
			var st store.Stats
			if err := s.View(func(sn *store.Snap) (err error) { st, err = sn.Stats(); return err }); err != nil {
				t.Fatal(err)
			}
			t.Logf("round %d/%d %v: %+v; %+v, %.1f B an entry", round, again, time.Since(start), sum, st, float64(st.Size-st.Free)/float64(st.Entries))
			if again == 1 && sum.Changed > 0 {
				t.Errorf("%d directories were written though nothing changed", sum.Changed)
			}
			if int(st.Entries) != sum.Entries || int(st.Dirs) != sum.Dirs {
				t.Errorf("the store counts %+v, the tree has %+v", st.Counts, sum)
			}
		}
	}
}
