package store_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indexd/store"
)

func TestValues(t *testing.T) {
	s := openStore(t)
	type job struct{ Path string }
	update(t, s, func(tx *store.Tx) {
		for _, id := range []uint64{300, 2, 1 << 40} {
			if err := tx.PutValue(store.Jobs, store.JobKey(id), job{"/x"}); err != nil {
				t.Fatal(err)
			}
		}
		tx.PutValue(store.Settings, []byte("a"), 1)
		tx.PutValue(store.Settings, []byte("a"), 2)
		tx.DeleteValue(store.Jobs, store.JobKey(2))
		tx.DeleteValue(store.Jobs, store.JobKey(77))
		if err := tx.PutValue(store.Settings, []byte("f"), func() {}); err == nil {
			t.Error("a function is no value")
		}
	})
	view(t, s, func(sn *store.Snap) {
		var ids []uint64
		for k, js := range sn.Values(store.Jobs) {
			ids = append(ids, store.JobID(k))
			if !bytes.Equal(js, []byte(`{"Path":"/x"}`)) {
				t.Errorf("%s", js)
			}
		}
		if !slices.Equal(ids, []uint64{300, 1 << 40}) {
			t.Error(ids)
		}
		var n int
		if ok, err := sn.Value(store.Settings, []byte("a"), &n); !ok || err != nil || n != 2 {
			t.Error(ok, err, n)
		}
		if ok, err := sn.Value(store.Settings, []byte("b"), &n); ok || err != nil {
			t.Error(ok, err)
		}
	})
}

func TestVolumes(t *testing.T) {
	s := openStore(t)
	info := store.VolumeInfo{Identity: "uuid\xff", MountPoint: "/mnt/\xfe\n", FSType: "ext4", Source: "/dev/x"}
	update(t, s, func(tx *store.Tx) {
		v, err := tx.PutVolume(info)
		if err != nil || v != 1 {
			t.Fatal(v, err)
		}
		info.Volume, info.Offline = v, true
		if v, err := tx.PutVolume(info); err != nil || v != 1 {
			t.Fatal(v, err)
		}
		if _, err := tx.PutVolume(store.VolumeInfo{Volume: 9}); err == nil {
			t.Error("a number that was never given")
		}
	})
	view(t, s, func(sn *store.Snap) {
		got, ok, err := sn.Volume(1)
		if d := cmp.Diff(info, got); d != "" || !ok || err != nil {
			t.Error(ok, err, d)
		}
		if _, ok, err := sn.Volume(2); ok || err != nil {
			t.Error(ok, err)
		}
	})
}

// TestRootsAreApplied though no parent names them.
func TestRootsAreApplied(t *testing.T) {
	w := newWorld(t, "x")
	w.make("srv/data/in")
	key := w.key("srv/data")
	p := w.prepare(w.list(w.at("srv/data"), 10)[0])
	tx := begin(t, w.s)
	if a := must(tx.Apply(key, p))(t); !a.ParentMissing {
		t.Errorf("%+v", a)
	}
	if err := tx.PutValue(store.Roots, key, "root"); err != nil {
		t.Fatal(err)
	}
	apply(t, tx, key, p)
	tx.Rollback()
	tx = begin(t, w.s)
	if a := must(tx.Apply(key, p))(t); !a.ParentMissing {
		t.Errorf("rolled back, but %+v", a)
	}
	tx.Rollback()
	update(t, w.s, func(tx *store.Tx) {
		tx.PutValue(store.Roots, key, "root")
		apply(t, tx, key, p)
	})
	check(t, w.s)
	w.s.Close()
	w.s = openAt(t, w.s.Path())
	update(t, w.s, func(tx *store.Tx) {
		w.stamp++
		p := w.prepare(w.list(w.at("srv/data"), 10)[0])
		apply(t, tx, key, p)
	})
	// A larger root takes it in, as it is.
	w.look("")()
	w.wantPending("srv/", "srv/data/in/")
	w.look("srv")()
	check(t, w.s)
	update(t, w.s, func(tx *store.Tx) { tx.DeleteValue(store.Roots, key) })
	w.drain()
}

func TestPending(t *testing.T) {
	w := newWorld(t, "a/b", "c")
	put := func(rel string, p store.Pending) {
		t.Helper()
		update(t, w.s, func(tx *store.Tx) {
			if err := tx.PutPending(w.key(rel), p); err != nil {
				t.Fatal(err)
			}
		})
	}
	get := func(rel string) (p store.Pending, ok bool) {
		update(t, w.s, func(tx *store.Tx) { p, ok, _ = tx.Pending(w.key(rel)) })
		return p, ok
	}
	put("a", store.Pending{Jobs: []uint64{9, 2}, Stamp: 5})
	put("a", store.Pending{Jobs: []uint64{4, 2}, Stamp: 3, Subtree: true})
	want := store.Pending{Subtree: true, Jobs: []uint64{2, 4, 9}, Stamp: 5}
	if p, ok := get("a"); !ok || cmp.Diff(p, want) != "" {
		t.Errorf("%+v", p)
	}
	view(t, w.s, func(sn *store.Snap) {
		for rel, want := range map[string]bool{"": false, "a": true, "a/b": true, "a/b/c": true, "c": false} {
			if got := sn.IsPending(w.key(rel)); got != want {
				t.Errorf("%q pending: %v", rel, got)
			}
		}
	})
	clock := w.s.Clock()
	// What comes and goes in one transaction costs none.
	tx := begin(t, w.s)
	tx.PutPending(w.key("b"), store.Pending{Subtree: true})
	tx.Drop(w.key("b"), w.s.LastStamp()+1)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if w.s.Clock() != clock || w.s.PendingCount() != 1 {
		t.Error("something was written")
	}
}
