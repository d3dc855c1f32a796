package watch

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"indexd/internal/testutil/scale"
)

func TestHintsAreSortedAndCovered(t *testing.T) {
	p := newPending()
	p.addName("/a/b", "z", Content)
	p.addName("/a/b", "y", Named)
	p.addName("/a/b", "y", Content)
	p.addName("/a-b", "x", Content)
	p.addName("/a/b/c", "x", Named)
	p.addListing("/a")
	p.addName("/a", "x", Named)
	p.addName("/t/u/v", "x", Named)
	p.addSubtree("/t/u")
	p.addName("/t/u", "x", Named)
	p.addSubtree("/t/u/v/w")
	p.addName("/t", "u", Named)
	got := fmt.Sprintf("%+v", p.take().Dirs)
	want := "[{Dir:/a Names:[] List:true Subtree:false}" +
		" {Dir:/a/b Names:[{Name:y Change:1} {Name:z Change:0}] List:false Subtree:false}" +
		" {Dir:/a/b/c Names:[{Name:x Change:1}] List:false Subtree:false}" +
		" {Dir:/a-b Names:[{Name:x Change:0}] List:false Subtree:false}" +
		" {Dir:/t Names:[{Name:u Change:1}] List:false Subtree:false}" +
		" {Dir:/t/u Names:[] List:false Subtree:true}]"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if b := p.take(); len(b.Dirs) > 0 {
		t.Errorf("%+v", b)
	}
}

func TestManyNamesAreAListing(t *testing.T) {
	p := newPending()
	for i := range maxNames {
		p.addName("/a", fmt.Sprint(i), Content)
	}
	if d := p.dirs["/a"]; d.list || len(d.names) != maxNames {
		t.Errorf("%d names", len(d.names))
	}
	p.addName("/a", "one more", Content)
	if b := p.take(); len(b.Dirs) != 1 || !b.Dirs[0].List || b.Dirs[0].Names != nil {
		t.Errorf("%+v", b)
	}
}

// Whatever is added, memory is bounded, and the result covers everything that was added.
// As long as it is little, nothing is widened.
func TestPendingIsBounded(t *testing.T) {
	scale.SkipIfShort(t)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for round, names := range []int{10, 200, 5000, 40000, 40000} {
		p := newPending()
		type told struct {
			path string
			c    Change
		}
		var all []told
		for range names {
			dir := ""
			for range 1 + rnd.IntN(8) {
				dir += fmt.Sprintf("/%d", rnd.IntN(1+rnd.IntN(40)))
				if round == 4 {
					dir += fmt.Sprintf("%0100d", 0)
				}
			}
			x := told{fmt.Sprintf("%s/%d", dir, rnd.IntN(50)), Change(rnd.IntN(2))}
			all = append(all, x)
			if _, known := p.known(dir, x.path[len(dir)+1:], x.c); !known {
				p.addName(dir, x.path[len(dir)+1:], x.c)
			}
			if rnd.IntN(500) == 0 {
				p.addSubtree(dir)
				all = append(all, told{dir + "/any/thing", Named})
			}
			if len(p.dirs) > maxDirs || p.bytes > maxBytes {
				t.Fatalf("seed %d: %d directories, %d bytes", seed, len(p.dirs), p.bytes)
			}
		}
		bytes, trees := 0, 0
		for dir, d := range p.dirs {
			bytes += len(dir) + dirOverhead
			for name := range d.names {
				bytes += len(name) + nameOverhead
			}
			if d.subtree {
				trees++
			}
		}
		if bytes != p.bytes || trees != p.subtrees {
			t.Errorf("seed %d: %d bytes counted as %d, %d trees as %d", seed, bytes, p.bytes, trees, p.subtrees)
		}
		b := p.take()
		index := make(map[string]*DirHint)
		for i := range b.Dirs {
			if h := &b.Dirs[i]; h.Subtree && h.Dir == "/" {
				t.Errorf("seed %d: everything is said to have changed", seed)
			} else {
				index[h.Dir] = h
			}
		}
		for _, x := range all {
			if !covered(index, x.path, x.c) {
				t.Fatalf("seed %d, round %d: %s is lost", seed, round, x.path)
			}
		}
	}
}

func covered(index map[string]*DirHint, path string, c Change) bool {
	dir, _ := split(path)
	one := Batch{}
	if h := index[dir]; h != nil {
		one.Dirs = append(one.Dirs, *h)
	}
	for up := path; up != "/"; up = parentOf(up) {
		if h := index[up]; h != nil && h.Subtree {
			return true
		}
	}
	return one.says(path, c)
}
