package store

import (
	"slices"

	"indexd/store/record"
)

// samples is how many docs Splits looks up for each range it is asked for.
const samples = 24

// Splits cuts the keys of [lo, hi) into up to n about equal ranges for as many
// goroutines and returns the keys in between, ascending, at most n-1 of them;
// fewer where it finds little in the range. A nil hi is the end. The keys may be
// those of chunks. It goes by where evenly spaced doc ids are.
func (sn *Snap) Splits(lo, hi record.Key, n int) []record.Key {
	if n < 2 || sn.state.nextDoc <= uint64(n) {
		return nil
	}
	var keys []record.Key
	all := uint64(n * samples)
	for i := range all {
		id := 1 + (sn.state.nextDoc-1)/all*i + (sn.state.nextDoc-1)%all*i/all
		dir, first, ok, err := sn.Doc(id)
		if first != "" {
			dir = dir.Chunk(first)
		}
		if err == nil && ok && dir.Compare(lo) > 0 && (hi == nil || dir.Compare(hi) < 0) {
			keys = append(keys, dir)
		}
	}
	slices.SortFunc(keys, record.Key.Compare)
	keys = slices.CompactFunc(keys, record.Key.Equal)
	n = min(n, len(keys)+1)
	cuts := make([]record.Key, 0, n)
	for i := 1; i < n; i++ {
		cuts = append(cuts, keys[len(keys)*i/n])
	}
	return slices.CompactFunc(cuts, record.Key.Equal)
}
