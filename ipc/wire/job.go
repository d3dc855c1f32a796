package wire

import (
	"time"
)

// RescanRequest asks for paths to be listed again.
type RescanRequest struct {
	Paths ByteStrings `json:"paths,omitempty"` // absolute; none: every root
	// Wait: the answer is the stream of the job's events, and the job is
	// cancelled when its caller goes away before the end.
	Wait bool `json:"wait,omitempty"`
}

// JobState is where a job stands.
type JobState string

// The states of a job. Failed is done with at least one path failed.
const (
	JobQueued    JobState = "queued"
	JobRunning   JobState = "running"
	JobDone      JobState = "done"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

// Ended reports whether the job has come to its end.
func (s JobState) Ended() bool {
	return s == JobDone || s == JobFailed || s == JobCancelled
}

// Job is a rescan, under way or finished.
type Job struct {
	ID       uint64      `json:"id"`
	State    JobState    `json:"state"`
	Paths    ByteStrings `json:"paths"`
	UID      uint32      `json:"uid"` // who asked
	Created  time.Time   `json:"created"`
	Ended    *time.Time  `json:"ended,omitempty"`
	Resumed  bool        `json:"resumed,omitempty"` // began under an earlier run of the daemon
	Progress Progress    `json:"progress"`
	// Results has those that are known, in the order of Paths.
	Results []PathResult `json:"results,omitempty"`
}

// Progress counts what a job has done so far.
type Progress struct {
	Dirs    int64 `json:"dirs"`    // directories listed
	Entries int64 `json:"entries"` // in them
	Errors  int64 `json:"errors"`  // directories that could not be listed
	Queued  int64 `json:"queued"`  // directories known and not yet listed
}

// PathResult is how one path of a RescanRequest ended.
type PathResult struct {
	Index   int      `json:"index"` // in RescanRequest.Paths
	Path    string   `json:"path"`
	State   JobState `json:"state"` // JobDone, JobFailed or JobCancelled
	Dirs    int64    `json:"dirs"`
	Entries int64    `json:"entries"`
	Errors  int64    `json:"errors"`
	// Error says in a line why it failed: the path's own reason, or the first
	// of the directories that could not be listed.
	Error string `json:"error,omitempty"`
}

// JobEvent is one line of a job's stream: one of the fields is set, or, in an
// event that this version does not know, none.
type JobEvent struct {
	Job      *Job        `json:"job,omitempty"`      // first, in the answer to a RescanRequest with Wait
	Dir      *JobDir     `json:"dir,omitempty"`      // as completed; dropped where the reader is slow
	Path     *PathResult `json:"path,omitempty"`     // in the order asked
	Progress *Progress   `json:"progress,omitempty"` // now and then
	End      *JobEnd     `json:"end,omitempty"`      // last
}

// JobDir is one directory that a worker has listed.
type JobDir struct {
	Worker int    `json:"worker"`
	Dir    string `json:"dir"`
	Files  int    `json:"files"` // entries in it
}

// JobEnd ends a job's stream.
type JobEnd struct {
	Job Job `json:"job"`
	// Error says why the stream ends before the job does; ErrStopping: the job
	// is resumed at the next start.
	Error *Problem `json:"error,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (r PathResult) MarshalJSON() ([]byte, error) {
	type plain PathResult
	return marshalExact(plain(r), "path", r.Path)
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *PathResult) UnmarshalJSON(data []byte) error {
	type plain PathResult
	return unmarshalExact(data, (*plain)(r), "path", &r.Path)
}

// MarshalJSON implements json.Marshaler.
func (d JobDir) MarshalJSON() ([]byte, error) {
	type plain JobDir
	return marshalExact(plain(d), "dir", d.Dir)
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *JobDir) UnmarshalJSON(data []byte) error {
	type plain JobDir
	return unmarshalExact(data, (*plain)(d), "dir", &d.Dir)
}
