package access

import "strings"

// Walk asks a View about one directory after another, for one goroutine. It is
// cheap where one is near the one before: it keeps the way there.
//
// What leads to a directory is looked at at other times than it is. So that nobody
// can show a directory of his own above, and then have the other one in its place
// again, each has to have been found in the very directory that was looked at above
// it. That is not asked where nobody but root could do so.
type Walk struct {
	v    *View
	path []byte // the way: of the last directory on it, without a slash at its end, so "" is the root
	ok   []step // the directories on it that may be searched, from the root on

	now   int64 // ns since Stats.begun, read anew now and then
	calls uint8
	at    int64 // when the first of ok was found
	since int64 // and for which View.since
	fresh int64 // no look that is older is believed

	st   stat // of the directory that was asked for last
	torn bool // it was found in another than the one that was looked at above it

	ahead Ahead
	batch *batch // for the next looks
	lead  int    // how many may be looked at at once
	more  int    // how many more than the one asked for were so the last time
	used  int    // and how many were asked for since
}

// step is a directory on the way.
type step struct {
	end int // the length of its path
	id
	firm bool // perms.firm, of all above too
}

// Ahead tells directories that may be asked for next, in the order of paths, with
// what is stored of them, until add returns false.
type Ahead = func(add func(dir string, stored *Stored) bool)

// maxLead is how many directories are looked at at once, at most.
const maxLead = 64

// Walk returns a new one. ahead may be nil: it is not known what comes next.
func (v *View) Walk(ahead Ahead) *Walk { return &Walk{v: v, ahead: ahead, lead: 1, fresh: -1 << 63} }

// Sight says what may be seen of a directory, given by its absolute clean path,
// whose entries were listed when it was as stored. Where it has another inode or
// ctime now, nothing of them is shown: what is there now may be another directory,
// put there by who may not read the one that was listed, or have other
// permissions than it had.
func (w *Walk) Sight(dir string, stored *Stored) Sight {
	if !w.look(dir, stored) {
		return Nothing
	}
	st := &w.st
	may := st.of(&w.v.who)
	same := false
	if may&mayRead != 0 {
		sameDir := st.ino == stored.Ino && (uint64(st.mount) == stored.Mount || stored.Mount == 0 || st.mount == 0)
		same = sameDir && st.ctime == stored.Ctime
		if !same && !stored.Failed {
			same = w.v.other(dir, stored.Stamp) && sameDir
		}
	}
	search := may&maySearch != 0
	if search {
		w.enter(dir)
	}
	switch {
	case search && same:
		return All
	case search:
		return Below
	case same:
		return Names
	}
	return Nothing
}

// look makes w.st what dir is like, and reports whether it is a directory that can
// be reached.
func (w *Walk) look(dir string, stored *Stored) bool {
	w.tick()
	for again := false; ; again = true {
		w.torn = false
		ok := w.reach(dir) && w.stat(dir, stored)
		if !w.torn || again {
			return ok
		}
		// Something was moved. What is there now is found by new looks, if it lasts.
		s := w.v.stats
		w.now = s.since(s.now())
		w.fresh, w.ok = w.now, w.ok[:0]
	}
}

// stat makes w.st what dir is like, which is in the last directory of the way, and
// reports whether it is a directory.
func (w *Walk) stat(dir string, stored *Stored) bool {
	up := step{firm: true}
	if n := len(w.ok); n > 0 && dir != "/" {
		up = w.ok[n-1]
	}
	s, st := w.v.stats, &w.st
	key := s.key(dir)
	known := s.get(key, stored.Doc, st)
	if known && w.believed(st) && (up.firm || st.linked || st.none) {
		w.used++
	} else {
		if !known {
			*st = stat{}
		}
		w.anew(question{dir: dir, last: *st, known: known, plain: stored.plain(), key: key, number: stored.Doc})
		w.now = max(w.now, st.at)
	}
	if !st.none && !up.firm && (!st.linked || st.up != up.id) {
		w.torn = true
		return false
	}
	return !st.none
}

// believed reports whether a look is new enough.
func (w *Walk) believed(st *stat) bool {
	return st.at >= w.v.since && st.at >= w.fresh && w.now-st.at < int64(keep)
}

// anew makes w.st what a look at q tells. What comes next is looked at with it, the
// more of it the more of that was asked for.
func (w *Walk) anew(q question) {
	s, b := w.v.stats, w.batch
	if b == nil {
		b = new(batch)
		w.batch = b
	}
	add := func(q question) {
		q.dir = strings.Clone(q.dir)
		b.ask = append(b.ask, q)
	}
	b.ask, b.way = b.ask[:0], b.way[:0]
	add(q)
	if q.dir != "/" {
		for _, up := range w.ok {
			b.way = append(b.way, stepTo{b.ask[0].dir[:up.end], up.firm})
		}
	}
	if w.ahead != nil && q.number != 0 {
		if w.used >= w.more {
			w.lead = min(2*w.lead, maxLead)
		} else {
			w.lead = max(w.lead/4, 1)
		}
		if w.lead > 1 {
			w.ahead(func(dir string, stored *Stored) bool {
				q := question{dir: dir, plain: stored.plain(), key: s.key(dir), number: stored.Doc}
				if q.known = s.get(q.key, q.number, &q.last); !q.known || !w.believed(&q.last) {
					add(q)
				}
				return len(b.ask) < w.lead
			})
		}
		w.more, w.used = len(b.ask)-1, 0
	}
	var left bool
	if w.st, left = s.anew(b); left {
		w.batch = nil // a looker has it
	}
}

// may reports whether dir, which is in the last directory of the way, is one in
// which the caller has the permission want.
func (w *Walk) may(dir string, want uint32) bool {
	return w.stat(dir, &notStored) && w.st.of(&w.v.who)&want != 0
}

// tick reads the clock, but not at every call, and forgets a way that is too old.
func (w *Walk) tick() {
	const every = 32
	if w.calls++; w.calls%every != 1 {
		return
	}
	s := w.v.stats
	w.now = s.since(s.now())
	if len(w.ok) > 0 && (w.now-w.at >= int64(keepWay) || w.since != w.v.since) {
		w.ok = w.ok[:0]
	}
}

// reach makes the way that to the directory above dir, and reports whether all on
// it may be searched.
func (w *Walk) reach(dir string) bool {
	if dir == "/" {
		return true
	}
	// As much of the way as leads to dir too: a directory's neighbours mostly have
	// all of it.
	n := len(w.ok)
	for ; n > 0; n-- {
		if end := w.ok[n-1].end; len(dir) > end && dir[end] == '/' && dir[:end] == string(w.path[:end]) {
			break
		}
	}
	w.ok = w.ok[:n]
	from := -1 // where the next component begins, but for the first directory of all
	if n > 0 {
		from = w.ok[n-1].end + 1
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
		if !w.may(up, maySearch) {
			return false
		}
		w.add(end)
		from = end + 1
	}
}

// enter makes dir, which w.st is of and which may be searched, the end of the way:
// what is in it often comes next.
func (w *Walk) enter(dir string) {
	if dir == "/" {
		dir, w.ok = "", w.ok[:0]
	}
	w.path = append(w.path[:0], dir...)
	w.add(len(dir))
}

// add makes w.st's directory the end of the way.
func (w *Walk) add(end int) {
	firm := w.st.firm()
	if n := len(w.ok); n > 0 {
		firm = firm && w.ok[n-1].firm
	} else {
		w.at, w.since = w.now, w.v.since
	}
	w.ok = append(w.ok, step{end, w.st.id, firm})
}
