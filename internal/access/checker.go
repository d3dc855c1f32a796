package access

import "strings"

// Walk asks a View about one directory after another, for one goroutine. It is
// cheap where one is near the one before: it keeps the way there.
//
// What leads to a directory is looked at at other times than it is. So that nobody
// can show a directory of his own above, and then have the other one in its place
// again, each has to have been found in the very directory that was looked at above
// it. That is not asked where nobody but root could do so.
type PathChecker struct {
	v    *View
	path []byte // the way: of the last directory on it, without a slash at its end, so "" is the root
	way  []step // the directories on it that may be searched, from the root on

	now       int64 // ns since Stats.begun, read anew now and then
	calls     uint8
	wayFound  int64 // when the first of ok was found
	waySince  int64 // and for which View.since
	notBefore int64 // no look that is older is believed

	st    dirStat // of the directory that was asked for last
	raced bool    // it was found in another than the one that was looked at above it

	prefetch      Prefetch
	batch         *batch // for the next looks
	prefetchLimit int    // how many may be looked at at once
	prefetched    int    // how many more than the one asked for were so the last time
	prefetchUsed  int    // and how many were asked for since
}

// step is a directory on the way.
type step struct {
	end int // the length of its path
	id
	rootControlled bool // perms.firm, of all above too
}

// Ahead tells directories that may be asked for next, in the order of paths, with
// what is stored of them, until add returns false.
type Prefetch = func(add func(dir string, stored *Stored) bool)

// maxLead is how many directories are looked at at once, at most.
const maxPrefetch = 64

// Walk returns a new one. ahead may be nil: it is not known what comes next.
func (v *View) PathChecker(ahead Prefetch) *PathChecker {
	return &PathChecker{v: v, prefetch: ahead, prefetchLimit: 1, notBefore: -1 << 63}
}

// Sight says what may be seen of a directory, given by its absolute clean path,
// whose entries were listed when it was as stored. Where it has another inode or
// ctime now, nothing of them is shown: what is there now may be another directory,
// put there by who may not read the one that was listed, or have other
// permissions than it had.
func (c *PathChecker) Visibility(dir string, stored *Stored) Visibility {
	if !c.resolve(dir, stored) {
		return None
	}
	st := &c.st
	may := st.of(&c.v.cred)
	same := false
	if may&mayRead != 0 {
		sameDir := st.ino == stored.Ino && (uint64(st.mount) == stored.Mount || stored.Mount == 0 || st.mount == 0)
		same = sameDir && st.ctime == stored.Ctime
		if !same && !stored.Failed {
			same = c.v.noteChanged(dir, stored.Stamp) && sameDir
		}
	}
	search := may&maySearch != 0
	if search {
		c.extendTo(dir)
	}
	switch {
	case search && same:
		return Full
	case search:
		return Traverse
	case same:
		return List
	}
	return None
}

// look makes c.st what dir is like, and reports whether it is a directory that can
// be reached.
func (c *PathChecker) resolve(dir string, stored *Stored) bool {
	c.tick()
	for again := false; ; again = true {
		c.raced = false
		ok := c.reach(dir) && c.stat(dir, stored)
		if !c.raced || again {
			return ok
		}
		// Something was moved. What is there now is found by new looks, if it lasts.
		s := c.v.stats
		c.now = s.nanos(s.now())
		c.notBefore, c.way = c.now, c.way[:0]
	}
}

// stat makes c.st what dir is like, which is in the last directory of the way, and
// reports whether it is a directory.
func (c *PathChecker) stat(dir string, stored *Stored) bool {
	up := step{rootControlled: true}
	if n := len(c.way); n > 0 && dir != "/" {
		up = c.way[n-1]
	}
	s, st := c.v.stats, &c.st
	key := s.key(dir)
	known := s.lookup(key, stored.Doc, st)
	if known && c.isFresh(st) && (up.rootControlled || st.linked || st.none) {
		c.prefetchUsed++
	} else {
		if !known {
			*st = dirStat{}
		}
		c.refresh(request{dir: dir, last: *st, known: known, noACL: stored.noACLDir(), key: key, number: stored.Doc})
		c.now = max(c.now, st.at)
	}
	if !st.none && !up.rootControlled && (!st.linked || st.up != up.id) {
		c.raced = true
		return false
	}
	return !st.none
}

