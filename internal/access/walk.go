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
func (w *PathChecker) Visibility(dir string, stored *Stored) Visibility {
	if !w.resolve(dir, stored) {
		return None
	}
	st := &w.st
	may := st.of(&w.v.cred)
	same := false
	if may&mayRead != 0 {
		sameDir := st.ino == stored.Ino && (uint64(st.mount) == stored.Mount || stored.Mount == 0 || st.mount == 0)
		same = sameDir && st.ctime == stored.Ctime
		if !same && !stored.Failed {
			same = w.v.noteChanged(dir, stored.Stamp) && sameDir
		}
	}
	search := may&maySearch != 0
	if search {
		w.extendTo(dir)
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

// look makes w.st what dir is like, and reports whether it is a directory that can
// be reached.
func (w *PathChecker) resolve(dir string, stored *Stored) bool {
	w.tick()
	for again := false; ; again = true {
		w.raced = false
		ok := w.reach(dir) && w.stat(dir, stored)
		if !w.raced || again {
			return ok
		}
		// Something was moved. What is there now is found by new looks, if it lasts.
		s := w.v.stats
		w.now = s.nanos(s.now())
		w.notBefore, w.way = w.now, w.way[:0]
	}
}

// stat makes w.st what dir is like, which is in the last directory of the way, and
// reports whether it is a directory.
func (w *PathChecker) stat(dir string, stored *Stored) bool {
	up := step{rootControlled: true}
	if n := len(w.way); n > 0 && dir != "/" {
		up = w.way[n-1]
	}
	s, st := w.v.stats, &w.st
	key := s.key(dir)
	known := s.lookup(key, stored.Doc, st)
	if known && w.isFresh(st) && (up.rootControlled || st.linked || st.none) {
		w.prefetchUsed++
	} else {
		if !known {
			*st = dirStat{}
		}
		w.refresh(request{dir: dir, last: *st, known: known, noACL: stored.noACLDir(), key: key, number: stored.Doc})
		w.now = max(w.now, st.at)
	}
	if !st.none && !up.rootControlled && (!st.linked || st.up != up.id) {
		w.raced = true
		return false
	}
	return !st.none
}

// believed reports whether a look is new enough.
func (w *PathChecker) isFresh(st *dirStat) bool {
	return st.at >= w.v.since && st.at >= w.notBefore && w.now-st.at < int64(statMaxAge)
}

// anew makes w.st what a look at q tells. What comes next is looked at with it, the
// more of it the more of that was asked for.
func (w *PathChecker) refresh(q request) {
	s, b := w.v.stats, w.batch
	if b == nil {
		b = new(batch)
		w.batch = b
	}
	add := func(q request) {
		q.dir = strings.Clone(q.dir)
		b.requests = append(b.requests, q)
	}
	b.requests, b.above = b.requests[:0], b.above[:0]
	add(q)
	if q.dir != "/" {
		for _, up := range w.way {
			b.above = append(b.above, pathStep{b.requests[0].dir[:up.end], up.rootControlled})
		}
	}
	if w.prefetch != nil && q.number != 0 {
		if w.prefetchUsed >= w.prefetched {
			w.prefetchLimit = min(2*w.prefetchLimit, maxPrefetch)
		} else {
			w.prefetchLimit = max(w.prefetchLimit/4, 1)
		}
		if w.prefetchLimit > 1 {
			w.prefetch(func(dir string, stored *Stored) bool {
				q := request{dir: dir, noACL: stored.noACLDir(), key: s.key(dir), number: stored.Doc}
				if q.known = s.lookup(q.key, q.number, &q.last); !q.known || !w.isFresh(&q.last) {
					add(q)
				}
				return len(b.requests) < w.prefetchLimit
			})
		}
		w.prefetched, w.prefetchUsed = len(b.requests)-1, 0
	}
	var left bool
	if w.st, left = s.refresh(b); left {
		w.batch = nil // a looker has it
	}
}

// may reports whether dir, which is in the last directory of the way, is one in
// which the caller has the permission want.
func (w *PathChecker) permits(dir string, want uint32) bool {
	return w.stat(dir, &nothingStored) && w.st.of(&w.v.cred)&want != 0
}

// tick reads the clock, but not at every call, and forgets a way that is too old.
func (w *PathChecker) tick() {
	const every = 32
	if w.calls++; w.calls%every != 1 {
		return
	}
	s := w.v.stats
	w.now = s.nanos(s.now())
	if len(w.way) > 0 && (w.now-w.wayFound >= int64(wayMaxAge) || w.waySince != w.v.since) {
		w.way = w.way[:0]
	}
}

// reach makes the way that to the directory above dir, and reports whether all on
// it may be searched.
func (w *PathChecker) reach(dir string) bool {
	if dir == "/" {
		return true
	}
	// As much of the way as leads to dir too: a directory's neighbours mostly have
	// all of it.
	n := len(w.way)
	for ; n > 0; n-- {
		if end := w.way[n-1].end; len(dir) > end && dir[end] == '/' && dir[:end] == string(w.path[:end]) {
			break
		}
	}
	w.way = w.way[:n]
	from := -1 // where the next component begins, but for the first directory of all
	if n > 0 {
		from = w.way[n-1].end + 1
		if strings.IndexByte(dir[from:], '/') < 0 {
			return true
		}
	}
	w.path = append(w.path[:0], dir...)
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
		if !w.permits(up, maySearch) {
			return false
		}
		w.extend(end)
		from = end + 1
	}
}

// enter makes dir, which w.st is of and which may be searched, the end of the way:
// what is in it often comes next.
func (w *PathChecker) extendTo(dir string) {
	if dir == "/" {
		dir, w.way = "", w.way[:0]
	}
	w.path = append(w.path[:0], dir...)
	w.extend(len(dir))
}

// add makes w.st's directory the end of the way.
func (w *PathChecker) extend(end int) {
	firm := w.st.rootControlled()
	if n := len(w.way); n > 0 {
		firm = firm && w.way[n-1].rootControlled
	} else {
		w.wayFound, w.waySince = w.now, w.v.since
	}
	w.way = append(w.way, step{end, w.st.id, firm})
}
