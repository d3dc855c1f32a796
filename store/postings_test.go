package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"

	"indexd/internal/casefold"
	"indexd/internal/testutil/race"
	"indexd/internal/testutil/scale"
	"indexd/listing"
	"indexd/store"
	"indexd/store/postings/trigram"
	"indexd/store/record"
)

// textNames have trigrams in common, in upper and lower case and without any, and
// some are no UTF-8.
var textNames = []string{
	"a", "README", "readme.md", "main.go", "Main.go", "domain", "Straße", "STRASSE", "kelvin-\u212a", "ſtore", "store",
	"x\xffyz", "\xc3\x28abc", "日本語.txt", "naïve", "package.json", "package-lock.json", "ackage", "no", "image-0001.jpg",
}

// trigramsOf are the trigrams of a name, by the definition.
func trigramsOf(name string) map[trigram.T]bool {
	has := make(map[trigram.T]bool)
	f := casefold.String(name)
	for i := range len(f) {
		if i+3 <= len(f) {
			has[trigram.T(f[i])<<16|trigram.T(f[i+1])<<8|trigram.T(f[i+2])] = true
		}
	}
	return has
}

func meets(n *trigram.Need, has map[trigram.T]bool) bool {
	for _, t := range n.All {
		if !has[t] {
			return false
		}
	}
	for i := range n.And {
		if !meets(&n.And[i], has) {
			return false
		}
	}
	for i := range n.Or {
		if meets(&n.Or[i], has) {
			return true
		}
	}
	return len(n.Or) == 0
}

// living are all docs that live, and the trigrams of each.
func living(t testing.TB, sn *store.Snap) map[uint32]map[trigram.T]bool {
	docs := make(map[uint32]map[trigram.T]bool)
	c := sn.Cursor(nil, nil)
	for c.Next() {
		rec := c.Record()
		if err := rec.Load(); err != nil {
			t.Fatal(err)
		}
		has := make(map[trigram.T]bool)
		for i := range rec.Len() {
			for g := range trigramsOf(rec.Name(i)) {
				has[g] = true
			}
		}
		docs[uint32(rec.Header().Doc)] = has
	}
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return docs
}

// randomNeed asks for parts of names, or for what is in none.
func randomNeed(r *rand.Rand, names []string, depth int) (n trigram.Need) {
	text := func() []trigram.T {
		name := names[r.IntN(len(names))]
		from := r.IntN(len(name))
		all := trigram.Of(name[from : from+r.IntN(len(name)-from+1)])
		if r.IntN(10) == 0 {
			all = append(all, trigram.T(r.IntN(1<<24)))
		}
		return all
	}
	for range r.IntN(3) {
		n.All = append(n.All, text()...)
	}
	if depth < 3 {
		for range max(0, r.IntN(5)-2) {
			n.And = append(n.And, randomNeed(r, names, depth+1))
		}
		for range max(0, r.IntN(6)-2) {
			n.Or = append(n.Or, randomNeed(r, names, depth+1))
		}
	}
	return n
}

// candidates checks that those of random needs are all that there must be, and
// returns how many there were and had to be.
func candidates(t testing.TB, sn *store.Snap, r *rand.Rand, names []string, needs int) (got, want int) {
	t.Helper()
	docs := living(t, sn)
	for range needs {
		n := randomNeed(r, names, 0)
		c, err := sn.Candidates(&n)
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			continue
		}
		got += int(c.GetCardinality())
		for doc, has := range docs {
			if meets(&n, has) {
				want++
				if !c.Contains(doc) {
					t.Fatalf("doc %d is no candidate for %+v", doc, n)
				}
			}
		}
	}
	return got, want
}

var errAbandoned = errors.New("the merge is given up")

