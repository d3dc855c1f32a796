package access

import "strings"

// Walk asks a View about one directory after another, for one goroutine. It is
// cheap where one is near the one before: it keeps the way there.
type Walk struct {
	v    *View
	path []byte // the way: of the last directory on it, without a slash at its end, so "" is the root
	ok   []int  // the lengths of beginnings of path that may be searched, ascending

	now   int64 // ns since Stats.begun, read anew now and then
	calls uint8
	at    int64 // when the first of ok was found
	since int64 // and for which View.since
}

// Walk returns a new one.
func (v *View) Walk() *Walk { return &Walk{v: v} }

// Sight says what may be seen of a directory, given by its absolute clean path,
// whose entries were listed when it was as stored. Where it has another inode or
// ctime now, nothing of them is shown: what is there now may be another directory,
// put there by who may not read the one that was listed, or have other
// permissions than it had.
func (w *Walk) Sight(dir string, stored *Stored) Sight {
	if !w.reach(dir) {
		return Nothing
	}
	st := w.stat(dir, stored.Doc)
	if st.none {
		return Nothing
	}
	who := &w.v.who
	read, search := st.allow(who, mayRead), st.allow(who, maySearch)
	same := false
	if read {
		sameDir := st.ino == stored.Ino && (st.mount == stored.Mount || stored.Mount == 0 || st.mount == 0)
		same = sameDir && st.ctime == stored.Ctime
		if !same && !stored.Failed {
			same = w.v.other(dir, stored.Stamp) && sameDir
		}
	}
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

// stat is Stats.of.
func (w *Walk) stat(dir string, number uint64) stat {
	st := w.v.stats.of(dir, number, w.now, w.v.since)
	w.now = max(w.now, st.at)
	return st
}

func (w *Walk) may(dir string, want uint32) bool {
	st := w.stat(dir, 0)
	return !st.none && st.allow(&w.v.who, want)
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

// reach reports whether every directory above dir may be searched.
func (w *Walk) reach(dir string) bool {
	w.tick()
	if dir == "/" {
		return true
	}
	// As much of the way as leads to dir too: a directory's neighbours mostly have
	// all of it.
	n := len(w.ok)
	for ; n > 0; n-- {
		if end := w.ok[n-1]; len(dir) > end && dir[end] == '/' && dir[:end] == string(w.path[:end]) {
			break
		}
	}
	w.ok = w.ok[:n]
	from := -1 // where the next component begins, but for the first directory of all
	if n > 0 {
		from = w.ok[n-1] + 1
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

// enter makes dir, which may be searched, the end of the way: what is in it often
// comes next.
func (w *Walk) enter(dir string) {
	if dir == "/" {
		dir, w.ok = "", w.ok[:0]
	}
	w.path = append(w.path[:0], dir...)
	w.add(len(dir))
}

func (w *Walk) add(end int) {
	if len(w.ok) == 0 {
		w.at, w.since = w.now, w.v.since
	}
	w.ok = append(w.ok, end)
}
