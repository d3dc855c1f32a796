package main

import (
	"os"

	"indexd/cmd/indexctl/internal/console"
	"indexd/internal/query/plan"
	"indexd/ipc/wire"
	"indexd/listing"
)

// marker appends paths with matches coloured and, on a terminal, control characters escaped.
// A nil marker appends paths unchanged.
type marker struct {
	out     *console.Output
	matcher *plan.Matcher // nil: no colours
	spans   []plan.Span
}

func (p *program) newMarker(f *findFlags) (*marker, error) {
	if !colored(f.color, p.Out.Terminal) {
		if p.Out.Terminal {
			return &marker{out: p.Out}, nil
		}
		return nil, nil
	}
	plan, err := plan.Compile(&f.Request)
	if err != nil {
		return nil, err
	}
	return &marker{out: p.Out, matcher: plan.NewMatcher()}, nil
}

// write returns the function that appends a path, or nil if paths are printed raw.
func (m *marker) write() func(b, path []byte) []byte {
	if m == nil {
		return nil
	}
	return m.appendPath
}

func (m *marker) appendPath(b, path []byte) []byte {
	if m == nil {
		return append(b, path...)
	}
	if m.matcher != nil {
		m.spans = m.matcher.Highlights(m.spans[:0], string(path))
	}
	at := 0
	for _, s := range m.spans {
		if s.From == s.To {
			continue
		}
		b = m.out.AppendText(b, path[at:s.From])
		b = append(b, colorMatch...)
		b = m.out.AppendText(b, path[s.From:s.To])
		b = append(b, colorOff...)
		at = s.To
	}
	return m.out.AppendText(b, path[at:])
}

// finisher adds to a row what the daemon does not send: the names of owner and group, and the
// target of a link if this user may read it.
type finisher struct{ users, groups *names }

func newFinisher() finisher { return finisher{newUsers(), newGroups()} }

func (f finisher) finish(r *wire.Row) {
	if !r.NoMeta {
		r.User, r.Group = f.users.name(r.UID), f.groups.name(r.GID)
	}
	if r.Type() == listing.Symlink {
		r.Target, _ = os.Readlink(r.Path()) // fails, and leaves it empty, if it is gone or hidden
	}
}

func (p *program) jsonRows() func(*wire.Row) error {
	finisher := newFinisher()
	return func(r *wire.Row) error {
		finisher.finish(r)
		return p.Out.Append(append(r.AppendJSON(p.Out.Buffer()), '\n'))
	}
}

var colorChoices = []string{"auto", "always", "never"}

// colored reports whether matches are coloured. Unless --color decides it, they are if the
// output is a terminal that supports colours and NO_COLOR is not set (https://no-color.org).
func colored(when string, terminal bool) bool {
	switch when {
	case "always":
		return true
	case "never":
		return false
	}
	term := os.Getenv("TERM")
	return terminal && os.Getenv("NO_COLOR") == "" && term != "" && term != "dumb"
}

// The escape sequences around a match; the colour is grep's.
const (
	colorMatch = "\x1b[1;31m"
	colorOff   = "\x1b[m"
)