// mergeAll does all that is due, a transaction a step.
func mergeAll(t testing.TB, s *store.Store) (did []string) {
	t.Helper()
	for {
		m := must(s.NextMerge(false, true))(t)
		if m == nil {
			return did
		}
		did = append(did, m.String())
		if len(did) > 1000 {
			t.Fatalf("there is no end to it: %v", did[:20])
		}
		if err := m.Run(t.Context(), steps(t, s, -1)); err != nil {
			t.Fatal(err)
		}
	}
}

// steps does up to n steps, then fails; -1: all.
func steps(t testing.TB, s *store.Store, n int) func(store.Step) error {
	return func(step store.Step) error {
		if n == 0 {
			return errAbandoned
		}
		n--
		var err error
		update(t, s, func(tx *store.Tx) { err = step.Do(tx) })
		return err
	}
}

// merge does one of the merges that are due, if any, while other things happen;
// now and then it is given up.
func (m *sim) merge() {
	if m.merging {
		return
	}
	m.merging = true
	defer func() { m.merging = false }()
	m.commit()
	next := must(m.s.NextMerge(m.r.IntN(10) == 0, m.r.IntN(4) > 0))(m.t)
	if next == nil {
		return
	}
	m.tracef("merge: %v", next)
	err := next.Run(m.t.Context(), func(step store.Step) error {
		for range m.r.IntN(8) {
			m.act()
		}
		if m.r.IntN(15) == 0 {
			m.tracef("given up")
			return errAbandoned
		}
		if err := step.Do(m.tx); err != nil {
			return err
		}
		m.tracef("a step of %v", next)
		if step.Wait || m.r.IntN(2) == 0 {
			m.commit()
		}
		for range m.r.IntN(8) {
			m.act()
		}
		return nil
	})
	if err != nil && !errors.Is(err, errAbandoned) {
		m.t.Fatal(err)
	}
}

// search compares candidates with what is stored.
func (m *sim) search() {
	m.commit()
	names := append(slices.Clone(m.names), "m00001", "m01234", "m03999")
	view(m.t, m.s, func(sn *store.Snap) { candidates(m.t, sn, m.r, names, 8) })
}

// fillNames makes n directories of three files each, with names that say which.
func fillNames(t testing.TB, s *store.Store, v record.Volume, stamp, from, n int) {
	t.Helper()
	update(t, s, func(tx *store.Tx) {
		root := &listing.Listing{Stamp: uint64(stamp), First: true, Last: true}
		for i := range from + n {
			e := listing.Entry{Name: fmt.Sprintf("d%05d", i)}
			e.Mode, e.Ino = 0o40755, uint64(i+1)
			root.Entries = append(root.Entries, e)
		}
		must(tx.Apply(record.MakeKey(v, ""), record.Encode(root, nil, nil)))(t)
		for i := from; i < from+n; i++ {
			e := root.Entries[i]
			l := &listing.Listing{Stamp: uint64(stamp), First: true, Last: true, Dir: e.Stat}
			for _, name := range []string{fmt.Sprintf("file-%05d", i), fmt.Sprintf("round-%03d", stamp), textNames[i%len(textNames)]} {
				l.Entries = append(l.Entries, listing.Entry{Name: name, Stat: listing.Stat{Ino: 7, Mode: 0o100644}})
			}
			slices.SortFunc(l.Entries, func(a, b listing.Entry) int { return strings.Compare(a.Name, b.Name) })
			must(tx.Apply(record.MakeKey(v, e.Name), record.Encode(l, nil, nil)))(t)
		}
	})
}

// reapAll deletes what is dead, which candidates have until then.
func reapAll(t testing.TB, s *store.Store) {
	t.Helper()
	for more := true; more; {
		update(t, s, func(tx *store.Tx) { more = must(tx.PurgeTombstones(2000))(t) })
	}
}

func fresh(t testing.TB, s *store.Store) (n uint64) {
	view(t, s, func(sn *store.Snap) { n = sn.Fresh() })
	if c := s.FreshCount(); c != n {
		t.Errorf("%d fresh, counted %d", n, c)
	}
	return n
}

