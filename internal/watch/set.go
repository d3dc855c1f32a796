package watch

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
)

// Ident is what a watch stands on. The zero Ident is none.
type Ident struct {
	Dev  uint64 // major<<32 | minor
	Ino  uint64
	Born int64 // birth in nanoseconds since 1970, 0 where the file system keeps none
}

// node is one watched directory.
type node struct {
	path      string // shares its bytes with fsnotify's
	id        Ident
	changed   uint32 // in seconds: when something changed in it last
	heapIndex int32  // its place in set.cold
}

// set is the directories that are watched: by path, in the order of paths so
// that all below one are neighbours, by what they are, and the one that changed
// longest ago. It takes about 175 bytes of heap a directory, of any depth, and
// the path, which fsnotify has too.
type set struct {
	byPath map[string]*node
	byID   map[Ident]*node
	sorted sortedNodes
	lru    lruHeap
}

func newSet() set {
	return set{byPath: make(map[string]*node), byID: make(map[Ident]*node)}
}

func (s *set) len() int { return len(s.byPath) }

// add puts a node in; neither its path nor what it is is there yet.
func (s *set) add(n *node) {
	s.byPath[n.path] = n
	s.byID[n.id] = n
	s.sorted.insert(n)
	heap.Push(&s.lru, n)
}

// remove takes a node out, if it is there.
func (s *set) remove(n *node) bool {
	if s.byPath[n.path] != n {
		return false
	}
	delete(s.byPath, n.path)
	delete(s.byID, n.id)
	s.sorted.remove(n.path)
	heap.Remove(&s.lru, int(n.heapIndex))
	return true
}

// below returns the node at path and all those below it.
func (s *set) below(path string) []*node {
	var list []*node
	if n := s.byPath[path]; n != nil {
		list = append(list, n)
	}
	lo, hi := bounds(path)
	return s.sorted.appendRange(list, lo, hi)
}

// children returns some of the paths of nodes in a directory, of those that come after
// the path given; none at the end.
func (s *set) children(dir, after string) (page []string) {
	from, hi := bounds(dir)
	if after != "" {
		from = after + "\x00"
	}
	in := len(strings.TrimSuffix(dir, "/")) + 1
	for len(page) < chunkNodes {
		n := s.sorted.first(from)
		if n == nil || n.path >= hi {
			break
		}
		if name, _, deep := strings.Cut(n.path[in:], "/"); deep {
			_, from = bounds(n.path[:in+len(name)]) // past all below that one
			continue
		}
		page = append(page, n.path)
		from = n.path + "\x00"
	}
	return page
}

// countBelow is how many nodes below would return.
func (s *set) countBelow(path string) int {
	lo, hi := bounds(path)
	n := s.sorted.rank(hi) - s.sorted.rank(lo)
	if s.byPath[path] != nil {
		n++
	}
	return n
}

// bounds are those of the paths below one.
func bounds(path string) (lo, hi string) {
	if path == "/" {
		return "/\x00", "0"
	}
	return path + "/", path + "0" // '0' is what comes after '/'
}

// touch notes a change.
func (s *set) touch(n *node, now uint32) {
	if now > n.changed {
		n.changed = now
		heap.Fix(&s.lru, int(n.heapIndex))
	}
}

// chunkNodes is where a chunk of sortedNodes is split: moving half of that many
// pointers costs about as much as finding the place.
const chunkNodes = 512

// sortedNodes is a list in the bytewise order of paths, in chunks none of which
// is empty. A place in it takes 8 bytes, 16 where the chunk was just split.
type sortedNodes struct{ chunks [][]*node }

// find returns where path is, or would be: a chunk and a place in it. With an
// empty list that is 0, 0.
func (l *sortedNodes) find(path string) (c, i int, ok bool) {
	c, ok = slices.BinarySearchFunc(l.chunks, path, func(chunk []*node, path string) int {
		return cmp.Compare(chunk[0].path, path)
	})
	if ok {
		return c, 0, true
	}
	if c == 0 {
		return 0, 0, false
	}
	c--
	i, ok = slices.BinarySearchFunc(l.chunks[c], path, func(n *node, path string) int {
		return cmp.Compare(n.path, path)
	})
	return c, i, ok
}

func (l *sortedNodes) insert(n *node) {
	c, i, _ := l.find(n.path)
	if len(l.chunks) == 0 {
		l.chunks = append(l.chunks, nil)
	}
	l.chunks[c] = slices.Insert(l.chunks[c], i, n)
	if chunk := l.chunks[c]; len(chunk) > chunkNodes {
		half := slices.Clone(chunk[len(chunk)/2:])
		clear(chunk[len(chunk)/2:])
		l.chunks[c] = chunk[:len(chunk)/2]
		l.chunks = slices.Insert(l.chunks, c+1, half)
	}
}

func (l *sortedNodes) remove(path string) {
	c, i, ok := l.find(path)
	if !ok {
		return
	}
	l.chunks[c] = slices.Delete(l.chunks[c], i, i+1)
	switch {
	case len(l.chunks[c]) == 0:
		l.chunks = slices.Delete(l.chunks, c, c+1)
	case c > 0 && len(l.chunks[c-1])+len(l.chunks[c]) <= chunkNodes/2:
		l.chunks[c-1] = append(l.chunks[c-1], l.chunks[c]...)
		l.chunks = slices.Delete(l.chunks, c, c+1)
	}
}

// appendRange appends the nodes with lo <= path < hi.
func (l *sortedNodes) appendRange(list []*node, lo, hi string) []*node {
	for c, i, _ := l.find(lo); c < len(l.chunks); c, i = c+1, 0 {
		for _, n := range l.chunks[c][i:] {
			if n.path >= hi {
				return list
			}
			list = append(list, n)
		}
	}
	return list
}

// first returns the first node that does not come before path, nil for none.
func (l *sortedNodes) first(path string) *node {
	c, i, _ := l.find(path)
	if c < len(l.chunks) && i == len(l.chunks[c]) {
		c, i = c+1, 0
	}
	if c >= len(l.chunks) {
		return nil
	}
	return l.chunks[c][i]
}

// rank is how many nodes come before path.
func (l *sortedNodes) rank(path string) (n int) {
	c, i, _ := l.find(path)
	for _, chunk := range l.chunks[:c] {
		n += len(chunk)
	}
	return n + i
}

// coldHeap has the directory on top that changed longest ago.
type lruHeap []*node

// The methods of heap.Interface.

func (h lruHeap) Len() int           { return len(h) }
func (h lruHeap) Less(i, j int) bool { return h[i].changed < h[j].changed }

func (h lruHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = int32(i), int32(j)
}

// Push is heap.Interface's.
func (h *lruHeap) Push(x any) {
	n := x.(*node)
	n.heapIndex = int32(len(*h))
	*h = append(*h, n)
}

// Pop is heap.Interface's.
func (h *lruHeap) Pop() any {
	old := *h
	n := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return n
}

// split cuts the path of an event into directory and name. fsnotify joins what
// was watched and the name, "/" and "etc" to "//etc".
func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return "/", path[1:]
	}
	return path[:i], path[i+1:]
}

// page returns some of the nodes that come after a path, none at the end.
func (l *sortedNodes) page(after string) []*node {
	c, i, ok := l.find(after)
	if ok {
		i++
	}
	if c < len(l.chunks) && i == len(l.chunks[c]) {
		c, i = c+1, 0
	}
	if c >= len(l.chunks) {
		return nil
	}
	return slices.Clone(l.chunks[c][i:])
}
