package watch

import (
	"slices"
	"strings"

	"indexd/internal/mounts"
)

// Change is what may have become of a name.
type Change uint8

// The changes; of two the greater one includes the other.
const (
	// Content: another size, time, owner, mode.
	Content Change = iota
	// Named: it came, went, or stands for another file; if it is a directory
	// now, anything below it may be new.
	Named
)

// NameHint is a name in a directory that may have changed.
type NameHint struct {
	Name   string
	Change Change
}

// DirHint says what of a directory may have changed.
type DirHint struct {
	Dir   string     // absolute, as it was watched
	Names []NameHint // sorted
	// List: more names than are worth naming. Then there are no Names.
	List bool
	// Subtree: anything at or below Dir, which may be gone. Then nothing else is
	// said, neither of Dir nor of what lies below it.
	Subtree bool
}

// Batch is what has gathered between two calls of Take.
type Batch struct {
	// Seq is the number of the last hint in this batch or one before; see
	// Barrier.
	Seq  uint64
	Dirs []DirHint // sorted: what is in a directory comes after it
	// Overflow: the kernel dropped events; whatever is watched may have changed.
	Overflow bool
	// Mounts: something was mounted, unmounted or moved.
	Mounts bool
}

// Bounds of what is pending. A consumer that does its work takes hints long
// before; who writes faster than that for long is served better by a walk. The
// bytes are about what is held.
const (
	maxNames     = 256 // of one directory, more are List
	maxDirs      = 8192
	maxBytes     = 4 << 20
	maxDepth     = 64 // of a subtree that stands for others
	dirOverhead  = 160
	nameOverhead = 40
)

// pending holds the hints that were not taken yet.
type pending struct {
	dirs     map[string]*pendingDir
	bytes    int
	subtrees int // of dirs, those that are subtrees
	overflow bool
	mounts   bool
}

type pendingDir struct {
	names         map[string]Change
	list, subtree bool
	touched       uint32 // when the set was told of a change here, see Source.event
}

func newPending() pending { return pending{dirs: make(map[string]*pendingDir)} }

// has reports whether the hint is known already. d is what is pending for dir,
// nil for nothing.
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

// inTree reports whether a subtree that dir lies in is pending.
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

// dir returns what is pending for a directory, for more to be added.
func (p *pending) entry(dir string) *pendingDir {
	d := p.dirs[dir]
	if d == nil {
		d = &pendingDir{}
		p.dirs[dir] = d
		p.bytes += len(dir) + dirOverhead
	}
	return d
}

// name adds a hint that is not known.
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

// listing adds the hint that a directory is to be listed.
func (p *pending) addListing(dir string) {
	if d := p.entry(dir); !d.subtree {
		p.forgetNames(d)
		d.list = true
	}
	p.shrink()
}

// subtree adds the hint that anything below dir may have changed.
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

// bound keeps what is pending small: of directories that lie deep, the subtree
// that they have in common is said instead, as deep as can be.
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

// cut makes subtrees of all that lies deeper than depth.
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

// ancestor returns dir, or the directory above it that has depth components.
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

// parentOf returns the directory that an absolute path lies in.
func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

// take empties p.
func (p *pending) take() Batch {
	b := Batch{Overflow: p.overflow, Mounts: p.mounts}
	tree, any := "", false // the last subtree
	for _, dir := range p.sorted() {
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

func (p *pending) sorted() []string {
	list := make([]string, 0, len(p.dirs))
	for dir := range p.dirs {
		list = append(list, dir)
	}
	slices.SortFunc(list, mounts.ComparePaths)
	return list
}
