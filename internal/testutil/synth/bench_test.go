package synth_test

import (
	"path/filepath"
	"testing"

	"indexd/internal/testutil/synth"
	"indexd/store"
	"indexd/store/record"
)

type ready struct {
	key record.Key
	p   *record.EncodedListing
}

// prepareAll makes up a tree and prepares it.
func prepareAll(v record.Volume, t synth.Tree) (all []ready, entries int) {
	for rel, l := range t.Listings() {
		l.Stamp = uint64(len(all) + 1)
		p := record.Encode(l, nil, nil)
		p.At = t.Now()
		all = append(all, ready{record.MakeKey(v, rel), p})
		entries += len(l.Entries)
	}
	return all, entries
}

// BenchmarkApply is the writer's work alone: a first load of about 500,000
// entries in 40,000 directories, then the same again, which writes nothing.
func BenchmarkApply(b *testing.B) {
	for _, again := range []bool{false, true} {
		b.Run(map[bool]string{false: "first", true: "unchanged"}[again], func(b *testing.B) {
			var all []ready
			entries := 0
			for b.Loop() {
				b.StopTimer()
				s, err := store.Open(filepath.Join(b.TempDir(), "db"), store.Options{})
				if err != nil {
					b.Fatal(err)
				}
				v, err := synth.NewVolume(s, "/synth")
				if err != nil {
					b.Fatal(err)
				}
				if all == nil {
					all, entries = prepareAll(v, synth.Tree{Seed: 1, Entries: 500_000})
				}
				apply := func() {
					tx, err := s.Begin()
					if err != nil {
						b.Fatal(err)
					}
					tx.Bulk()
					for _, d := range all {
						if a, err := tx.Apply(d.key, d.p); err != nil || a.Stale || a.ParentMissing {
							b.Fatal(a, err)
						}
						if tx.Bytes() > 8<<20 {
							if err := tx.Commit(); err != nil {
								b.Fatal(err)
							}
							if tx, err = s.Begin(); err != nil {
								b.Fatal(err)
							}
							tx.Bulk()
						}
					}
					if err := tx.Commit(); err != nil {
						b.Fatal(err)
					}
				}
				if again {
					apply()
				}
				b.StartTimer()
				apply()
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			n := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(float64(len(all))/n, "listings/s")
			b.ReportMetric(float64(entries)/n, "entries/s")
		})
	}
}
