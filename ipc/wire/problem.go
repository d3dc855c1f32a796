package wire

import (
	"fmt"
	"strings"
)

// Problem is an error as it goes over the wire: application/problem+json of
// RFC 9457. The daemon returns one to choose what the client is told; the
// client returns those that it received. errors.Is tells the kinds apart.
type Problem struct {
	Type   string `json:"type"`   // which kind, one of the Err… below
	Title  string `json:"title"`  // the kind in words
	Status int    `json:"status"` // HTTP status
	Detail string `json:"detail,omitempty"`

	// Of ErrBadQuery: the text that was not understood, the offset in it in
	// bytes, and what to write instead.
	Text string `json:"text,omitempty"`
	Pos  int    `json:"pos,omitempty"`
	Hint string `json:"hint,omitempty"`
}

// The kinds of problem. They are compared with errors.Is and copied by With,
// never changed.
var (
	ErrBadRequest = kind(400, "bad-request", "request not understood")
	ErrBadQuery   = kind(400, "bad-query", "query not understood")
	ErrForbidden  = kind(403, "forbidden", "not allowed")
	// ErrNotFound says the same of a path that is missing, excluded, outside
	// every root or invisible to the caller.
	ErrNotFound = kind(404, "not-found", "not found")
	// ErrVersion is for an endpoint or a field that the daemon does not know.
	ErrVersion = kind(404, "version", "client and daemon do not match")
	ErrMethod  = kind(405, "method", "method not allowed")
	ErrTimeout = kind(408, "timeout", "request came too slowly")
	// ErrTooLarge is for a request over the server's limits, and for an answer
	// that cannot be made within its own (a sort of too many rows).
	ErrTooLarge = kind(413, "too-large", "too large")
	// ErrOutside is for a directory to search in that is not in the index.
	ErrOutside  = kind(422, "outside", "outside the index")
	ErrInternal = kind(500, "internal", "internal error")
	// ErrStopping tells every waiter that the daemon is shutting down; what it
	// was doing is resumed at the next start.
	ErrStopping = kind(503, "stopping", "indexd is stopping")
	// ErrUnavailable is for what cannot be answered now, and why.
	ErrUnavailable = kind(503, "unavailable", "not available now")
)

// NotIndexed is the text for all of what ErrNotFound says of a path.
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

// Error is the detail, or where there is none the title: never empty.
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
