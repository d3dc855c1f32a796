package access

import (
	"strings"
	"sync"
	"time"

	"indexd/listing"
)

// Visibility says how much of a directory, as the index has it, a caller may see.
// List and None also cover everything below the directory, so a caller that knows
// them need not ask about the directories there.
type Visibility uint8

const (
	None     Visibility = iota // none of its entries, nor anything below
	Traverse                   // none of its entries; of what is below, what may be seen there
	List                       // its entries' names and types; nothing below
	Full                       // all of its entries
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
var nothingStored Stored

// View is what one caller may see. It is made for one answer, and may be used by
// several goroutines.
type View struct {
	cred  Credentials
	stats *Stats
	since int64

	mu          sync.Mutex
	changed     map[string]struct{} // see Others
	moreChanged bool
	relisted    map[string]uint64 // see Relisted
}

// maxOthers bounds what View.Others returns.
const maxChanged = 4096

// View returns what a caller may see, by looks none of which was made before
// since; the zero time: they may be as old as MaxAge.
func (s *Stats) View(w Credentials, since time.Time) *View {
	v := &View{cred: w, stats: s, since: -1 << 63}
	if !since.IsZero() {
		v.since = s.nanos(since)
	}
	return v
}

// Others returns those directories of which the caller could list what is there
// now, and of which nothing was shown, because it is not what was stored: they are
// to be listed again. They are forgotten then. more: there are others.
func (v *View) Changed() (dirs []string, more bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for dir := range v.changed {
		dirs = append(dirs, dir)
	}
	more = v.moreChanged
	v.changed, v.moreChanged = nil, false
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
	v.since = v.stats.nanos(v.stats.now())
}

// other notes a directory that is not as it was stored, and reports whether it was
// listed again for this view.
func (v *View) noteChanged(dir string, stamp uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if least, ok := v.relisted[dir]; ok && stamp > least {
		return true
	}
	if v.changed == nil {
		v.changed = make(map[string]struct{})
	}
	if len(v.changed) >= maxChanged {
		v.moreChanged = true
	} else {
		v.changed[strings.Clone(dir)] = struct{}{} // the caller's is valid during the call alone
	}
	return false
}

// Lists reports whether the caller may list what is at dir now. Like all that is
// not told by Sight, that says nothing about what is stored.
func (v *View) CanList(dir string) bool {
	w := v.PathChecker(nil)
	return w.resolve(dir, &nothingStored) && w.st.of(&v.cred)&mayRead != 0
}

// Enters reports whether the caller may list what is at dir now, or something in
// it whose name it knows.
func (v *View) CanEnter(dir string) bool {
	w := v.PathChecker(nil)
	return w.resolve(dir, &nothingStored) && w.st.of(&v.cred)&(mayRead|maySearch) != 0
}

// IsDir reports whether there is a directory at a path that the caller can reach.
func (v *View) IsDir(p string) bool {
	return v.PathChecker(nil).resolve(p, &nothingStored)
}
