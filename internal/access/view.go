package access

import (
	"strings"
	"sync"
	"time"

	"indexd/listing"
)

// Sight is what a caller may see of a directory.
type Sight uint8

const (
	Nothing Sight = iota // none of its entries, nor anything below
	Below                // none of its entries; of what is below, what may be seen there
	Names                // its entries' names and types; nothing below
	All                  // all of its entries
)

// View is what one caller may see. It may be used by several goroutines; it is
// made for one answer.
type View struct {
	who   Who
	stats *Stats
	// Changed, if not nil, is told of directories that are not the ones that
	// were stored.
	Changed func(dir string)

	chains sync.Pool
}

// View returns what a caller may see.
func (s *Stats) View(w Who) *View {
	v := &View{who: w, stats: s}
	v.chains.New = func() any { return &chain{v: v} }
	return v
}

// Sight says what may be seen of a directory, given by its absolute clean path,
// whose entries were listed when it had this inode and ctime. Where it has
// others now, nothing of them is shown: what is there now may be another
// directory, put there by who may not read the one that was listed, or have
// other permissions than it had.
func (v *View) Sight(dir string, ino uint64, ctime listing.Time) Sight {
	c := v.chains.Get().(*chain)
	defer v.chains.Put(c)
	if !c.reach(dir) {
		return Nothing
	}
	st := v.stats.of(dir)
	if st.err != nil {
		return Nothing
	}
	read, search := st.allow(&v.who, mayRead), st.allow(&v.who, maySearch)
	same := st.ino == ino && st.ctime == ctime
	if !same && v.Changed != nil {
		v.Changed(dir)
	}
	switch {
	case read && search && same:
		return All
	case search:
		return Below
	case read && same:
		return Names
	}
	return Nothing
}

// Reach reports whether the caller may search every directory above path, so
// that it may be told whether it exists.
func (v *View) Reach(path string) bool {
	c := v.chains.Get().(*chain)
	defer v.chains.Put(c)
	return c.reach(path)
}

// chain is the directories that lead to the one asked for last: answers go from
// a directory to its neighbour, and most of the way is the same.
type chain struct {
	v    *View
	path string // of the last of them, without a slash at its end: "" is the root
	ok   []int  // the lengths of beginnings of path that may be searched, ascending
	at   time.Time
}

// reach reports whether every directory above dir may be searched.
func (c *chain) reach(dir string) bool {
	up := strings.TrimSuffix(dir, "/")
	up = up[:max(strings.LastIndexByte(up, '/'), 0)]
	if dir == "/" {
		return true
	}
	if now := c.v.stats.now(); now.Sub(c.at) >= keep {
		c.ok, c.at = c.ok[:0], now
	}
	n := len(c.ok)
	for n > 0 && !(len(up) >= c.ok[n-1] && up[:c.ok[n-1]] == c.path[:c.ok[n-1]] && (len(up) == c.ok[n-1] || up[c.ok[n-1]] == '/')) {
		n--
	}
	c.ok = c.ok[:n]
	c.path = up
	from := -1 // the root is a directory too
	if n > 0 {
		from = c.ok[n-1]
	}
	for from < len(up) {
		end := 0
		if from >= 0 {
			end = len(up)
			if i := strings.IndexByte(up[from+1:], '/'); i >= 0 {
				end = from + 1 + i
			}
		}
		d := up[:end]
		if end == 0 {
			d = "/"
		}
		st := c.v.stats.of(d)
		if st.err != nil || !st.allow(&c.v.who, maySearch) {
			return false
		}
		c.ok = append(c.ok, end)
		from = end
	}
	return true
}