func count(t testing.TB, s *store.Store, text string) (n int) {
	view(t, s, func(sn *store.Snap) {
		c := must(sn.Candidates(&trigram.Need{All: trigram.Of(text)}))(t)
		n = int(c.GetCardinality())
	})
	return n
}

// TestMergedIsExact: when all is merged candidates are those docs that have the
// trigrams, and a few where it was cheaper not to look further.
func TestMergedIsExact(t *testing.T) {
	s := openStore(t)
	v := newVolume(t, s, "/")
	fillNames(t, s, v, 1, 0, 3000)
	if n := fresh(t, s); n < 3000 {
		t.Errorf("%d fresh", n)
	}
	if m := must(s.NextMerge(true, true))(t); m != nil {
		t.Errorf("%v is due in a first index already", m)
	}
	mergeAll(t, s)
	if n := fresh(t, s); n != 0 {
		t.Errorf("%d still fresh", n)
	}
	for text, want := range map[string]int{"file-00123": 11, "round-001": 3000, "package-lock": 150, "STRAßE": 150, "qqq": 0, "nowhere at all": 0} {
		// The trigrams of file-00123 are of file-01230 and nine others too.
		if n := count(t, s, text); n < want || n > want+2 {
			t.Errorf("%q: %d candidates, %d have it", text, n, want)
		}
	}
	seed := seeds(t, 1)[0]
	t.Logf("STORE_SEED=%d", seed)
	view(t, s, func(sn *store.Snap) {
		if got, want := candidates(t, sn, rand.New(rand.NewPCG(seed, 3)), textNames, 300); got > want+2*300 {
			t.Errorf("%d candidates where %d would do", got, want)
		}
	})
}

// TestTiers: round by round other docs gain names; no matter how many rounds there
// were, segments and what they hold of old stay few.
func TestTiers(t *testing.T) {
	scale.SkipIfShort(t)
	if race.On {
		t.Skip("one goroutine, which would take half a minute")
	}
	s := openStore(t)
	v := newVolume(t, s, "/")
	const round = 260
	did := make(map[string]int)
	for i := range 30 {
		fillNames(t, s, v, i+1, 0, round*(1+i%10))
		for _, m := range mergeAll(t, s) {
			did[m]++
		}
	}
	if did["join"] == 0 || did["drop"] == 0 || did["build"] < 30 || did["recover"] > 0 {
		t.Errorf("it did %v", did)
	}
	segs, docs := 0, 0
	store.EachSegment(s, func(_ uint32, d *roaring.Bitmap) { segs++; docs += int(d.GetCardinality()) })
	if segs > 17 || docs > 3*10*round {
		t.Errorf("%d segments of %d docs for %d", segs, docs, 10*round)
	}
	if n := count(t, s, "file-00299"); n != 1 {
		t.Errorf("%d candidates for what one has", n)
	}
}

// TestFreshIsGained: only a doc that gains a name becomes fresh.
func TestFreshIsGained(t *testing.T) {
	w := newWorld(t, "a/b", "c")
	for i := range 400 {
		w.make(fmt.Sprintf("c/n%03d", i))
	}
	w.look("c")()
	w.drain()
	mergeAll(t, w.s)
	for _, c := range []struct {
		do   func()
		look string
		want uint64
	}{
		{func() {}, "", 0},
		{func() { w.at("a").kids["b"].stat.Mtime = w.tick() }, "a", 0},
		{func() { w.remove(w.at("c"), "n399") }, "c", 0},
		{func() { w.make("a/new") }, "a", 2}, // and the new directory
		{func() { w.remove(w.at("a"), "new") }, "a", 0},
		{func() { w.make("c/n399") }, "c", 2},
	} {
		c.do()
		w.look(c.look)()
		w.drain()
		if n := fresh(t, w.s); n != c.want {
			t.Errorf("%d fresh, want %d", n, c.want)
		}
		mergeAll(t, w.s)
	}
}

