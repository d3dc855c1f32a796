package wire

import (
	"time"
)

// RescanRequest asks for paths to be listed again.
type RescanRequest struct {
	Paths ByteStrings `json:"paths,omitempty"` // absolute; all roots if empty
	// Wait makes the answer the stream of the job's events. The job is cancelled if the
	// client goes away before the end.
	Wait bool `json:"wait,omitempty"`
}

// JobState is the state of a job or of one of its paths.
type JobState string

// The states of a job. A job has failed if at least one of its paths has.
const (
	JobQueued    JobState = "queued"
	JobRunning   JobState = "running"
	JobDone      JobState = "done"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

// Ended reports whether s is a final state.
func (s JobState) Ended() bool {
	return s == JobDone || s == JobFailed || s == JobCancelled
}

// Job is a rescan, running or finished.
type Job struct {
	ID       uint64      `json:"id"`
	State    JobState    `json:"state"`
	Paths    ByteStrings `json:"paths"`
	UID      uint32      `json:"uid"` // the user who requested it
	Created  time.Time   `json:"created"`
	Ended    *time.Time  `json:"ended,omitempty"`
	Resumed  bool        `json:"resumed,omitempty"` // started by an earlier run of the daemon
	Progress Progress    `json:"progress"`
	// Results are those known so far, in the order of Paths.
	Results []PathResult `json:"results,omitempty"`
}

// Progress counts the work of a job so far.
type Progress struct {
	Dirs    int64 `json:"dirs"`    // directories listed
	Entries int64 `json:"entries"` // in them
	Errors  int64 `json:"errors"`  // directories that could not be listed
	Queued  int64 `json:"queued"`  // directories found but not yet listed
}

// PathResult is the result for one path of a RescanRequest.
type PathResult struct {
	Index   int      `json:"index"` // in RescanRequest.Paths
	Path    string   `json:"path"`
	State   JobState `json:"state"` // JobDone, JobFailed or JobCancelled
	Dirs    int64    `json:"dirs"`
	Entries int64    `json:"entries"`
	Errors  int64    `json:"errors"`
	// Error says in one line why the path failed, or names the first directory that could
	// not be listed.
	Error string `json:"error,omitempty"`
}

// JobEvent is one line of a job's stream. One field is set; none in an event that this
// version does not know.
type JobEvent struct {
	Job      *Job        `json:"job,omitempty"`      // first, in the answer to a RescanRequest with Wait
	Dir      *JobDir     `json:"dir,omitempty"`      // a completed directory; dropped if the reader is slow
	Path     *PathResult `json:"path,omitempty"`     // in the order of the request
	Progress *Progress   `json:"progress,omitempty"` // from time to time
	End      *JobEnd     `json:"end,omitempty"`      // last
}

// JobDir is a directory that a worker has listed.
type JobDir struct {
	Worker int    `json:"worker"`
	Dir    string `json:"dir"`
	Files  int    `json:"files"` // entries in it
}

// JobEnd ends a job's stream.
type JobEnd struct {
	Job Job `json:"job"`
	// Error says why the stream ends before the job. After ErrStopping the job is resumed
	// at the next start.
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
