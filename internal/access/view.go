package access

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"indexd/listing"
)

// Visibility is what a caller may see of a directory.
type Visibility uint8

const (
	None     Visibility = iota // no entries, and nothing below
	Traverse                   // no entries, but what is visible further below
	List                       // names and types of the entries; nothing below
	Full                       // all of the entries, and what is visible below
)

// Stored is what the index knows of a directory whose entries it has.
type Stored struct {
	Ino   uint64
	Ctime listing.Time
	Stamp uint64 // of the listing
	Doc   uint64 // number of the record, under which the stat is cached; 0 if it has none
	// Mount is the id of the mount on which the directory lies, as in
	// /proc/self/mountinfo, or 0 if unknown.
	Mount uint64
	// NoACL means that a directory on that mount with this inode and ctime has no ACL.
	NoACL bool
	// Failed means that the last attempt to list the directory failed, so another one is
	// pointless.
	Failed bool
}

// nothingStored is for directories that the index does not have.
var nothingStored Stored

// View decides what one caller may see. It is made for one answer and is safe for
// concurrent use.
type View struct {
	cred  Credentials
	stats *Stats
	since int64

	mu          sync.Mutex
	changed     map[string]struct{} // see Changed
	moreChanged bool
	relisted    map[string]uint64 // see Relisted
}

// maxChanged bounds the result of View.Changed.
const maxChanged = 4096

// View returns a view for a caller, based on stats not older than since. The zero time
// allows any that are not older than MaxAge.
func (s *Stats) View(w Credentials, since time.Time) *View {
	v := &View{cred: w, stats: s, since: -1 << 63}
	if !since.IsZero() {
		v.since = s.nanos(since)
	}
	return v
}

// Changed returns, and then forgets, directories that the caller may list but of which
// nothing was shown because they have changed since they were indexed. They should be
// listed again. more reports that there were further ones.
func (v *View) Changed() (dirs []string, more bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	dirs, more = slices.Collect(maps.Keys(v.changed)), v.moreChanged
	v.changed, v.moreChanged = nil, false
	return dirs, more
}

// Relisted says that dirs, returned by Changed, were listed again after the given stamp.
// A caller who could list such a directory before that and can list it now may see the
// new listing, even if the directory has changed again since.
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

// noteChanged records a directory that differs from what is stored, and reports whether
// it was listed again for this view.
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
		v.changed[strings.Clone(dir)] = struct{}{} // dir is valid only during the call
	}
	return false
}

// CanList reports whether the caller may list the directory dir now. Unlike
// PathChecker.Visibility it says nothing about what is stored.
func (v *View) CanList(dir string) bool {
	w := v.PathChecker(nil)
	return w.resolve(dir, &nothingStored) && w.st.of(&v.cred)&mayRead != 0
}

// CanEnter reports whether the caller may list the directory dir now or access entries in
// it whose names it knows.
func (v *View) CanEnter(dir string) bool {
	w := v.PathChecker(nil)
	return w.resolve(dir, &nothingStored) && w.st.of(&v.cred)&(mayRead|maySearch) != 0
}

// IsDir reports whether there is a directory at path p that the caller can reach.
func (v *View) IsDir(p string) bool {
	return v.PathChecker(nil).resolve(p, &nothingStored)
}
