package main

import (
	"bytes"
	"strings"
	"time"

	"indexd/cmd/indexctl/internal/console"
	"indexd/ipc/wire"
	"indexd/listing"
)

// longRows returns a function that prints rows as ls -lh does: type and mode, owner, group,
// size, time, path and link target. Rows are printed as they arrive, so the columns of owner
// and group become wider when a longer name appears.
func (p *program) longRows(mark *marker, null bool) func(*wire.Row) error {
	l := longPrinter{out: p.Out, mark: mark, finisher: newFinisher()}
	return func(r *wire.Row) error {
		l.finish(r)
		return p.Out.Append(append(l.appendRow(p.Out.Buffer(), r), console.Terminator(null)))
	}
}

type longPrinter struct {
	finisher
	out         *console.Output
	mark        *marker
	user, group int // widths of the columns so far
	path        []byte
}

func (l *longPrinter) appendRow(b []byte, r *wire.Row) []byte {
	if r.NoMeta {
		b = append(b, modeType(r.Type()))
		b = append(b, "????????? "...)
		b = appendPadded(b, "?", &l.user)
		b = appendPadded(b, "?", &l.group)
		b = append(b, "    ?                ? "...)
	} else {
		b = appendMode(b, r.Type(), r.Mode)
		b = append(b, ' ')
		b = appendPadded(b, r.User, &l.user)
		b = appendPadded(b, r.Group, &l.group)
		b = appendRight(b, 5, func(b []byte) []byte { return appendSize(b, r.Size) })
		b = append(b, ' ')
		b = appendRight(b, 16, func(b []byte) []byte { return appendTime(b, r.Mtime.Std()) })
		b = append(b, ' ')
	}
	l.path = r.AppendPath(l.path[:0])
	b = l.mark.appendPath(b, l.path)
	if r.Target != "" {
		b = append(b, " -> "...)
		b = l.out.AppendText(b, []byte(r.Target))
	}
	return b
}

// appendPadded appends a left-aligned cell of a column and grows *wide, its width, if needed.
func appendPadded(b []byte, cell string, wide *int) []byte {
	*wide = max(*wide, len(cell))
	b = append(b, cell...)
	return append(b, strings.Repeat(" ", *wide-len(cell)+1)...)
}

// appendRight appends what add appends, right-aligned in wide columns.
func appendRight(b []byte, wide int, add func([]byte) []byte) []byte {
	from := len(b)
	b = add(b)
	if pad := wide - (len(b) - from); pad > 0 {
		b = append(b, bytes.Repeat([]byte(" "), pad)...)
		copy(b[from+pad:], b[from:len(b)-pad])
		for i := range pad {
			b[from+i] = ' '
		}
	}
	return b
}

func appendTime(b []byte, t time.Time) []byte { return t.AppendFormat(b, "2006-01-02 15:04") }

// modeType returns the letter that ls prints before the mode.
func modeType(t listing.Type) byte {
	if t == listing.Regular {
		return '-'
	}
	return t.Letter()
}

// appendMode appends type and mode as ls prints them, in ten characters.
func appendMode(b []byte, t listing.Type, mode uint32) []byte {
	const rwx = "rwxrwxrwx"
	b = append(b, modeType(t))
	at := len(b)
	for i := range 9 {
		c := byte('-')
		if mode>>(8-i)&1 != 0 {
			c = rwx[i]
		}
		b = append(b, c)
	}
	special := func(bit uint32, at int, set, alone byte) {
		if mode&bit == 0 {
			return
		}
		if b[at] == 'x' {
			b[at] = set
		} else {
			b[at] = alone
		}
	}
	special(04000, at+2, 's', 'S')
	special(02000, at+5, 's', 'S')
	special(01000, at+8, 't', 'T')
	return b
}
