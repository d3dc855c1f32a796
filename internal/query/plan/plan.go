// Package plan prepares a request to be run. A Plan holds the tests on entries, the queries for
// the trigram index, and what is highlighted; a Matcher runs the tests.
package plan

import "indexd/internal/query"

// Plan is a prepared request. It never changes and may be shared by goroutines.
type Plan struct {
	expr    query.Expr
	in      []string
	exclude []string

	root       *step
	filters    []*prefilter // best first
	highlights []highlight
	// How many of each a Matcher keeps.
	steps, remainders, globs int

	needs query.Needs // of all tests together
}

// Expr returns the terms, filters and depths of the request.
func (p *Plan) Expr() query.Expr { return p.expr }

// In returns the directories to search, clean and sorted by path, none of them below another
// one. If there are none, all roots are searched.
func (p *Plan) In() []string { return p.in }

// NeedsMeta reports whether judging an entry may take more than its path, name, type and
// depth.
func (p *Plan) NeedsMeta() bool { return p.needs&query.NeedsMeta != 0 }

// NeedsEmptyDir reports whether Row.Empty may be used for a directory.
func (p *Plan) NeedsEmptyDir() bool { return p.needs&query.NeedsEmptyDir != 0 }

// NeedsPath reports whether Enter uses dir. If it does not, dir may be "".
func (p *Plan) NeedsPath() bool { return p.needs&query.NeedsPath != 0 }

// Zone reports whether any of the entries that z describes can match.
func (p *Plan) Zone(z *query.Zone) bool { return p.root.zone(z) != query.False }