// TestMergeGivenUp after each of its steps, as when the process is killed: what
// was done is right, and the next start ends with the same.
func TestMergeGivenUp(t *testing.T) {
	seed := seeds(t, 1)[0]
	t.Logf("STORE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 5))
	s := openStore(t)
	v := newVolume(t, s, "/")
	fillNames(t, s, v, 1, 0, 300)
	for n, round := 0, 2; n < race.Fewer(40); n, round = n+1, round+1 {
		fillNames(t, s, v, round, 0, 300)
		err := errAbandoned
		for errors.Is(err, errAbandoned) {
			m := must(s.NextMerge(false, true))(t)
			if m == nil {
				break
			}
			err = m.Run(t.Context(), steps(t, s, n%7))
			if err != nil && !errors.Is(err, errAbandoned) {
				t.Fatal(err)
			}
			path := s.Path()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openAt(t, path)
			check(t, s)
			view(t, s, func(sn *store.Snap) { candidates(t, sn, r, textNames, 5) })
			if n%7 < 3 {
				break // it would never come to an end
			}
		}
		if n%3 == 0 {
			mergeAll(t, s)
			check(t, s)
			if n := fresh(t, s); n != 0 {
				t.Errorf("%d fresh", n)
			}
			view(t, s, func(sn *store.Snap) { candidates(t, sn, r, textNames, 20) })
		}
	}
	if s.Close() != nil {
		t.Error("close")
	}
}

// TestMergeStops as soon as its context ends.
func TestMergeStops(t *testing.T) {
	s := openStore(t)
	fillNames(t, s, newVolume(t, s, "/"), 1, 0, 500)
	ctx, cancel := context.WithCancelCause(t.Context())
	m := must(s.NextMerge(false, false))(t)
	n := 0
	err := m.Run(ctx, func(step store.Step) error {
		n++
		cancel(errAbandoned)
		return steps(t, s, -1)(step)
	})
	if !errors.Is(err, errAbandoned) || n != 1 {
		t.Errorf("%v after %d steps", err, n)
	}
	mergeAll(t, s)
}

// TestGainsWhileMerged: a doc that gains a name after it was taken stays fresh.
func TestGainsWhileMerged(t *testing.T) {
	for after := range 4 {
		s := openStore(t)
		v := newVolume(t, s, "/")
		fillNames(t, s, v, 1, 0, 400)
		n := 0
		m := must(s.NextMerge(false, false))(t)
		err := m.Run(t.Context(), func(step store.Step) error {
			err := steps(t, s, -1)(step)
			if n++; n == after {
				fillNames(t, s, v, 77, 5, 1)
			}
			return err
		})
		if err != nil || n < 3 {
			t.Fatal(err, n)
		}
		if got := count(t, s, "round-077"); (got > 0) != (after > 0) {
			t.Errorf("gained after step %d: %d candidates", after, got)
		}
		mergeAll(t, s)
		if got := count(t, s, "round-077"); (got == 1) != (after > 0) {
			t.Errorf("gained after step %d and merged: %d candidates", after, got)
		}
	}
}

// TestCandidatesAreOwn: they stay as they are when the pages they were read from
// hold something else.
func TestCandidatesAreOwn(t *testing.T) {
	s := openStore(t)
	v := newVolume(t, s, "/")
	fillNames(t, s, v, 1, 0, 1000)
	mergeAll(t, s)
	fillNames(t, s, v, 2, 0, 100)
	var all []*roaring.Bitmap
	var want [][]uint32
	view(t, s, func(sn *store.Snap) {
		for _, text := range []string{"file", "round", "file-00077", "main.go"} {
			c := must(sn.Candidates(&trigram.Need{All: trigram.Of(text)}))(t)
			all, want = append(all, c), append(want, c.ToArray())
		}
	})
	for round := range 12 {
		fillNames(t, s, v, round+3, 0, 1000)
		mergeAll(t, s)
	}
	for i, c := range all {
		if !slices.Equal(c.ToArray(), want[i]) {
			t.Errorf("the candidates number %d have become others", i)
		}
		c.Add(1 << 30)
	}
}

// TestDamagedPostings: candidates are right or damage is reported, and Verify finds it.
func TestDamagedPostings(t *testing.T) {
	seed := seeds(t, 1)[0]
	t.Logf("STORE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 6))
	path := filepath.Join(t.TempDir(), "index.db")
	s := openAt(t, path)
	v := newVolume(t, s, "/")
	for round := range 3 {
		fillNames(t, s, v, round+1, 0, 900-round*300)
		mergeAll(t, s)
	}
	fillNames(t, s, v, 9, 0, 20)
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good := read(t, path)
	reported := 0
	for _, bucket := range []string{"postings", "segments", "fresh"} {
		for range race.Fewer(12) {
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			store.Change(t, path, func(tx *bolt.Tx) error {
				b := tx.Bucket([]byte(bucket))
				keys := keysOf(b)
				k := keys[r.IntN(len(keys))]
				val := bytes.Clone(b.Get(k))
				val[r.IntN(len(val))] ^= 1 << r.IntN(8)
				return b.Put(k, val)
			})
			s, err := store.Open(path, store.Options{})
			if errors.Is(err, store.ErrDamaged) && bucket != "postings" {
				continue // it is small
			}
			if err != nil {
				t.Fatal(err)
			}
			err = s.View(func(sn *store.Snap) error {
				docs := living(t, sn)
				for range 60 {
					n := randomNeed(r, textNames, 0)
					c, err := sn.Candidates(&n)
					if err != nil {
						reported++
						return nil
					}
					for doc, has := range docs {
						if c != nil && meets(&n, has) && !c.Contains(doc) {
							t.Fatalf("doc %d is no candidate for %+v", doc, n)
						}
					}
				}
				return nil
			})
			if err != nil && !errors.Is(err, store.ErrDamaged) {
				t.Error(err)
			}
			if _, err := s.Verify(t.Context()); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("verify: %v", err)
			}
			s.Close()
		}
	}
	if t.Logf("%d reported while reading", reported); reported == 0 {
		t.Error("no reader met the damage")
	}
}

// TestMergeInParts: docs with more trigrams than a merge has memory for become
// several segments.
func TestMergeInParts(t *testing.T) {
	scale.SkipIfShort(t)
	if race.On {
		t.Skip("one goroutine, which would take half a minute")
	}
	seed := seeds(t, 1)[0]
	t.Logf("STORE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 7))
	s := openStore(t)
	v := newVolume(t, s, "/")
	const entries, long, part = 6000, 250, 3000
	names := make([]string, entries)
	for i := range names {
		b := make([]byte, long)
		for j := range b {
			for b[j] = '/'; b[j] == '/'; {
				b[j] = byte(1 + r.IntN(126))
			}
		}
		names[i] = string(b)
	}
	slices.Sort(names)
	update(t, s, func(tx *store.Tx) {
		for at := 0; at < entries; at += part {
			l := &listing.Listing{Stamp: 1, First: at == 0, Last: at+part == entries}
			for _, name := range names[at : at+part] {
				l.Entries = append(l.Entries, listing.Entry{Name: name, Stat: listing.Stat{Ino: 7, Mode: 0o100644}})
			}
			must(tx.Apply(record.MakeKey(v, ""), record.Encode(l, nil, nil)))(t)
		}
	})
	did := mergeAll(t, s)
	if len(did) < 2 || did[1] != "build" {
		t.Errorf("it did %v", did)
	}
	if n := fresh(t, s); n != 0 {
		t.Errorf("%d fresh", n)
	}
	for range 20 {
		name := names[r.IntN(entries)]
		if n := count(t, s, name[10:20]); n < 1 || n > 20 {
			t.Errorf("%d candidates for what is in one", n)
		}
	}
}
