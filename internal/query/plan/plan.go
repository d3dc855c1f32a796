package plan

import "indexd/internal/query"

// Plan is a request made ready. It never changes and may be shared.
type Plan struct {
	expr    query.Expr
	in      []string
	exclude []string

	root       *step
	filters    []*prefilter // best first
	highlights []highlight
	// How many of each a Matcher keeps.
	steps, remainders, globs int

	needs query.Needs // of all tests
}

// Expr is all of the request's terms and filters, and its depths.
func (p *Plan) Expr() query.Expr { return p.expr }

// In are the directories below which the plan looks, clean, in path order,
// none below another; none: every root.
func (p *Plan) In() []string { return p.in }

// NeedsMeta reports whether more than path, name, type and depth of an entry
// may be needed to judge it.
func (p *Plan) NeedsMeta() bool { return p.needs&query.NeedsMeta != 0 }

// NeedsEmptyDir reports whether Row.Empty may be needed for a directory.
func (p *Plan) NeedsEmptyDir() bool { return p.needs&query.NeedsEmptyDir != 0 }

// NeedsPath reports whether Enter looks at dir; where not it may be "".
func (p *Plan) NeedsPath() bool { return p.needs&query.NeedsPath != 0 }

// Zone reports whether any of the entries that z describes can match.
func (p *Plan) Zone(z *query.Zone) bool { return p.root.zone(z) != query.False }
