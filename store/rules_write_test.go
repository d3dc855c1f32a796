package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"indexd/internal/testutil/scale"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// TestRule5_OneTransaction: a listing, what is pending, what died and the doc ids
// change together or not at all.
func TestRule5_OneTransaction(t *testing.T) {
	w := newWorld(t, "a/b", "c")
	before := stored(t, w.s, w.v)
	clock := w.s.Clock()
	w.remove(w.root, "a")
	w.make("n")
	l := w.list(w.root, 100)[0]
	tx := begin(t, w.s)
	apply(t, tx, w.key(""), w.prepare(l))
	tx.Rollback()
	if d := cmp.Diff(before, stored(t, w.s, w.v)); d != "" || w.s.Clock() != clock || w.s.PendingCount()+w.s.TombstoneCount() > 0 {
		t.Errorf("clock %d, %d pending, %d dead, %s", w.s.Clock(), w.s.PendingCount(), w.s.TombstoneCount(), d)
	}
	check(t, w.s)
	tx = begin(t, w.s)
	apply(t, tx, w.key(""), w.prepare(l))
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if w.s.Clock() != clock+1 || w.s.PendingCount() != 1 || w.s.LastStamp() != l.Stamp {
		t.Errorf("clock %d, %d pending, stamp %d", w.s.Clock(), w.s.PendingCount(), w.s.LastStamp())
	}
	w.drain()
}

// begunBig is a world with a big directory, of whose listing's three parts the first
// is applied.
func begunBig(t *testing.T) (w *world, parts []*listing.Listing) {
	t.Helper()
	w = newWorld(t, "big")
	for i := range 3000 {
		w.make(fmt.Sprintf("big/%05d*", i))
	}
	parts = w.list(w.at("big"), 1000)
	update(t, w.s, func(tx *store.Tx) { apply(t, tx, w.key("big"), w.prepare(parts[0])) })
	return w, parts
}

// TestRule5_PartsSurviveACrash: between two parts of a big listing the process
// is gone. What is stored says so and is listed anew.
func TestRule5_PartsSurviveACrash(t *testing.T) {
	w, parts := begunBig(t)
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	w.s = openAt(t, w.s.Path())
	check(t, w.s)
	w.wantPending("big")
	view(t, w.s, func(sn *store.Snap) {
		rec, ok, err := sn.Record(w.key("big"))
		if h := rec.Header(); err != nil || !ok || !h.InProgress || !h.Chunked || h.TrustTimes || h.Agg.Count != 1000 {
			t.Errorf("%+v, %v, %v", rec.Header(), ok, err)
		}
		for _, p := range sn.Pending(nil, nil) {
			if p.Cursor != "00999" || p.Listing != parts[0].Stamp {
				t.Errorf("%+v", p)
			}
		}
	})
	update(t, w.s, func(tx *store.Tx) {
		if a, err := tx.Apply(w.key("big"), w.prepare(parts[1])); err != nil || !a.Stale {
			t.Errorf("%+v, %v: a part whose listing was forgotten", a, err)
		}
	})
	w.drain()
}

// TestRule5_PartsAfterARollback: parts that were rolled back can come again.
func TestRule5_PartsAfterARollback(t *testing.T) {
	w, parts := begunBig(t)
	for range 2 {
		tx := begin(t, w.s)
		apply(t, tx, w.key("big"), w.prepare(parts[1]))
		apply(t, tx, w.key("big"), w.prepare(parts[2]))
		tx.Rollback()
	}
	update(t, w.s, func(tx *store.Tx) {
		apply(t, tx, w.key("big"), w.prepare(parts[1]))
		if a := apply(t, tx, w.key("big"), w.prepare(parts[2])); a.Entries != 3000 {
			t.Errorf("%+v", a)
		}
	})
	w.wantPending()
	w.look("")()
	w.compare()
}

