package wire

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"
)

// FindRequest asks for the entries that match. The zero value matches all.
type FindRequest struct {
	Terms    ByteStrings `json:"terms,omitempty"` // as typed; docs/query.md says how they are read
	Mode     string      `json:"mode,omitempty"`  // "" or "terms", "fixed", "glob", "regex", "locate", "bre", "ere": how a term is read
	Case     string      `json:"case,omitempty"`  // "" or "smart", "ignore", "sensitive"
	FullPath bool        `json:"full_path,omitempty"`
	Filters  ByteStrings `json:"filters,omitempty"` // one field term each: "type:f", "size:+1M"; all must match
	In       ByteStrings `json:"in,omitempty"`      // absolute directories; none: every root
	Exclude  ByteStrings `json:"exclude,omitempty"` // globs
	MinDepth int         `json:"min_depth,omitempty"`
	MaxDepth int         `json:"max_depth,omitempty"` // 0: no limit
	Sort     string      `json:"sort,omitempty"`      // "", "path", "name", "size", "mtime", "ext"
	Reverse  bool        `json:"reverse,omitempty"`
	Limit    int         `json:"limit,omitempty"` // rows, after sorting; 0: no limit
	Count    bool        `json:"count,omitempty"` // no rows, only the Trailer's count

	// Sync makes the answer wait until every change made before the request is
	// in it, for so long at most; 0: it does not wait. Not met: SyncMissed.
	Sync   Duration `json:"sync,omitzero"`
	Strict bool     `json:"strict,omitempty"` // the caller wants nothing stale; decided by it from the Trailer
	// Explain puts the plan into the Trailer.
	Explain bool `json:"explain,omitempty"`
	// Unresolved says that dates and users are as they were typed, to be
	// resolved by the daemon in its own zone. GET sets it, indexctl does not.
	Unresolved bool `json:"unresolved,omitempty"`
}

// Trailer ends every answer to a FindRequest. Without one the answer was cut
// off.
type Trailer struct {
	Count int64 `json:"count"` // rows, or with FindRequest.Count matches
	// The index's clock when the answer was begun and when it ended: the same
	// for an answer from one snapshot. Opaque.
	FirstClock string `json:"first_clock"`
	LastClock  string `json:"last_clock"`
	// Complete says that nothing in the part asked about is stale.
	Complete  bool    `json:"complete"`
	Stale     []Stale `json:"stale,omitempty"`      // bounded
	StaleMore int     `json:"stale_more,omitempty"` // how many were left out of Stale
	// SyncMissed says that FindRequest.Sync was not met in time.
	SyncMissed bool   `json:"sync_missed,omitempty"`
	Plan       string `json:"plan,omitempty"` // for FindRequest.Explain
	// Error says why the answer stops here; nil: it is whole.
	Error *Problem `json:"error,omitempty"`
}

// Stale is a subtree whose part of an answer may not be true now.
type Stale struct {
	Path   string `json:"path"`
	Reason string `json:"reason"` // one of the Stale… constants, or an error's text
}

// Reasons of Stale.
const (
	StaleNotListed = "not yet listed"
	StalePending   = "changes not yet read"
	StaleOffline   = "offline"
	StaleOverdue   = "sweep overdue"
	StaleDamaged   = "damaged in the index, listed again soon"
	// StaleMetadata is said only of answers that use more than names and types.
	StaleMetadata = "sizes, times and owners are not verified yet"
	// StaleUnwritten: the database cannot be written; Status.Degraded says why.
	StaleUnwritten = "changes not yet written"
)

// MarshalJSON implements json.Marshaler.
func (s Stale) MarshalJSON() ([]byte, error) {
	type plain Stale
	return marshalExact(plain(s), "path", s.Path)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Stale) UnmarshalJSON(data []byte) error {
	type plain Stale
	return unmarshalExact(data, (*plain)(s), "path", &s.Path)
}

// Duration goes over the wire as Go writes it ("1m30s"); a number is read as
// seconds.
type Duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, time.Duration(d).String()), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var secs float64
	if json.Unmarshal(data, &secs) == nil && math.Abs(secs) < 1e9 {
		*d = Duration(secs * float64(time.Second))
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return errors.New(`a duration is a text such as "30s" or a number of seconds`)
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}
