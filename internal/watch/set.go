package watch

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
)

// Ident identifies the inode of a watch. The zero Ident means none.
type Ident struct {
	Dev  uint64 // major<<32 | minor
	Ino  uint64
	Born int64 // birth time in ns since 1970; 0 if the file system records none
}

// node is one watched directory.
type node struct {
	path      string // shares its bytes with fsnotify's copy
	id        Ident
	changed   uint32 // time of the last known change, in seconds since 1970
	heapIndex int32  // in set.lru
}

// set holds the watched directories: by path, in path order (so that everything below a
// directory is contiguous), by inode, and in a heap by the time of their last change. It
// takes about 175 bytes of heap per directory of any depth, besides the path, which it
// shares with fsnotify.
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

// add adds a node. Neither its path nor its inode may be present.
func (s *set) add(n *node) {
	s.byPath[n.path] = n
	s.byID[n.id] = n
	s.sorted.insert(n)
	heap.Push(&s.lru, n)
}

// remove removes a node, if present.
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

// children returns a page of the paths of the nodes directly in a directory, beginning
// after the path after. It is empty at the end.
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
		if name, _, deep := strings.Cut(n.path[in:], "/"); deep { // skip everything below that one
			_, from = bounds(n.path[:in+len(name)]) // past all below that one
			continue
		}
		page = append(page, n.path)
		from = n.path + "\x00"
	}
	return page
}

// countBelow returns the number of nodes that below would return.
func (s *set) countBelow(path string) int {
	lo, hi := bounds(path)
	n := s.sorted.rank(hi) - s.sorted.rank(lo)
	if s.byPath[path] != nil {
		n++
	}
	return n
}

// bounds returns the range of the paths below one.
func bounds(path string) (lo, hi string) {
	if path == "/" {
		return "/\x00", "0"
	}
	return path + "/", path + "0" // '0' is what comes after '/'
}

// touch records a change.
func (s *set) touch(n *node, now uint32) {
	if now > n.changed {
		n.changed = now
		heap.Fix(&s.lru, int(n.heapIndex))
	}
}

// chunkNodes is the size above which a chunk of sortedNodes is split. Moving half as many
// pointers costs about as much as finding the position.
const chunkNodes = 512

// sortedNodes is a list in bytewise path order, in non-empty chunks. It takes 8 bytes per
// node, or 16 right after a split.
type sortedNodes struct{ chunks [][]*node }

// find returns the position of path, or where it would be inserted: a chunk and an index
// in it. In an empty list that is 0, 0.
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

// first returns the first node that does not come before path, or nil.
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

// rank returns the number of nodes that come before path.
func (l *sortedNodes) rank(path string) (n int) {
	c, i, _ := l.find(path)
	for _, chunk := range l.chunks[:c] {
		n += len(chunk)
	}
	return n + i
}

// lruHeap has the least recently changed directory on top.
type lruHeap []*node

// lruHeap implements heap.Interface.

func (h lruHeap) Len() int           { return len(h) }
func (h lruHeap) Less(i, j int) bool { return h[i].changed < h[j].changed }

func (h lruHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = int32(i), int32(j)
}

// Push implements heap.Interface.
func (h *lruHeap) Push(x any) {
	n := x.(*node)
	n.heapIndex = int32(len(*h))
	*h = append(*h, n)
}

// Pop implements heap.Interface.
func (h *lruHeap) Pop() any {
	old := *h
	n := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return n
}

// split splits the path of an event into directory and name. fsnotify joins the watched
// path and the name, so that "/" and "etc" become "//etc".
func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return "/", path[1:]
	}
	return path[:i], path[i+1:]
}

// page returns some of the nodes that come after a path; none at the end.
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
