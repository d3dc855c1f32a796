// Package query is the language in which an index is asked: it reads a request
// (terms, filters, scope), and makes of it a Plan that judges entries.
//
//	Request ── Resolve(Env) ──▶ Request ── Compile ──▶ Plan ── NewMatcher ──▶ Matcher
//	as typed    by indexctl    absolute   by the daemon   shared    one a goroutine
//
// The package knows no store and no wire: whoever executes a plan feeds it
// directories and entries. It imports nothing but the standard library and
// package listing, and does nothing at init, since the client links it.
package query

import (
	"strings"
	"time"
)

// Request is one question, as the client sends it and the daemon compiles it. The
// zero value asks for everything. The JSON names are those of the protocol.
type Request struct {
	// Terms are joined by blanks and read as one query; in any Mode but
	// ModeTerms each is one whole pattern and all must match. None may be empty.
	Terms    []string `json:"terms,omitempty"`
	Mode     Mode     `json:"mode,omitempty"`
	Case     Case     `json:"case,omitempty"`
	FullPath bool     `json:"full_path,omitempty"` // terms match in the whole path, not the name alone

	// Filters are one field and its value each, "type:f,d", "size:+1M", the
	// value verbatim to its end; all must match. See SizeFilter and those
	// beside it.
	Filters []string `json:"filters,omitempty"`
	// In are the directories to look below; none: every root.
	In []string `json:"in,omitempty"`
	// Exclude are globs; what one matches is left out, and a directory with all
	// that is below it.
	Exclude []string `json:"exclude,omitempty"`
	// MinDepth and MaxDepth count below an In directory or a root: its own
	// entries have depth 1. 0 is no bound.
	MinDepth int `json:"min_depth,omitempty"`
	MaxDepth int `json:"max_depth,omitempty"`

	Sort    Sort `json:"sort,omitempty"`
	Reverse bool `json:"reverse,omitempty"`
	Limit   int  `json:"limit,omitempty"` // rows, after sorting; 0 is no limit
	Count   bool `json:"count,omitempty"` // only how many
}

// Case says whether upper and lower case are the same.
type Case string

// The cases. The empty Case is CaseSmart.
const (
	CaseSmart     Case = "smart" // the same, except for a term with an upper-case letter
	CaseIgnore    Case = "ignore"
	CaseSensitive Case = "sensitive"
)

var caseNames = [...]string{string(CaseSmart), string(CaseIgnore), string(CaseSensitive)}

// CaseNames returns the names of all cases. The caller must not change them.
func CaseNames() []string { return caseNames[:] }

// Env is where and when a request was typed. A nil *Env knows nothing: only
// absolute dates and paths and numeric owners are then understood.
type Env struct {
	Now time.Time      // the instant that durations and "today" are relative to
	Loc *time.Location // in which dates are whole days; nil: time.Local
	Cwd string         // absolute; "" if not known
	// Real, if not nil, follows the symbolic links of an absolute path, not
	// always a clean one, that in: or Request.In names; where it cannot it
	// returns the path as it is.
	Real func(path string) string
	// LookupUser and LookupGroup give a name's number. nil knows no names.
	LookupUser, LookupGroup func(name string) (uint32, error)
}

// Limits of a request. What is beyond is a *SyntaxError.
const (
	MaxText    = 64 << 10 // bytes of all texts of a request together
	MaxNesting = 1000     // of parentheses
)

// SizeFilter is the filter of find's --size EXPR.
func SizeFilter(expr string) string { return "size:" + expr }

// ChangedWithin is the filter of find's --changed-within D|DATE.
func ChangedWithin(when string) string { return "mtime:>=" + when }

// ChangedBefore is the filter of find's --changed-before D|DATE.
func ChangedBefore(when string) string { return "mtime:<" + when }

// OwnerFilter is the filter of find's --owner USER[:GROUP].
func OwnerFilter(owner string) string { return "owner:" + owner }

// TypeFilter is the filter of all of find's --type values together: any of
// them. A value may itself be a list with commas.
func TypeFilter(types []string) string { return "type:" + strings.Join(types, ",") }

// ExtFilter is the filter of all of find's --extension values together.
func ExtFilter(exts []string) string { return "ext:" + strings.Join(exts, ",") }
