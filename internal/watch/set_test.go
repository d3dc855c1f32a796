package watch

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/mounts"
	"indexd/internal/testutil/scale"
)

// The set behaves like a map that is searched exhaustively.
func TestSet(t *testing.T) {
	scale.SkipIfShort(t)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	s, naive := newSet(), make(map[string]*node)
	path := func() string {
		p := ""
		for range 1 + rnd.IntN(4) {
			p += fmt.Sprintf("/%c%d", " -.0az"[rnd.IntN(6)], rnd.IntN(12))
		}
		return p
	}
	for step := range 60_000 {
		p := path()
		grow := step/10_000%2 == 0
		switch op := rnd.IntN(10); {
		case op < 6 && (grow || op < 2):
			if naive[p] == nil {
				n := &node{path: p, id: Ident{Dev: 1, Ino: uint64(step)}, changed: uint32(rnd.IntN(1000))}
				naive[p] = n
				s.add(n)
			}
		case op < 8:
			if n := naive[p]; s.byPath[p] != n || n != nil && !s.remove(n) {
				t.Fatalf("seed %d: %s", seed, p)
			}
			delete(naive, p)
		case op == 8:
			if n := naive[p]; n != nil {
				s.touch(n, uint32(rnd.IntN(2000)))
			}
		case op == 9:
			if step%100 == 0 {
				p = "/"
			}
			var want, have []string
			for q := range naive {
				if mounts.Within(q, p) {
					want = append(want, q)
				}
			}
			for _, n := range s.below(p) {
				have = append(have, n.path)
			}
			slices.Sort(want)
			if n := s.countBelow(p); n != len(want) {
				t.Fatalf("seed %d: %d below %s, want %d", seed, n, p, len(want))
			}
			if !slices.Equal(want, have) {
				t.Fatalf("seed %d: below %s %q, want %q", seed, p, have, want)
			}
			if rnd.IntN(20) == 0 {
				for _, n := range s.below(p) {
					s.remove(n)
					delete(naive, n.path)
				}
			}
		}
		if s.len() != len(naive) || len(s.lru) != len(naive) || len(s.byID) != len(naive) {
			t.Fatalf("seed %d: %d, want %d", seed, s.len(), len(naive))
		}
		if step%500 == 0 {
			check(t, seed, &s, naive)
		}
	}
}

func check(t *testing.T, seed uint64, s *set, naive map[string]*node) {
	t.Helper()
	var have []string
	for page := s.sorted.page(""); len(page) > 0; page = s.sorted.page(page[len(page)-1].path) {
		for _, n := range page {
			have = append(have, n.path)
		}
	}
	if want := slices.Sorted(maps.Keys(naive)); !slices.Equal(have, want) {
		t.Fatalf("seed %d: %d paths in order, want %d", seed, len(have), len(want))
	}
	if len(naive) == 0 {
		return
	}
	least := ^uint32(0)
	for _, n := range naive {
		least = min(least, n.changed)
		if s.lru[n.heapIndex] != n {
			t.Fatalf("seed %d: %s is not where it says", seed, n.path)
		}
	}
	if s.lru[0].changed != least {
		t.Fatalf("seed %d: coldest %d, want %d", seed, s.lru[0].changed, least)
	}
}

// The memory of a watch in this process, besides its path.
func TestMemoryOfAWatch(t *testing.T) {
	const n = 40_000
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("/usr/share/some/where/%d/%d", i%200, i)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := newSet()
	for i, p := range paths {
		s.add(&node{path: p, id: Ident{Dev: 1, Ino: uint64(i)}})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int64(after.HeapAlloc-before.HeapAlloc) / n
	runtime.KeepAlive(s)
	runtime.KeepAlive(paths)
	t.Logf("%d bytes a watch", each)
	if each > 250 {
		t.Errorf("%d bytes a watch", each)
	}
}

// After an overflow, a watch is kept if its path certainly leads to the directory it was
// added for.
func TestStill(t *testing.T) {
	s := Source{createdAt: time.Unix(1000, 0)}
	born, unborn := Ident{Dev: 1, Ino: 2, Born: 7}, Ident{Dev: 1, Ino: 2}
	at := func(id Ident, ctime int64) Stat { return Stat{Ident: id, Ctime: unix.StatxTimestamp{Sec: ctime}} }
	for _, c := range []struct {
		n    Ident
		st   Stat
		want bool
	}{
		{born, at(born, 2000), true},
		{born, at(Ident{Dev: 1, Ino: 2, Born: 8}, 500), false},
		{born, at(unborn, 500), false},
		{unborn, at(unborn, 500), true},
		{unborn, at(unborn, 1000), false}, // another may have been made here since
		{unborn, at(Ident{Dev: 1, Ino: 3}, 500), false},
		{unborn, at(Ident{Dev: 2, Ino: 2}, 500), false},
	} {
		if got := s.isUnchanged(&node{id: c.n}, &c.st); got != c.want {
			t.Errorf("%+v at %+v: %v", c.n, c.st, got)
		}
	}
}

// The children of a directory are the paths whose parent it is.
func TestSetChildren(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := newSet()
	want := make(map[string][]string)
	for i := range 5 * chunkNodes {
		dir := "/"
		for range r.IntN(4) {
			dir = filepath.Join(dir, string("ab-.0z"[r.IntN(6)]))
		}
		p := filepath.Join(dir, fmt.Sprintf("%c%x", "ab-.0z"[r.IntN(6)], r.IntN(1<<r.IntN(16))))
		if s.byPath[p] == nil {
			s.add(&node{path: p, id: Ident{Ino: uint64(i)}})
			want[filepath.Dir(p)] = append(want[filepath.Dir(p)], p)
		}
	}
	for dir, list := range want {
		var got []string
		for page := s.children(dir, ""); len(page) > 0; page = s.children(dir, page[len(page)-1]) {
			got = append(got, page...)
		}
		if slices.Sort(list); !slices.Equal(got, list) {
			t.Errorf("%s: %d children, not %d", dir, len(got), len(list))
		}
	}
}
