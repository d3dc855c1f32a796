package main

import (
	"os"

	"indexd/cmd/indexctl/internal/console"
	"indexd/internal/query/plan"
	"indexd/ipc/wire"
	"indexd/listing"
)

// marker appends paths for a person: the parts that match coloured, and on a
// terminal control characters escaped. It is nil where paths go out raw.
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
		m.spans = m.matcher.Spans(m.spans[:0], string(path))
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

// finisher adds to a row what the daemon does not send: names of owners and the
// target of a link, as this machine and this user see them.
type finisher struct{ users, groups *names }

func newFinisher() finisher { return finisher{newUsers(), newGroups()} }

func (f finisher) finish(r *wire.Row) {
	if !r.NoMeta {
		r.User, r.Group = f.users.name(r.UID), f.groups.name(r.GID)
	}
	if r.Type() == listing.Symlink {
		r.Target, _ = os.Readlink(r.Path()) // gone, or hidden: it has none
	}
}

func (p *program) jsonRows() func(*wire.Row) error {
	finisher := newFinisher()
	return func(r *wire.Row) error {
		finisher.finish(r)
		return p.Out.Append(append(r.AppendJSON(p.Out.Buffer()), '\n'))
	}
}
