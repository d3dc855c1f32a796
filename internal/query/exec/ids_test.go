package exec

import (
	"encoding/binary"
	"hash/crc32"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"

	"indexd/internal/query"
	"indexd/listing"
	"indexd/store"
)

// nextDoc makes the database at path one that has given so many doc ids already.
func nextDoc(t *testing.T, path string, next uint64) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		b := meta.Get([]byte("state"))[4:] // clock, stamp, next doc id, and more
		val := []byte("state")
		for i := range 10 {
			v, n := binary.Uvarint(b)
			b = b[n:]
			if i == 2 {
				v = next
			}
			val = binary.AppendUvarint(val, v)
		}
		sum := crc32.Checksum(val, crc32.MakeTable(crc32.Castagnoli))
		return meta.Put([]byte("state"), append(binary.LittleEndian.AppendUint32(nil, sum), val[5:]...))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestManyIds: when more doc ids have been given than the sets of them can hold,
// nothing is missing in an answer that asks for sizes.
func TestManyIds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	st, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	nextDoc(t, path, 1<<32-100)
	st = madeUp(t, path, 5000)
	const least = 20_000
	var want []int64
	err = st.View(func(sn *store.Snap) error {
		for c := sn.Cursor(nil, nil); c.Next(); {
			if err := c.Record().Load(); err != nil {
				return err
			}
			for _, e := range c.Record().All() {
				if e.Size > least {
					want = append(want, e.Size)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Reverse(want)
	for _, limit := range []int{0, 3, 30} {
		q := &Query{Plan: compile(t, query.Request{Filters: []string{"size:>20000"}}), Sort: query.SortSize, Limit: limit}
		var got []int64
		if _, err := New(st, Options{}).Find(t.Context(), q, &sizes{all: &got}); err != nil {
			t.Fatal(err)
		}
		n := len(want)
		if limit > 0 {
			n = limit
		}
		if !slices.Equal(got, want[:n]) {
			t.Errorf("limit %d: %d rows of %d, or others", limit, len(got), n)
		}
	}
	if err := st.Check(t.Context(), func(p store.Problem) { t.Errorf("check: %s: %s", p.Where, p.What) }); err != nil {
		t.Error(err)
	}
}

type sizes struct {
	nowhere
	all *[]int64
}

func (s *sizes) Row(_ []byte, e *listing.Entry, _ bool) error {
	*s.all = append(*s.all, e.Size)
	return nil
}
