package wire

import (
	"fmt"
	"strings"
)

// Problem is an error in an answer, as application/problem+json of RFC 9457. The daemon
// returns a Problem to decide what the client gets, and the client returns the one that it
// got. Use errors.Is to distinguish the kinds.
type Problem struct {
	Type   string `json:"type"`   // the kind, one of the Err variables
	Title  string `json:"title"`  // the kind in words
	Status int    `json:"status"` // HTTP status
	Detail string `json:"detail,omitempty"`

	// For ErrBadQuery: the text that was not understood, the byte offset in it, and what to
	// write instead.
	Text string `json:"text,omitempty"`
	Pos  int    `json:"pos,omitempty"`
	Hint string `json:"hint,omitempty"`
}

// The kinds of problem. Compare with errors.Is, and make copies using With; never modify
// them.
var (
	ErrBadRequest = kind(400, "bad-request", "request not understood")
	ErrBadQuery   = kind(400, "bad-query", "query not understood")
	ErrForbidden  = kind(403, "forbidden", "not allowed")
	// ErrNotFound does not distinguish paths that are missing, excluded, outside every root
	// or invisible to the caller.
	ErrNotFound = kind(404, "not-found", "not found")
	// ErrVersion is for endpoints and fields that the daemon does not know.
	ErrVersion = kind(404, "version", "client and daemon do not match")
	ErrMethod  = kind(405, "method", "method not allowed")
	ErrTimeout = kind(408, "timeout", "request came too slowly")
	// ErrTooLarge is for requests over the server's limits, and for answers that would
	// exceed them.
	ErrTooLarge = kind(413, "too-large", "too large")
	// ErrOutside means that a directory to search is not in the index.
	ErrOutside  = kind(422, "outside", "outside the index")
	ErrInternal = kind(500, "internal", "internal error")
	// ErrStopping means that the daemon is shutting down. Jobs are resumed at the next
	// start.
	ErrStopping = kind(503, "stopping", "indexd is stopping")
	// ErrUnavailable is for requests that cannot be answered now.
	ErrUnavailable = kind(503, "unavailable", "not available now")
)

// NotIndexed is the detail of ErrNotFound for any path.
const NotIndexed = "no such file or directory in the index"

func kind(status int, name, title string) *Problem {
	return &Problem{Type: "urn:indexd:" + name, Title: title, Status: status}
}

// With returns a copy of p with a detail.
func (p *Problem) With(format string, args ...any) *Problem {
	c := *p
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// Error returns the detail, or the title if there is none. It is never empty.
func (p *Problem) Error() string {
	for _, text := range []string{p.Detail, p.Title} {
		if strings.TrimSpace(text) != "" {
			return text
		}
	}
	return fmt.Sprintf("the daemon answered with status %d and does not say why", p.Status)
}

// Is reports whether target is a problem of the same kind.
func (p *Problem) Is(target error) bool {
	t, ok := target.(*Problem)
	return ok && t.Type == p.Type
}

// MarshalJSON implements json.Marshaler.
func (p Problem) MarshalJSON() ([]byte, error) {
	type plain Problem
	return marshalExact(plain(p), "text", p.Text)
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Problem) UnmarshalJSON(data []byte) error {
	type plain Problem
	return unmarshalExact(data, (*plain)(p), "text", &p.Text)
}
