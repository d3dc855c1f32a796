package main

import (
	"bytes"
	"os"

	"indexd/internal/query/plan"
	"indexd/ipc/wire"
	"indexd/listing"
)

// paths prints paths as they come from the daemon, many in one write. To a pipe
// they are raw: there only their ends may change.
func (p *program) paths(mark *marker, null bool) func([]byte) error {
	if mark == nil && null && !p.out.terminal {
		return func(paths []byte) error {
			p.out.Write(paths)
			return p.out.Flush()
		}
	}
	if mark == nil && !p.out.terminal {
		return func(paths []byte) error {
			for at := 0; ; at++ {
				i := bytes.IndexByte(paths[at:], 0)
				if i < 0 {
					break
				}
				at += i
				paths[at] = '\n'
			}
			p.out.Write(paths)
			return p.out.Flush()
		}
	}
	return func(paths []byte) error {
		b := p.out.Buffer()
		for len(paths) > 0 {
			path, rest, _ := bytes.Cut(paths, []byte{0})
			b = append(mark.appendPath(b, path), ending(null))
			paths = rest
		}
		p.out.buf = b
		return p.out.Flush()
	}
}

func ending(null bool) byte {
	if null {
		return 0
	}
	return '\n'
}

// marker appends paths for a person: the parts that match coloured, and on a
// terminal control characters escaped. It is nil where paths go out raw.
type marker struct {
	out     *output
	matcher *plan.Matcher // nil: no colours
	spans   []plan.Span
}

func (p *program) newMarker(f *findFlags) (*marker, error) {
	if !colored(f.color, p.out.terminal) {
		if p.out.terminal {
			return &marker{out: p.out}, nil
		}
		return nil, nil
	}
	plan, err := plan.Compile(&f.Request)
	if err != nil {
		return nil, err
	}
	return &marker{out: p.out, matcher: plan.NewMatcher()}, nil
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
		b = m.out.appendText(b, path[at:s.From])
		b = append(b, colorMatch...)
		b = m.out.appendText(b, path[s.From:s.To])
		b = append(b, colorOff...)
		at = s.To
	}
	return m.out.appendText(b, path[at:])
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
		return p.out.Append(append(r.AppendJSON(p.out.Buffer()), '\n'))
	}
}
