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

// Stored is what the index has of a directory whose entries it has.
type Stored struct {
	Ino   uint64
	Ctime listing.Time
	Stamp uint64 // of the listing
	Doc   uint64 // the record's number, by which what is looked up is kept; 0: it has none
	// Mount is the number of the mount on which the directory is looked for, as
	// /proc/self/mountinfo has it; 0: that is not known.
	Mount uint64
	// NoACL: a directory on that mount with this inode and ctime has no ACL.
	NoACL bool
	// Failed: it could not be listed at the last attempt, so that another one is of
	// no use.
	Failed bool
}

// notStored is of a directory of which nothing is stored, or that is not asked for.
var notStored Stored

// View is what one caller may see. It is made for one answer, and may be used by
// several goroutines.
type View struct {
	who   Who
	stats *Stats
	since int64

	mu       sync.Mutex
	others   map[string]struct{} // see Others
	more     bool
	relisted map[string]uint64 // see Relisted
}

// maxOthers bounds what View.Others returns.
const maxOthers = 4096

// View returns what a caller may see, by looks none of which was made before
// since; the zero time: they may be as old as MaxAge.
func (s *Stats) View(w Who, since time.Time) *View {
	v := &View{who: w, stats: s, since: -1 << 63}
	if !since.IsZero() {
		v.since = s.since(since)
	}
	return v
}

// Others returns those directories of which the caller could list what is there
// now, and of which nothing was shown, because it is not what was stored: they are
// to be listed again. They are forgotten then. more: there are others.
func (v *View) Others() (dirs []string, more bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for dir := range v.others {
		dirs = append(dirs, dir)
	}
	more = v.more
	v.others, v.more = nil, false
	return dirs, more
}

// Relisted says that dirs, which Others had returned, were listed again since the
// stamp. Who could list such a directory before that, and can now, may see what
// was found in between, though it may have changed again.
func (v *View) Relisted(dirs []string, stamp uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.relisted == nil {
		v.relisted = make(map[string]uint64, len(dirs))
	}
	for _, dir := range dirs {
		v.relisted[dir] = stamp
	}
	v.since = v.stats.since(v.stats.now())
}

// other notes a directory that is not as it was stored, and reports whether it was
// listed again for this view.
func (v *View) other(dir string, stamp uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if least, ok := v.relisted[dir]; ok && stamp > least {
		return true
	}
	if v.others == nil {
		v.others = make(map[string]struct{})
	}
	if len(v.others) >= maxOthers {
		v.more = true
	} else {
		v.others[strings.Clone(dir)] = struct{}{} // the caller's is valid during the call alone
	}
	return false
}

// Lists reports whether the caller may list what is at dir now. Like all that is
// not told by Sight, that says nothing about what is stored.
func (v *View) Lists(dir string) bool {
	w := v.Walk(nil)
	return w.look(dir, &notStored) && w.st.of(&v.who)&mayRead != 0
}

// Enters reports whether the caller may list what is at dir now, or something in
// it whose name it knows.
func (v *View) Enters(dir string) bool {
	w := v.Walk(nil)
	return w.look(dir, &notStored) && w.st.of(&v.who)&(mayRead|maySearch) != 0
}

// IsDir reports whether there is a directory at a path that the caller can reach.
func (v *View) IsDir(p string) bool {
	return v.Walk(nil).look(p, &notStored)
}
