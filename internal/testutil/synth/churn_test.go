package synth_test

import (
	"os"
	"strconv"
	"testing"

	bolt "go.etcd.io/bbolt"

	"indexd/internal/testutil/synth"
	"indexd/store"
)

// TestChurn reports the bytes an entry of a first load, and after every change
// of many rounds, with postings merged after each. INDEXD_CHURN is the number of entries.
func TestChurn(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("INDEXD_CHURN"))
	if n == 0 {
		t.Skip("a measurement: set INDEXD_CHURN to a number of entries")
	}
	s, err := store.Open(t.TempDir()+"/db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := synth.NewVolume(s, "/")
	if err != nil {
		t.Fatal(err)
	}
	for round := range 31 {
		if _, err := (synth.Tree{Seed: 1, Entries: n, Round: round}).Load(s, v, synth.Options{Bulk: round == 0}); err != nil {
			t.Fatal(err)
		}
		merged, err := synth.Merge(s, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		var st store.Stats
		if err := s.View(func(sn *store.Snap) (err error) { st, err = sn.Stats(); return err }); err != nil {
			t.Fatal(err)
		}
		if round%5 == 0 {
			t.Logf("merged %+v", merged)
			t.Logf("round %d: %d entries in %d directories, %.1f B an entry, %.1f of it in use", round, st.Entries, st.Dirs,
				float64(st.Size)/float64(st.Entries), float64(st.Size-st.Free)/float64(st.Entries))
		}
	}
	slack, size, err := s.Slack()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, now, err := s.Slack()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d bytes were slack, %d when compacted", slack, size, now)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(s.Path(), 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_ = db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			st := b.Stats()
			t.Logf("%s: %d keys, %d leaf pages of which %d overflow, %d %% of %d bytes in use", name, st.KeyN,
				st.LeafPageN, st.LeafOverflowN, 100*st.LeafInuse/max(1, st.LeafAlloc), st.LeafAlloc)
			return nil
		})
	})
}