// TestRule6_DeletingIsCheap: a subtree dies at once for readers, in a transaction
// that does not depend on its size; the keys go later, so many at a time.
func TestRule6_DeletingIsCheap(t *testing.T) {
	w := newWorld(t, "keep/x")
	for i := range 40 {
		for j := range 50 {
			w.make(fmt.Sprintf("d/%02d/%02d", i, j))
		}
	}
	load(t, w.s, w.v, w.fakeFS)
	w.remove(w.root, "d")
	tx := begin(t, w.s)
	apply(t, tx, w.key(""), w.prepare(w.list(w.root, 100)[0]))
	if n := tx.Bytes(); n > 200<<10 {
		t.Errorf("to delete 2,041 directories a transaction holds %d bytes", n)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	w.compare()
	if st := stats(t, w.s); w.s.TombstoneCount() != 1 || st.Docs != 2044 {
		t.Errorf("%d dead, %+v", w.s.TombstoneCount(), st)
	}
	check(t, w.s)
	rounds := 0
	for more := true; more; rounds++ {
		docs := stats(t, w.s).Docs
		update(t, w.s, func(tx *store.Tx) { more = must(tx.PurgeTombstones(500))(t) })
		if went := docs - stats(t, w.s).Docs; went > 500 {
			t.Errorf("%d went at once", went)
		}
		w.compare()
		check(t, w.s)
	}
	if st := stats(t, w.s); w.s.TombstoneCount() != 0 || st.Docs != 3 || st.Dirs != 3 || rounds < 5 {
		t.Errorf("%d dead, %+v after %d rounds", w.s.TombstoneCount(), st, rounds)
	}
}

// TestRule6_BackBeforeTheReaper: what died and is there again, in part, before
// its keys went.
func TestRule6_BackBeforeTheReaper(t *testing.T) {
	w := newWorld(t, "d/a/x", "d/b/y", "d/c*")
	for i := range 2000 {
		w.make(fmt.Sprintf("d/big/%05d*", i))
	}
	load(t, w.s, w.v, w.fakeFS)
	w.remove(w.root, "d")
	w.look("")()
	for i := range 700 {
		w.make(fmt.Sprintf("d/big/%05d*", 2*i))
	}
	w.make("d/b/z")
	w.look("")()
	w.look("d")()
	w.look("d/big")()
	w.look("d/b")()
	w.want("d/b/y", false)
	w.want("d/a", false)
	w.wantPending("d/b/z/")
	w.look("d/b/z")()
	w.compare()
	check(t, w.s)
	w.drain()
	if w.s.TombstoneCount() != 0 {
		t.Error("something is left")
	}
}

// TestRule7_TimesAreTrustedOnlyWhenOld, from a whole listing.
func TestRule7_TimesAreTrustedOnlyWhenOld(t *testing.T) {
	w := newWorld(t, "d/x*")
	header := func() record.Header {
		var h record.Header
		view(t, w.s, func(sn *store.Snap) {
			rec, _, err := sn.Record(w.key("d"))
			if err != nil {
				t.Fatal(err)
			}
			h = *rec.Header()
		})
		return h
	}
	at := func(age time.Duration) {
		w.make(fmt.Sprintf("d/%d*", w.clock)) // so that something changes
		p := record.Encode(w.list(w.at("d"), 100)[0], nil, nil)
		p.At = w.at("d").stat.Mtime.Std().Add(age)
		update(t, w.s, func(tx *store.Tx) { apply(t, tx, w.key("d"), p) })
	}
	for _, c := range []struct {
		age  time.Duration
		want bool
	}{{-time.Hour, false}, {0, false}, {2999 * time.Millisecond, false}, {3 * time.Second, true}, {time.Hour, true}} {
		if at(c.age); header().TrustTimes != c.want {
			t.Errorf("times that are %v old are trusted: %v", c.age, !c.want)
		}
	}
	if h := header(); h.Dir != w.at("d").stat {
		t.Errorf("%+v, want %+v", h.Dir, w.at("d").stat)
	}

	// A one-name update ends it, and leaves the times as they were listed.
	stat := w.at("d").stat
	w.make("d/new*")
	w.stamp++
	e := listing.Entry{Name: "new", Stat: w.at("d").kids["new"].stat}
	update(t, w.s, func(tx *store.Tx) {
		if a := must(tx.ApplyName(w.key("d"), w.stamp, "new", &e, true))(t); a.Added != 1 || !a.Changed {
			t.Errorf("%+v", a)
		}
	})
	if h := header(); h.TrustTimes || h.Dir != stat {
		t.Errorf("%+v", h)
	}

	// That there is no ACL is said of the directory as it was listed, and stays; it
	// ends with a listing that does not say so.
	noACL := func(yes bool) store.Applied {
		p := record.Encode(w.list(w.at("d"), 100)[0], nil, nil)
		p.NoACL = yes
		var a store.Applied
		update(t, w.s, func(tx *store.Tx) { a = apply(t, tx, w.key("d"), p) })
		return a
	}
	if noACL(true); !header().NoACL {
		t.Error("it is not kept that there is no ACL")
	}
	if a := noACL(true); a.Changed {
		t.Errorf("%+v", a)
	}
	w.make("d/newer*")
	w.stamp++
	e = listing.Entry{Name: "newer", Stat: w.at("d").kids["newer"].stat}
	update(t, w.s, func(tx *store.Tx) { must(tx.ApplyName(w.key("d"), w.stamp, "newer", &e, true))(t) })
	if h := header(); !h.NoACL || h.Origin() != (record.Origin{Doc: h.Doc, Stamp: h.Stamp, Ino: h.Dir.Ino, Ctime: h.Dir.Ctime, NoACL: true}) {
		t.Errorf("%+v", h)
	}
	if noACL(false); header().NoACL {
		t.Error("it is said of another listing")
	}

	// What is the same but older now is written once, to be trusted.
	w.look("d")()
	if !header().TrustTimes {
		t.Error("a listing of what is old is not trusted")
	}
	if a := w.look("d")(); a.Changed {
		t.Errorf("%+v", a)
	}
	w.look("")()
	w.compare()
}

// TestRule8_UnchangedWritesNothing: not a byte.
func TestRule8_UnchangedWritesNothing(t *testing.T) {
	w := newWorld(t, "a/b/c", "d*")
	for i := range 3000 {
		w.make(fmt.Sprintf("big/%05d*", i))
	}
	load(t, w.s, w.v, w.fakeFS)
	clock := w.s.Clock()
	for _, part := range []int{1 << 20, 1000, 777} {
		update(t, w.s, func(tx *store.Tx) {
			for _, rel := range w.dirs() {
				for _, l := range w.list(w.at(rel), part) {
					if a := apply(t, tx, w.key(rel), w.prepare(l)); a.Changed {
						t.Errorf("%q in parts of %d: %+v", rel, part, a)
					}
				}
			}
		})
	}
	if w.s.Clock() != clock {
		t.Error("the clock went on")
	}
	if w.s.LastStamp() != w.stamp {
		t.Errorf("the last stamp is %d, want %d", w.s.LastStamp(), w.stamp)
	}
}

// TestRule11_ErrorsAreData: an unreadable directory keeps what was known of it.
func TestRule11_ErrorsAreData(t *testing.T) {
	w := newWorld(t, "d/x/y", "d/f*")
	before := stored(t, w.s, w.v)
	fail := func(rel string, errno syscall.Errno) (a store.Applied) {
		w.stamp++
		update(t, w.s, func(tx *store.Tx) { a = must(tx.SetError(w.key(rel), w.stamp, uint16(errno), w.now()))(t) })
		return a
	}
	if a := fail("d", syscall.EACCES); !a.Changed || a.Entries != 2 || a.Again != nil {
		t.Errorf("%+v", a)
	}
	since := w.now().Truncate(time.Millisecond)
	w.clock += 100
	if a := fail("d", syscall.EACCES); a.Changed {
		t.Errorf("%+v", a)
	}
	view(t, w.s, func(sn *store.Snap) {
		rec, ok, err := sn.Record(w.key("d"))
		if h := rec.Header(); !ok || err != nil || h.Errno != uint16(syscall.EACCES) || !h.ErrAt.Equal(since) {
			t.Errorf("%+v", rec.Header())
		}
	})
	if d := cmp.Diff(before, stored(t, w.s, w.v)); d != "" {
		t.Error(d)
	}
	w.wantPending()
	// One that was never read has a record too, so that it is not asked for
	// for ever.
	w.make("d/x/new")
	w.look("d/x")()
	w.wantPending("d/x/new/")
	fail("d/x/new", syscall.EIO)
	w.wantPending()
	w.want("d/x/new", true)
	// It is gone: the parent is to say so.
	w.remove(w.at("d"), "x")
	if a := fail("d/x", syscall.ENOENT); !a.Again.Equal(w.key("d")) {
		t.Errorf("%+v", a)
	}
	w.want("d/x", true)
	w.wantPending("d")
	w.look("d")()
	w.want("d/x", false)
	w.look("")()
	w.drain()
	view(t, w.s, func(sn *store.Snap) {
		if rec, _, _ := sn.Record(w.key("d")); rec.Header().Errno != 0 {
			t.Error("a listing does not end an error")
		}
	})
}

// TestBigKeepsItsChunks: one name more in a big directory writes one chunk.
func TestBigKeepsItsChunks(t *testing.T) {
	scale.SkipIfShort(t)
	w := newWorld(t, "big")
	for i := range 20_000 {
		w.make(fmt.Sprintf("big/%06d*", i*10))
	}
	w.look("")()
	w.look("big")()
	docs := chunkDocs(t, w)
	if len(docs) < 60 || len(docs) > 100 {
		t.Errorf("%d chunks", len(docs))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		name := fmt.Sprintf("%06d", r.IntN(200_000))
		if d := w.at("big"); d.kids[name] != nil {
			w.remove(d, name)
		} else {
			w.make("big/" + name + "*")
		}
		parts := w.list(w.at("big"), 1000+r.IntN(3000))
		tx := begin(t, w.s)
		for _, l := range parts {
			apply(t, tx, w.key("big"), w.prepare(l))
		}
		if n := tx.Bytes(); n > 250_000 {
			t.Errorf("one name costs a transaction of %d bytes", n)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	now := chunkDocs(t, w)
	for first, doc := range docs {
		if now[first] == doc {
			kept++
		}
	}
	if kept < len(docs)-2 {
		t.Errorf("of %d chunks %d kept their doc ids", len(docs), kept)
	}
	w.look("")()
	w.compare()

	// It shrinks to one record, and grows again.
	for _, n := range []int{600, 129, 127, 0, 3, 513, 512, 300, 127, 600} {
		d := w.at("big")
		for name := range d.kids {
			w.remove(d, name)
		}
		for i := range n {
			w.make(fmt.Sprintf("big/%06d*", r.IntN(1000)*1000+i))
		}
		if a := w.look("big")(); a.Entries != len(d.kids) {
			t.Errorf("%+v, want %d entries", a, len(d.kids))
		}
		check(t, w.s)
		view(t, w.s, func(sn *store.Snap) {
			rec, _, _ := sn.Record(w.key("big"))
			if h := rec.Header(); h.Agg.Count != uint64(n) || h.Chunked && n < 128 || !h.Chunked && n > 512 || h.Dir != d.stat {
				t.Errorf("of %d entries: %+v", n, h)
			}
		})
	}
	w.look("")()
	w.compare()
}

func chunkDocs(t *testing.T, w *world) map[string]uint64 {
	t.Helper()
	docs := make(map[string]uint64)
	view(t, w.s, func(sn *store.Snap) {
		c := sn.Cursor(w.key("big"), w.key("big").ChunksEnd())
		for c.Next() {
			if first, ok := c.Chunk(); ok {
				docs[first] = c.Record().Header().Doc
			}
		}
	})
	return docs
}

// TestOnePartAtATime: a listing in parts is not mixed with another.
func TestOnePartAtATime(t *testing.T) {
	w := newWorld(t, "big")
	for i := range 2000 {
		w.make(fmt.Sprintf("big/%05d*", i))
	}
	one := w.list(w.at("big"), 500)
	w.make("big/x*")
	two := w.list(w.at("big"), 700)
	do := func(l *listing.Listing, stale bool) {
		t.Helper()
		update(t, w.s, func(tx *store.Tx) {
			if a := must(tx.Apply(w.key("big"), w.prepare(l)))(t); a.Stale != stale {
				t.Errorf("%+v, want stale %v", a, stale)
			}
		})
	}
	do(one[1], true) // without the first
	do(one[0], false)
	do(two[0], false)
	do(one[1], true)
	do(two[1], false)
	do(two[2], false)
	do(two[2], true)
	w.look("")()
	w.drain()
}

// TestStops: a child that is not descended into needs no record.
func TestStops(t *testing.T) {
	w := newWorld(t, "a/x", "b/y")
	w.make("mnt/below")
	l := w.list(w.root, 100)[0]
	p := record.Encode(l, nil, func(e *listing.Entry) bool { return e.Name != "mnt" && e.Name != "b" })
	update(t, w.s, func(tx *store.Tx) { apply(t, tx, w.key(""), p) })
	w.wantPending()
	w.want("b/y", true) // a mount hides, it does not delete
	view(t, w.s, func(sn *store.Snap) {
		if !sn.IsBoundary(w.key("mnt")) || !sn.IsBoundary(w.key("b")) || sn.IsBoundary(w.key("a")) {
			t.Error("stops are wrong")
		}
	})
	check(t, w.s)
	w.look("")() // it is unmounted
	w.wantPending("mnt/")
	w.drain()
	update(t, w.s, func(tx *store.Tx) {
		if err := tx.Drop(w.key("a"), w.stamp); err != nil {
			t.Fatal(err)
		}
	})
	w.want("a/x", false)
	check(t, w.s)
	w.look("")() // it is no longer excluded
	w.wantPending("a/")
	w.drain()
}

// TestTooLong: a directory too deep for a key is data too.
func TestTooLong(t *testing.T) {
	w := newWorld(t, "a")
	name := strings.Repeat("n", 255)
	rel := "a"
	for len(rel)+256+3 <= record.MaxKey {
		rel += "/" + name
		w.make(rel)
	}
	w.drainFrom("a")
	w.make(rel + "/" + name)
	a := w.look(rel)()
	if a.TooLong != 1 || len(a.NewDirs) != 0 {
		t.Errorf("%+v", a)
	}
	w.wantPending()
	check(t, w.s)
	long := w.key(rel + "/" + name)
	if _, err := begin1(t, w.s, func(tx *store.Tx) (store.Applied, error) { return tx.Apply(long, &record.EncodedListing{}) }); err != record.ErrKeyTooLong {
		t.Error(err)
	}
	if a := w.look(rel)(); a.Changed || a.TooLong != 1 {
		t.Errorf("%+v", a)
	}
}

func begin1(t *testing.T, s *store.Store, fn func(*store.Tx) (store.Applied, error)) (store.Applied, error) {
	tx := begin(t, s)
	defer tx.Rollback()
	return fn(tx)
}

// drainFrom lists rel and what becomes pending, without comparing.
func (w *world) drainFrom(rel string) {
	w.look(rel)()
	for all := w.pending(); len(all) > 0; all = w.pending() {
		w.look(all[0])()
	}
}
