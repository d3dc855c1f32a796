package plan

import (
	"fmt"
	"indexd/internal/query"
	"strings"
)

// Explain describes in a few lines, each ended by a newline, how the plan searches for
// matches. The text is for people and may change.
func (p *Plan) Explain() string {
	var out strings.Builder
	line := func(key, format string, args ...any) {
		fmt.Fprintf(&out, "%-8s %s\n", key, fmt.Sprintf(format, args...))
	}
	if s := p.expr.String(); s != "" {
		line("match", "%s", query.Printable(s))
	} else {
		line("match", "everything")
	}
	for _, dir := range p.in {
		line("in", "%s", query.Printable(dir))
	}
	for _, x := range p.exclude {
		line("without", "%s", query.Printable(x))
	}
	queries := p.IndexQueries()
	for i, s := range queries {
		key, below := "lookup", ""
		if i > 0 {
			key = "or"
		}
		if s.Subtree {
			below = ", and everything below such directories"
		}
		line(key, "names with %s%s", &s, below)
	}
	switch {
	case len(queries) > 0:
	case len(p.filters) > 0:
		line("lookup", "nothing; all names are scanned, since no text of three bytes, nor one of a few such texts, is in every match")
	default:
		line("lookup", "nothing; all names are scanned, since no text is in every match")
	}
	if len(p.filters) > 0 {
		line("scan", "names for %s", p.filters[0])
	} else {
		line("scan", "every name")
	}
	var judged []string
	zones := false
	p.root.each(func(t test) {
		switch t := t.(type) {
		case *attributeTest: // a zone with only one value is decided if zones bound the attribute at all
			zones = zones || t.zone(&query.Zone{Count: 1}) != query.Unknown
		case *typeTest:
			zones = true
		case *regexTest:
			judged = append(judged, "a regular expression")
		case *globTest:
			judged = append(judged, "a glob")
		}
	})
	if len(judged) > 0 {
		line("verify", "with %s", strings.Join(judged, ", "))
	}
	if zones {
		line("skip", "directories in which no size, time or type matches")
	}
	if p.NeedsMeta() {
		line("decode", "the metadata of entries that the name does not decide")
	}
	return out.String()
}

// String describes f for Explain.
func (f *prefilter) String() string {
	var list []string
	for _, s := range f.steps {
		t := s.test.(*litTest)
		for _, alt := range t.alts {
			alt = fmt.Sprintf("%q", alt)
			switch {
			case t.start && t.end:
				alt = "all of " + alt
			case t.start:
				alt += " at the beginning"
			case t.end:
				alt += " at the end"
			}
			if t.path {
				alt += " of the path"
			}
			if t.fold {
				alt += " in any case"
			}
			list = append(list, alt)
		}
	}
	return strings.Join(list, " or ")
}
