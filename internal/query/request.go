// Package query is the query language. It parses a Request, which is terms, filters and
// scope, into expressions.
//
//	Request ── Resolve(Env) ──▶ Request ── plan.Compile ──▶ Plan ── NewMatcher ──▶ Matcher
//	as typed   by the client    absolute   by the daemon    shared  one per goroutine
//
// Modes, cases, orders and fields are each one table: mode.go, request.go, sort.go and
// field.go. Below this package, scan searches columns of names, pattern compiles globs and
// regular expressions, plan prepares a request, and exec runs it on a snapshot of the store.
//
// The client links this package, so it imports little and does nothing at init.
package query

import (
	"strings"
	"time"
)

// Request is one question, as the client sends it and the daemon compiles it. The zero value
// asks for everything. The JSON names are those of the protocol.
type Request struct {
	// Terms are joined by blanks and read as one query. In any Mode except ModeTerms, each is
	// a pattern of its own, and all must match. No term may be empty.
	Terms    []string `json:"terms,omitempty"`
	Mode     Mode     `json:"mode,omitempty"`
	Case     Case     `json:"case,omitempty"`
	FullPath bool     `json:"full_path,omitempty"` // match terms against the whole path, not only the name

	// Filters are fields with their values, such as "type:f,d" or "size:+1M". A value extends
	// to the end and is not quoted. All filters must match. SizeFilter and the functions after
	// it make filters of flags.
	Filters []string `json:"filters,omitempty"`
	// In lists the directories to search. If there are none, all roots are searched.
	In []string `json:"in,omitempty"`
	// Exclude are globs. Whatever one matches is excluded and, if it is a directory,
	// everything below it.
	Exclude []string `json:"exclude,omitempty"`
	// MinDepth and MaxDepth limit the depth below an In directory or a root, whose own entries
	// have depth 1. 0 means no limit.
	MinDepth int `json:"min_depth,omitempty"`
	MaxDepth int `json:"max_depth,omitempty"`

	Sort    Sort `json:"sort,omitempty"`
	Reverse bool `json:"reverse,omitempty"`
	Limit   int  `json:"limit,omitempty"` // number of rows, after sorting; 0 means no limit
	Count   bool `json:"count,omitempty"` // return only the number of matches
}

// Case says whether case is ignored.
type Case string

// The cases. The empty Case is CaseSmart.
const (
	CaseSmart     Case = "smart" // ignored, except for a term with an upper-case letter
	CaseIgnore    Case = "ignore"
	CaseSensitive Case = "sensitive"
)

var caseNames = [...]string{string(CaseSmart), string(CaseIgnore), string(CaseSensitive)}

// CaseNames returns the names of all cases. The caller must not change them.
func CaseNames() []string { return caseNames[:] }

// Env describes when and where a request was typed. With a nil *Env, only absolute dates and
// paths and numeric owners can be resolved.
type Env struct {
	Now time.Time      // the instant that durations and "today" refer to
	Loc *time.Location // in which dates are whole days; time.Local if nil
	Cwd string         // absolute, or "" if not known
	// Real, if not nil, resolves the symbolic links in a path that in: or Request.In names.
	// The path is absolute, but not always clean. If it cannot be resolved, Real returns it
	// unchanged.
	Real func(path string) string
	// LookupUser and LookupGroup return the number of a name. If nil, no names are known.
	LookupUser, LookupGroup func(name string) (uint32, error)
}

// Limits of a request. A request that exceeds them is rejected with a *SyntaxError.
const (
	MaxText    = 64 << 10 // bytes of all texts of a request together
	MaxNesting = 1000     // of nested parentheses
)

// SizeFilter returns the filter for find's --size EXPR.
func SizeFilter(expr string) string { return "size:" + expr }

// ChangedWithin returns the filter for find's --changed-within D|DATE.
func ChangedWithin(when string) string { return "mtime:>=" + when }

// ChangedBefore returns the filter for find's --changed-before D|DATE.
func ChangedBefore(when string) string { return "mtime:<" + when }

// OwnerFilter returns the filter for find's --owner USER[:GROUP].
func OwnerFilter(owner string) string { return "owner:" + owner }

// TypeFilter returns the filter for all values of find's --type together, any of which may
// match. A value may be a list with commas.
func TypeFilter(types []string) string { return "type:" + strings.Join(types, ",") }

// ExtFilter returns the filter for all values of find's --extension together.
func ExtFilter(exts []string) string { return "ext:" + strings.Join(exts, ",") }
