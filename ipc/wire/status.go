package wire

import "time"

// Status is the state of the daemon. Pointers are nil for what is not known or does not
// apply.
type Status struct {
	Version string  `json:"version"`
	PID     int     `json:"pid"`
	Uptime  float64 `json:"uptime"` // seconds
	Ready   bool    `json:"ready"`  // every root was listed completely once and all planned watches are in place
	// Degraded says why the database cannot be written, for example because the disk is
	// full, or that its file was removed or replaced. It is empty if all is well. The
	// daemon retries until the write succeeds.
	Degraded string      `json:"degraded,omitempty"`
	Pending  int64       `json:"pending"` // directories waiting to be listed
	Entries  int64       `json:"entries"`
	Dirs     int64       `json:"dirs"`
	Clock    string      `json:"clock"` // an opaque cursor
	DB       StatusDB    `json:"db"`
	Watch    StatusWatch `json:"watch"`
	Memory   StatusMem   `json:"memory"`
	Workers  int         `json:"workers"` // of the walker
	Roots    []Root      `json:"roots"`
	Jobs     []Job       `json:"jobs"` // running
	// Restricted says that the caller may not know totals. Then Pending is 0 or 1; counts,
	// sizes and the clock are missing; and Roots and Jobs are those that the caller may
	// know of.
	Restricted bool `json:"restricted,omitempty"`
}

// StatusDB is the database file.
type StatusDB struct {
	Path string `json:"path"`
	Size int64  `json:"size"` // bytes
	Free int64  `json:"free"` // unused bytes in it
	// Fresh is how many directory records have names that are not in the trigram index yet.
	// Every text search reads them.
	Fresh int64 `json:"fresh"`
	// Max is the maximum size of the file, 0 if unlimited.
	Max int64 `json:"max,omitempty"`
	// Needs is the free space in bytes that a compaction of the file waits for, 0 if none
	// waits.
	Needs int64 `json:"needs,omitempty"`
	// Aside is the damaged database that this one replaces, or nil.
	Aside *StatusAside `json:"set_aside,omitempty"`
}

// StatusAside is a quarantined database.
type StatusAside struct {
	Path string    `json:"path"` // where it is kept unless it was removed since
	At   time.Time `json:"at"`
	Why  string    `json:"why"`
}

// StatusWatch is the state of watching.
type StatusWatch struct {
	Backend   string `json:"backend"`          // inotify, fanotify, off
	Reason    string `json:"reason,omitempty"` // why it is off although it should be on
	Watches   int64  `json:"watches"`          // in use
	Limit     int64  `json:"limit"`            // how many may be used
	Needed    int64  `json:"needed"`           // how many would cover every directory
	Sysctl    string `json:"sysctl,omitempty"` // the setting that would allow those
	Overflows int64  `json:"overflows"`
}

// StatusMem is the daemon's memory in bytes.
type StatusMem struct {
	RSS       int64 `json:"rss"`
	Anonymous int64 `json:"anonymous"` // the part of RSS that is not the database's pages
}

// The states of a Root. It is live only if every directory in it is.
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
