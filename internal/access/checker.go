package access

import "strings"

// PathChecker determines the visibility of one directory after another. It is cheap when
// consecutive directories are near each other, since it remembers the path to the last
// one. It is not safe for concurrent use.
//
// The directories of a path are checked at different times. A user could put a directory
// of their own in place of one of them and then undo that. To prevent this, every
// directory must have been found inside the very directory that was checked as its
// parent. This is not required where only root could make such a replacement.
type PathChecker struct {
	v    *View
	path []byte // the last way, without a slash at the end, so "" is the root
	way  []step // the directories on path that may be searched, from the root on

	now       int64 // ns since Stats.epoch, updated now and then
	calls     uint8
	wayFound  int64 // when the first directory of way was checked
	waySince  int64 // View.since at that time
	notBefore int64 // older stats are not used

	st    dirStat // of the directory requested last
	raced bool    // it was found in another directory than the one checked as its parent

	prefetch      Prefetch
	batch         *batch // reused for the next requests
	prefetchLimit int    // how many requests may be made at once
	prefetched    int    // how many extra requests were made last time
	prefetchUsed  int    // how many of those were needed since
}

// step is a directory on the way.
type step struct {
	end int // length of its path
	id
	rootControlled bool // it and all above it are
}

// Prefetch calls add with directories that may be requested next, in path order, and with
// what is stored of them, until add returns false.
type Prefetch = func(add func(dir string, stored *Stored) bool)

// maxPrefetch is how many requests are made at once, at most.
const maxPrefetch = 64

// PathChecker returns a new PathChecker. prefetch may be nil.
func (v *View) PathChecker(ahead Prefetch) *PathChecker {
	return &PathChecker{v: v, prefetch: ahead, prefetchLimit: 1, notBefore: -1 << 63}
}

// Visibility returns what may be seen of a directory, given by its absolute clean path,
// whose stored entries were listed when it was as described by stored. If its inode or
// ctime differs now, none of them is shown: it may be another directory, put there by
// somebody who may not read the one that was listed, or its permissions may have been
// different.
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

// resolve sets c.st to the stat of dir, and reports whether it is a directory that can be
// reached.
func (c *PathChecker) resolve(dir string, stored *Stored) bool {
	c.tick()
	for again := false; ; again = true {
		c.raced = false
		ok := c.reach(dir) && c.stat(dir, stored)
		if !c.raced || again {
			return ok
		}
		// Something was moved. Check again with new stats.
		s := c.v.stats
		c.now = s.nanos(s.now())
		c.notBefore, c.way = c.now, c.way[:0]
	}
}

// stat sets c.st to the stat of dir, whose parent is the last directory of the way, and
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

// isFresh reports whether a stat is new enough.
func (c *PathChecker) isFresh(st *dirStat) bool {
	return st.at >= c.v.since && st.at >= c.notBefore && c.now-st.at < int64(statMaxAge)
}

// refresh sets c.st to the result of q. It requests directories that may come next along
// with it, and the more of them, the more of the previous ones were used.
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
		c.batch = nil // a stuck worker owns it
	}
}

// permits reports whether the caller has the permission want for dir, whose parent is the
// last directory of the way.
func (c *PathChecker) permits(dir string, want uint32) bool {
	return c.stat(dir, &nothingStored) && c.st.of(&c.v.cred)&want != 0
}

// tick reads the clock every 32 calls and drops a way that is too old.
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

// reach extends the way to the parent of dir, and reports whether all directories on it
// may be searched.
func (c *PathChecker) reach(dir string) bool {
	if dir == "/" {
		return true
	}
	// Keep as much of the way as leads to dir. Neighbours mostly share all of it.
	n := len(c.way)
	for ; n > 0; n-- {
		if end := c.way[n-1].end; len(dir) > end && dir[end] == '/' && dir[:end] == string(c.path[:end]) {
			break
		}
	}
	c.way = c.way[:n]
	from := -1 // where the next component begins; -1 for the root itself
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

// extendTo makes dir, which is c.st's directory and may be searched, the end of the way.
// Its contents often come next.
func (c *PathChecker) extendTo(dir string) {
	if dir == "/" {
		dir, c.way = "", c.way[:0]
	}
	c.path = append(c.path[:0], dir...)
	c.extend(len(dir))
}

// extend makes c.st's directory the end of the way.
func (c *PathChecker) extend(end int) {
	firm := c.st.rootControlled()
	if n := len(c.way); n > 0 {
		firm = firm && c.way[n-1].rootControlled
	} else {
		c.wayFound, c.waySince = c.now, c.v.since
	}
	c.way = append(c.way, step{end, c.st.id, firm})
}
