package exec

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"indexd/internal/access"
	"indexd/internal/query"
	"indexd/store"
	"indexd/store/record"
)

// TestDamage shows that damaged entries of listings are reported and the rest is given.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	st := madeUp(t, path, 2000)
	paths := func(st *store.Store, by query.Sort) (list []string, err error) {
		sink := &page{}
		_, err = New(st, Options{}).Find(t.Context(), &Query{Plan: compile(t, query.Request{}), Sort: by}, sink)
		for i := range sink.rows {
			list = append(list, sink.rows[i].path())
		}
		return list, err
	}
	whole := make(map[query.Sort][]string)
	for _, by := range orders {
		var err error
		if whole[by], err = paths(st, by); err != nil {
			t.Fatal(err)
		}
	}
	st.Close()

	// The last byte is one of the entries.
	hurt := make(map[string]bool)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("listings"))
		c, n := b.Cursor(), 0
		var keys [][]byte
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if n++; n%20 == 0 {
				keys = append(keys, bytes.Clone(k))
			}
		}
		for _, k := range keys {
			v := bytes.Clone(b.Get(k))
			if rec, err := record.Decode(k, v); err != nil || rec.Chunked() || rec.Agg().Count == 0 {
				continue
			}
			v[len(v)-1] ^= 1
			hurt["/"+record.Key(k).Rel()] = true
			if err := b.Put(k, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	st = opened(t, path)
	for _, by := range orders {
		got, err := paths(st, by)
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("order %q: %v", by, err)
		}
		var want []string
		for _, p := range whole[by] {
			if dir := p[:max(1, strings.LastIndexByte(p, '/'))]; !hurt[dir] {
				want = append(want, p)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("order %q: %d entries, want %d of %d", by, len(got), len(want), len(whole[by]))
		}
	}
}

// TestPanic shows that a panic on a helper's goroutine reaches the one that
// asked, with everything given back and the store free.
func TestPanic(t *testing.T) {
	w := newWorld(t, newRand(t))
	w.grow(60)
	for _, by := range []query.Sort{query.SortDefault, query.SortSize} {
		run := New(w.st, Options{Procs: 3})
		tune := defaults()
		tune.splitDirs, tune.probe = 0, 0
		run.retune(tune)
		q := &Query{Plan: compile(t, query.Request{}), Sort: by}
		q.Viewer = viewer(func(string, record.Key, *record.Origin) access.Visibility { panic("seen") })
		func() {
			defer func() {
				if p := recover(); p != "seen" {
					t.Errorf("recovered from %v", p)
				}
			}()
			run.Find(t.Context(), q, &nowhere{})
		}()
		run.idle(t)
	}
}

// TestDamagedLookups shows that damage to anything but the entries of a listing is an error, or
// does not matter: an answer without an error is right.
func TestDamagedLookups(t *testing.T) {
	r := newRand(t)
	path := filepath.Join(t.TempDir(), "index.db")
	st := madeUp(t, path, 20_000)
	questions := []struct {
		req query.Request
		q   Query
	}{
		{query.Request{Terms: []string{"network-d"}}, Query{}},
		{query.Request{Terms: []string{"f00"}}, Query{Sort: query.SortPath}},
		{query.Request{Terms: []string{"internationalization"}, FullPath: true}, Query{}},
		{query.Request{Terms: []string{"arm64", "size:>100k"}}, Query{Sort: query.SortName}},
		{query.Request{}, Query{Sort: query.SortSize, Limit: 20}},
		{query.Request{}, Query{Sort: query.SortMtime, Limit: 20, Reverse: true}},
	}
	ask := func(st *store.Store) (answers []string, errs []error) {
		for _, c := range questions {
			c.q.Plan = compile(t, c.req)
			sink := &page{}
			_, err := New(st, Options{}).Find(t.Context(), &c.q, sink)
			answers, errs = append(answers, describe(sink.rows)), append(errs, err)
		}
		return answers, errs
	}
	want, errs := ask(st)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	st.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bucket := range []string{"listings", "zones", "docs", "postings", "segments"} {
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			var keys [][]byte
			if err := b.ForEach(func(k, _ []byte) error { keys = append(keys, bytes.Clone(k)); return nil }); err != nil {
				return err
			}
			for i, k := range keys {
				if v := bytes.Clone(b.Get(k)); len(v) > 0 && (i == 0 || r.IntN(2) == 0) {
					v[r.IntN(len(v))] ^= 1 << r.IntN(8)
					if err := b.Put(k, v); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		st, err := store.Open(path, store.Options{})
		if errors.Is(err, store.ErrDamaged) {
			continue // a small bucket
		}
		if err != nil {
			t.Fatal(err)
		}
		answers, errs := ask(st)
		for i, got := range answers {
			if got != want[i] && !errors.Is(errs[i], store.ErrDamaged) && !errors.Is(errs[i], store.ErrCorrupt) {
				t.Errorf("with %s damaged, %+v: %v\n%s\nwant\n%s", bucket, questions[i].req, errs[i], got, want[i])
			}
		}
		if _, err := st.Verify(t.Context()); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("with %s damaged: %v", bucket, err)
		}
		st.Close()
	}
}
