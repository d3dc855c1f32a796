package store_test

import (
	"fmt"
	"testing"

	"indexd/store"
	"indexd/store/record"
)

// What the last commit has freed counts as unused, though nothing may be written
// there yet: no other commit need come by for the database to be compacted.
func TestSlackOfTheLastCommit(t *testing.T) {
	s, f := openStore(t), newFakeFS(true)
	v := newVolume(t, s, "/")
	list := func() {
		update(t, s, func(tx *store.Tx) {
			for _, l := range f.list(f.root, 1<<20) {
				if _, err := tx.Apply(record.MakeKey(v, ""), f.prepare(l)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	update(t, s, func(tx *store.Tx) {
		if err := tx.PutPending(record.MakeKey(v, ""), store.Pending{}); err != nil {
			t.Fatal(err)
		}
	})
	for i := range 30000 {
		f.create(f.root, fmt.Sprintf("a file with rather a long name %d", i), false)
	}
	list()
	before, _, err := s.Slack()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30000 {
		f.remove(f.root, fmt.Sprintf("a file with rather a long name %d", i))
	}
	list()
	after, size, err := s.Slack()
	if err != nil {
		t.Fatal(err)
	}
	if after < size/2 {
		t.Errorf("of %d bytes %d are unused, before everything went %d", size, after, before)
	}
}