// believed reports whether a look is new enough.
func (c *PathChecker) isFresh(st *dirStat) bool {
	return st.at >= c.v.since && st.at >= c.notBefore && c.now-st.at < int64(statMaxAge)
}

// anew makes c.st what a look at q tells. What comes next is looked at with it, the
// more of it the more of that was asked for.
func (c *PathChecker) refresh(q request) {
	s, b := c.v.stats, c.batch
	if b == nil {
		b = new(batch)
		c.batch = b
	}
	add := func(q request) {
		q.dir = strings.Clone(q.dir)
		b.requests = append(b.requests, q)
	}
	b.requests, b.above = b.requests[:0], b.above[:0]
	add(q)
	if q.dir != "/" {
		for _, up := range c.way {
			b.above = append(b.above, pathStep{b.requests[0].dir[:up.end], up.rootControlled})
		}
	}
	if c.prefetch != nil && q.number != 0 {
		if c.prefetchUsed >= c.prefetched {
			c.prefetchLimit = min(2*c.prefetchLimit, maxPrefetch)
		} else {
			c.prefetchLimit = max(c.prefetchLimit/4, 1)
		}
		if c.prefetchLimit > 1 {
			c.prefetch(func(dir string, stored *Stored) bool {
				q := request{dir: dir, noACL: stored.noACLDir(), key: s.key(dir), number: stored.Doc}
				if q.known = s.lookup(q.key, q.number, &q.last); !q.known || !c.isFresh(&q.last) {
					add(q)
				}
				return len(b.requests) < c.prefetchLimit
			})
		}
		c.prefetched, c.prefetchUsed = len(b.requests)-1, 0
	}
	var left bool
	if c.st, left = s.refresh(b); left {
		c.batch = nil // a looker has it
	}
}

// may reports whether dir, which is in the last directory of the way, is one in
// which the caller has the permission want.
func (c *PathChecker) permits(dir string, want uint32) bool {
	return c.stat(dir, &nothingStored) && c.st.of(&c.v.cred)&want != 0
}

// tick reads the clock, but not at every call, and forgets a way that is too old.
func (c *PathChecker) tick() {
	const every = 32
	if c.calls++; c.calls%every != 1 {
		return
	}
	s := c.v.stats
	c.now = s.nanos(s.now())
	if len(c.way) > 0 && (c.now-c.wayFound >= int64(wayMaxAge) || c.waySince != c.v.since) {
		c.way = c.way[:0]
	}
}

// reach makes the way that to the directory above dir, and reports whether all on
// it may be searched.
func (c *PathChecker) reach(dir string) bool {
	if dir == "/" {
		return true
	}
	// As much of the way as leads to dir too: a directory's neighbours mostly have
	// all of it.
	n := len(c.way)
	for ; n > 0; n-- {
		if end := c.way[n-1].end; len(dir) > end && dir[end] == '/' && dir[:end] == string(c.path[:end]) {
			break
		}
	}
	c.way = c.way[:n]
	from := -1 // where the next component begins, but for the first directory of all
	if n > 0 {
		from = c.way[n-1].end + 1
		if strings.IndexByte(dir[from:], '/') < 0 {
			return true
		}
	}
	c.path = append(c.path[:0], dir...)
	for {
		up, end := "/", 0
		if from >= 0 {
			i := strings.IndexByte(dir[from:], '/')
			if i < 0 {
				return true
			}
			end = from + i
			up = dir[:end]
		}
		if !c.permits(up, maySearch) {
			return false
		}
		c.extend(end)
		from = end + 1
	}
}

// enter makes dir, which c.st is of and which may be searched, the end of the way:
// what is in it often comes next.
func (c *PathChecker) extendTo(dir string) {
	if dir == "/" {
		dir, c.way = "", c.way[:0]
	}
	c.path = append(c.path[:0], dir...)
	c.extend(len(dir))
}

// add makes c.st's directory the end of the way.
func (c *PathChecker) extend(end int) {
	firm := c.st.rootControlled()
	if n := len(c.way); n > 0 {
		firm = firm && c.way[n-1].rootControlled
	} else {
		c.wayFound, c.waySince = c.now, c.v.since
	}
	c.way = append(c.way, step{end, c.st.id, firm})
}
