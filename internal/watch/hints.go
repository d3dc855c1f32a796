package watch

import (
	"maps"
	"slices"
	"strings"

	"indexd/internal/mounts"
)

// Change is what may have happened to a name.
type Change uint8

// Changes. The greater one includes the other.
const (
	// Content means that size, times, owner or mode may have changed.
	Content Change = iota
	// Named means that the name was created, removed or given to another file. If it is
	// a directory now, anything below it may be new.
	Named
)

// NameHint is a name in a directory that may have changed.
type NameHint struct {
	Name   string
	Change Change
}

// DirHint says what may have changed in a directory.
type DirHint struct {
	Dir   string     // absolute, as it was watched
	Names []NameHint // sorted
	// List means that too many names have changed; Names is empty.
	List bool
	// Subtree means that anything at or below Dir may have changed; Dir may be gone.
	// There are no further hints for Dir or anything below it.
	Subtree bool
}

// Batch is what has gathered between two calls of Take.
type Batch struct {
	// Seq is the number of the last hint in this batch or an earlier one; see Barrier.
	Seq  uint64
	Dirs []DirHint // sorted, so that a directory comes before what is in it
	// Overflow means that the kernel dropped events: anything watched may have changed.
	Overflow bool
	// Mounts means that something was mounted, unmounted or moved.
	Mounts bool
}

// Bounds of what is pending. A consumer that keeps up takes hints long before they are
// reached. If writers are faster than that for long, a walk is cheaper than single hints.
// The bytes are an estimate of the memory used.
const (
	maxNames     = 256 // per directory; more become List
	maxDirs      = 8192
	maxBytes     = 4 << 20
	maxDepth     = 64 // of a subtree that replaces others
	dirOverhead  = 160
	nameOverhead = 40
)

// pending holds the hints that have not been taken.
type pending struct {
	dirs     map[string]*pendingDir
	bytes    int
	subtrees int // how many of dirs are subtrees
	overflow bool
	mounts   bool
}

type pendingDir struct {
	names         map[string]Change
	list, subtree bool
	touched       uint32 // when the set was last told about a change here
}

func newPending() pending { return pending{dirs: make(map[string]*pendingDir)} }

// known reports whether a hint is already pending, and returns what is pending for dir,
// or nil.
func (p *pending) known(dir, name string, c Change) (d *pendingDir, known bool) {
	d = p.dirs[dir]
	if d != nil {
		if d.list || d.subtree {
			return d, true
		}
		if was, ok := d.names[name]; ok && was >= c {
			return d, true
		}
	}
	return d, p.subtrees > 0 && p.inSubtree(dir)
}

// inSubtree reports whether dir lies in a pending subtree.
func (p *pending) inSubtree(dir string) bool {
	for {
		if d := p.dirs[dir]; d != nil && d.subtree {
			return true
		}
		if dir == "/" || dir == "" {
			return false
		}
		dir = parentOf(dir)
	}
}

// entry returns the entry of a directory, creating it if necessary.
func (p *pending) entry(dir string) *pendingDir {
	d := p.dirs[dir]
	if d == nil {
		d = &pendingDir{}
		p.dirs[dir] = d
		p.bytes += len(dir) + dirOverhead
	}
	return d
}

// addName adds a hint that is not known.
func (p *pending) addName(dir, name string, c Change) *pendingDir {
	d := p.entry(dir)
	switch _, known := d.names[name]; {
	case d.list || d.subtree:
	case len(d.names) >= maxNames && !known:
		p.forgetNames(d)
		d.list = true
	default:
		if !known {
			p.bytes += len(name) + nameOverhead
		}
		if d.names == nil {
			d.names = make(map[string]Change, 1)
		}
		d.names[name] = max(c, d.names[name])
	}
	p.shrink()
	return d
}

func (p *pending) forgetNames(d *pendingDir) {
	for name := range d.names {
		p.bytes -= len(name) + nameOverhead
	}
	d.names = nil
}

// addListing adds the hint that a directory is to be listed.
func (p *pending) addListing(dir string) {
	if d := p.entry(dir); !d.subtree {
		p.forgetNames(d)
		d.list = true
	}
	p.shrink()
}

// addSubtree adds the hint that anything below dir may have changed.
func (p *pending) addSubtree(dir string) {
	p.setSubtree(dir)
	p.shrink()
}

func (p *pending) setSubtree(dir string) {
	d := p.entry(dir)
	p.forgetNames(d)
	if !d.subtree {
		p.subtrees++
	}
	d.list, d.subtree = false, true
}

// shrink keeps the pending hints within their bounds: deep directories are replaced by
// the subtrees that contain them, as deep as possible.
func (p *pending) shrink() {
	if len(p.dirs) <= maxDirs && p.bytes <= maxBytes {
		return
	}
	at := make(map[string]struct{})
	for depth := min(p.deepest(), maxDepth); depth >= 0; depth-- {
		clear(at)
		bytes := 0
		for dir, d := range p.dirs {
			up := ancestor(dir, depth)
			if _, ok := at[up]; !ok {
				at[up] = struct{}{}
				bytes += len(up) + dirOverhead
			}
			if up == dir {
				for name := range d.names {
					bytes += len(name) + nameOverhead
				}
			}
		}
		if depth == 0 || len(at) <= maxDirs/4 && bytes <= maxBytes/4 {
			p.collapse(depth)
			return
		}
	}
}

// collapse replaces everything deeper than depth by subtrees.
func (p *pending) collapse(depth int) {
	for dir, d := range p.dirs {
		up := ancestor(dir, depth)
		if up == dir {
			continue
		}
		p.forgetNames(d)
		p.bytes -= len(dir) + dirOverhead
		if d.subtree {
			p.subtrees--
		}
		delete(p.dirs, dir)
		p.setSubtree(strings.Clone(up))
	}
}

func (p *pending) deepest() int {
	deepest := 0
	for dir := range p.dirs {
		deepest = max(deepest, strings.Count(dir, "/"))
	}
	return deepest
}

// ancestor returns dir, or its ancestor with depth components.
func ancestor(dir string, depth int) string {
	if depth == 0 {
		return "/"
	}
	for i := 1; i < len(dir); i++ {
		if dir[i] == '/' {
			if depth--; depth == 0 {
				return dir[:i]
			}
		}
	}
	return dir
}

// parentOf returns the directory of an absolute path.
func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

// take returns the pending hints and empties p.
func (p *pending) take() Batch {
	b := Batch{Overflow: p.overflow, Mounts: p.mounts}
	tree, any := "", false // the last subtree
	for _, dir := range slices.SortedFunc(maps.Keys(p.dirs), mounts.ComparePaths) {
		if any && mounts.Within(dir, tree) {
			continue
		}
		d := p.dirs[dir]
		h := DirHint{Dir: dir, List: d.list, Subtree: d.subtree}
		if d.subtree {
			tree, any = dir, true
		}
		for name, c := range d.names {
			h.Names = append(h.Names, NameHint{name, c})
		}
		slices.SortFunc(h.Names, func(a, b NameHint) int { return strings.Compare(a.Name, b.Name) })
		b.Dirs = append(b.Dirs, h)
	}
	*p = newPending()
	return b
}
