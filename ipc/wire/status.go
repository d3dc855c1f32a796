package wire

import "time"

// Status is what the daemon says about itself. A field that is a pointer is
// null where there is nothing to say.
type Status struct {
	Version string  `json:"version"`
	PID     int     `json:"pid"`
	Uptime  float64 `json:"uptime"` // seconds
	Ready   bool    `json:"ready"`  // every root listed completely once, what is to be watched is
	// Degraded is why nothing can be written to the database now, which is tried
	// again until it can: the disk is full, or fails; or what has become of its file,
	// which was removed or replaced. "" if all is well.
	Degraded string      `json:"degraded,omitempty"`
	Pending  int64       `json:"pending"` // directories waiting to be listed (again)
	Entries  int64       `json:"entries"`
	Dirs     int64       `json:"dirs"`
	Clock    string      `json:"clock"` // opaque; a cursor
	DB       StatusDB    `json:"db"`
	Watch    StatusWatch `json:"watch"`
	Memory   StatusMem   `json:"memory"`
	Workers  int         `json:"workers"` // of the walker
	Roots    []Root      `json:"roots"`
	Jobs     []Job       `json:"jobs"` // under way
	// Restricted: who asked may not know how much there is in all. Then Pending is
	// 0 or 1, numbers of directories and entries, sizes and the clock are not
	// given, and Roots and Jobs are those that it may know of.
	Restricted bool `json:"restricted,omitempty"`
}

// StatusDB is the database file.
type StatusDB struct {
	Path string `json:"path"`
	Size int64  `json:"size"` // bytes
	Free int64  `json:"free"` // bytes of it not in use
	// Fresh is how many records of directories have got names since they were
	// last merged into the index of trigrams: every search for a text looks at
	// them.
	Fresh int64 `json:"fresh"`
	// Max is how large the file may become, 0 for no limit.
	Max int64 `json:"max,omitempty"`
	// Needs is the room in bytes for which a compaction of the file waits, 0 if none
	// does.
	Needs int64 `json:"needs,omitempty"`
	// Aside is the damaged database that this one is in the place of; nil: none.
	Aside *StatusAside `json:"set_aside,omitempty"`
}

// StatusAside is a damaged database that was put aside.
type StatusAside struct {
	Path string    `json:"path"` // where it is kept, if it was not removed since
	At   time.Time `json:"at"`
	Why  string    `json:"why"`
}

// StatusWatch is what is watched and what that takes.
type StatusWatch struct {
	Backend   string `json:"backend"`          // inotify, fanotify, off
	Reason    string `json:"reason,omitempty"` // why it is off though it was wanted
	Watches   int64  `json:"watches"`          // in use
	Limit     int64  `json:"limit"`            // that may be used
	Needed    int64  `json:"needed"`           // that would cover every directory
	Sysctl    string `json:"sysctl,omitempty"` // the setting that would allow them
	Overflows int64  `json:"overflows"`
}

// StatusMem is the daemon's memory in bytes.
type StatusMem struct {
	RSS       int64 `json:"rss"`
	Anonymous int64 `json:"anonymous"` // of RSS, what is not the database's pages
}

// The states of a Root. Live only if every directory is.
const (
	RootIndexing    = "indexing"
	RootReconciling = "reconciling"
	RootLive        = "live"
	RootSwept       = "swept"
	RootUnwatched   = "unwatched"
	RootDegraded    = "degraded"
	RootOffline     = "offline"
)

// Root is one indexed tree.
type Root struct {
	Path             string     `json:"path"`
	State            string     `json:"state"`
	Reason           string     `json:"reason,omitempty"` // why it is degraded or offline
	Entries          int64      `json:"entries"`
	Dirs             int64      `json:"dirs"`
	Bytes            int64      `json:"bytes"`
	NamesVerified    *time.Time `json:"names_verified"`
	MetadataVerified *time.Time `json:"metadata_verified"`
	LiveDirs         int64      `json:"live_dirs"`
	SweptDirs        int64      `json:"swept_dirs"`
	Unreadable       int64      `json:"unreadable"` // directories
	Offline          int64      `json:"offline"`    // directories on volumes that are not mounted
}

// MarshalJSON implements json.Marshaler.
func (v StatusDB) MarshalJSON() ([]byte, error) {
	type plain StatusDB
	return marshalExact(plain(v), "path", v.Path)
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *StatusDB) UnmarshalJSON(data []byte) error {
	type plain StatusDB
	return unmarshalExact(data, (*plain)(v), "path", &v.Path)
}

// MarshalJSON implements json.Marshaler.
func (v Root) MarshalJSON() ([]byte, error) {
	type plain Root
	return marshalExact(plain(v), "path", v.Path)
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Root) UnmarshalJSON(data []byte) error {
	type plain Root
	return unmarshalExact(data, (*plain)(v), "path", &v.Path)
}
