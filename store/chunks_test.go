package store_test

import (
	"fmt"
	"testing"

	"indexd/listing"
	"indexd/store"
)

// TestSumsBeyondTheRange: files with holes claim more bytes together than can be
// counted; when one of them shrinks the sum is right again.
func TestSumsBeyondTheRange(t *testing.T) {
	w := newWorld(t)
	for i := range 700 {
		w.make(fmt.Sprintf("%03d*", i))
	}
	a, b := w.root.kids["003"], w.root.kids["600"]
	a.stat.Size, b.stat.Size = 7<<60, 7<<60
	w.look("")()
	check(t, w.s)
	a.stat.Size = 12
	update(t, w.s, func(tx *store.Tx) {
		w.stamp++
		must(tx.ApplyName(w.key(""), w.stamp, "003", &listing.Entry{Stat: a.stat}, true))(t)
	})
	view(t, w.s, func(sn *store.Snap) {
		if rec, _, _ := sn.Record(w.key("")); rec.Header().Agg.Bytes != 7<<60+12 {
			t.Errorf("%+v", rec.Header().Agg)
		}
	})
	check(t, w.s)
	w.compare()
}
