package wire

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"indexd/internal/query"
)

// FindRequest asks for the entries that match. The zero value matches all.
type FindRequest struct {
	query.Request

	// Sync makes the answer wait until it includes every change made before the
	// request, but not longer than this. 0 does not wait.
	Sync Duration `json:"sync,omitzero"`
	// After is the Next of the Trailer after which the same query continues; empty for the
	// first page.
	After string `json:"after,omitempty"`
	// Strict says that the caller accepts nothing stale. The daemon ignores it: the
	// caller decides by the Trailer.
	Strict bool `json:"strict,omitempty"`
	// Explain puts the plan into the Trailer.
	Explain bool `json:"explain,omitempty"`
	// Unresolved says that dates and users are as they were typed; the daemon
	// resolves them in its own time zone. GET sets it, indexctl does not.
	Unresolved bool `json:"unresolved,omitempty"`
	// PathsOnly says that the answer is raw paths, so nothing of an entry but its name
	// is used. The server sets it from the Accept header.
	PathsOnly bool `json:"-"`
}

// findRequest is a FindRequest as encoding/json sees it, with lists that may hold
// any bytes.
type findRequest struct {
	*plainFindRequest
	Terms   *ByteStrings `json:"terms,omitempty"`
	Filters *ByteStrings `json:"filters,omitempty"`
	In      *ByteStrings `json:"in,omitempty"`
	Exclude *ByteStrings `json:"exclude,omitempty"`
}

type plainFindRequest FindRequest

// MarshalJSON implements json.Marshaler.
func (r FindRequest) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler. As this is a request, it rejects
// unknown fields.
func (r *FindRequest) UnmarshalJSON(data []byte) error {
	return unmarshalStrict(data, &findRequest{
		(*plainFindRequest)(r),
		(*ByteStrings)(&r.Terms), (*ByteStrings)(&r.Filters), (*ByteStrings)(&r.In), (*ByteStrings)(&r.Exclude),
	})
}

// Trailer ends every answer to a FindRequest. An answer without one was cut off.
type Trailer struct {
	Count int64 `json:"count"` // rows sent, or with FindRequest.Count the matches
	// FirstClock and LastClock are the index's clock at the start and the end of the
	// answer. They are opaque, and equal if the answer is from one snapshot.
	FirstClock string `json:"first_clock"`
	LastClock  string `json:"last_clock"`
	// Complete says that nothing in the searched part of the index is stale.
	Complete  bool    `json:"complete"`
	Stale     []Stale `json:"stale,omitempty"`      // a bounded sample
	StaleMore int     `json:"stale_more,omitempty"` // how many are missing in Stale
	// Changed is how many matches changed, at least, while the answer was being sorted. Some
	// of them may be missing or come twice.
	Changed int64 `json:"changed,omitempty"`
	// Next is the FindRequest.After of the next page if Limit ended the answer and there may
	// be more. Opaque.
	Next string `json:"next,omitempty"`
	// SyncMissed says that FindRequest.Sync expired first.
	SyncMissed bool   `json:"sync_missed,omitempty"`
	Plan       string `json:"plan,omitempty"` // for FindRequest.Explain
	// Error says why the answer ends early; nil if it did not.
	Error *Problem `json:"error,omitempty"`
}

// Stale is a subtree for which an answer may be out of date.
type Stale struct {
	Path   string `json:"path"`
	Reason string `json:"reason"` // one of the Stale constants, or the text of an error
}

// Reasons for Stale.
const (
	StaleNotListed = "not yet listed"
	StalePending   = "changes not yet read"
	StaleOffline   = "offline"
	StaleOverdue   = "sweep overdue"
	StaleDamaged   = "damaged in the index, listed again soon"
	// StaleMetadata applies only to answers that use more than names and types.
	StaleMetadata = "sizes, times and owners are not verified yet"
	// StaleUnwritten means that the database cannot be written; Status.Degraded says why.
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

// Duration is sent in Go's notation, such as "1m30s". A number is read as seconds.
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
